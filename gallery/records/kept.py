"""Media that are kept with a template (DUET_KEEP_MEDIA=1), so that a later model can
embed them again, and a picture of the person.

- `faces`: a ZIP of `face-00.png`, ... (112, 112, 3), and `faces.json`: {"weights":
  [...]}, the quality that weights each face. PNG takes 2 ms a face; WebP without loss
  would save a third of the bytes, and take 36 ms.
- `speech`: FLAC, 16 bits, mono, at the rate of the encoders: the speech alone, as the
  encoder got it.
- `thumbnail`: WebP of the best face.

Stored as the codec of the gallery seals it, bound to the template and the kind.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import soundfile
from sqlalchemy import Connection, insert, select

from gallery.encryption.sealing import Codec
from gallery.tables import kept_media, templates
from utils.arrays import Float32Array, ImageArray
from utils.media import AlignedFace, Waveform
from utils.modality import Modality

FACES = "faces"
SPEECH = "speech"
THUMBNAIL = "thumbnail"
CONTENT_TYPES = {FACES: "application/zip", SPEECH: "audio/flac", THUMBNAIL: "image/webp"}
THUMBNAIL_QUALITY = 80
_WEIGHTS = "faces.json"


def write(
    connection: Connection, codec: Codec, template_id: str, media: Mapping[str, bytes]
) -> None:
    """Keep `media`, by kind, with a template that is stored in this transaction."""
    key = connection.scalars(
        select(templates.c.key).where(templates.c.template_id == template_id)
    ).one()
    for kind, data in media.items():
        connection.execute(
            insert(kept_media).values(
                template_key=key,
                kind=kind,
                data=codec.seal(data, template_id, kind),
                sealed_by=codec.key_id,
            )
        )


def read(connection: Connection, codec: Codec, template_id: str) -> dict[str, bytes]:
    """What is kept with a template, by kind. Raises StoreUnavailableError."""
    c = kept_media.c
    rows = connection.execute(
        select(c.kind, c.data, c.sealed_by)
        .join(templates, templates.c.key == c.template_key)
        .where(templates.c.template_id == template_id)
        .order_by(c.kind)
    )
    return {row.kind: codec.open(row.data, row.sealed_by, template_id, row.kind) for row in rows}


def thumbnail(connection: Connection, codec: Codec, person_key: int) -> bytes | None:
    """The thumbnail (WebP) of the best face template of a person, if one is kept.
    Raises StoreUnavailableError.
    """
    c = kept_media.c
    best = (
        select(c.data, c.sealed_by, templates.c.template_id)
        .join(templates, templates.c.key == c.template_key)
        .where(templates.c.person_key == person_key, c.kind == THUMBNAIL)
        .order_by(templates.c.quality.desc(), templates.c.key.desc())
        .limit(1)
    )
    row = connection.execute(best).one_or_none()
    return None if row is None else codec.open(row.data, row.sealed_by, row.template_id, THUMBNAIL)


def media_of(
    faces: Sequence[AlignedFace], speech: Waveform | None
) -> dict[Modality, dict[str, bytes]]:
    """What is kept of a clip, by modality and kind."""
    found: dict[Modality, dict[str, bytes]] = {}
    if faces:
        best = max(faces, key=lambda face: face.quality.score)
        packed = pack_faces(
            np.stack([f.image for f in faces]),
            np.array([f.quality.score for f in faces], np.float32),
        )
        found[Modality.FACE] = {
            FACES: packed,
            THUMBNAIL: _encoded(best.image, ".webp", cv2.IMWRITE_WEBP_QUALITY, THUMBNAIL_QUALITY),
        }
    if speech is not None:
        found[Modality.VOICE] = {SPEECH: pack_speech(speech)}
    return found


def pack_faces(images: ImageArray, weights: Float32Array) -> bytes:
    """(n, 112, 112, 3) uint8 RGB and (n,) → ZIP."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number, image in enumerate(images):
            archive.writestr(f"face-{number:02d}.png", _encoded(image, ".png"))
        archive.writestr(_WEIGHTS, json.dumps({"weights": [float(w) for w in weights]}))
    return packed.getvalue()


def unpack_faces(packed: bytes) -> tuple[ImageArray, Float32Array]:
    """What `pack_faces` packed: (n, 112, 112, 3) uint8 RGB and (n,) float32."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        pictures = [archive.read(name) for name in sorted(archive.namelist()) if name != _WEIGHTS]
        weights = json.loads(archive.read(_WEIGHTS))["weights"]
    return np.stack([_decoded(picture) for picture in pictures]), np.array(weights, np.float32)


def pack_speech(speech: Waveform) -> bytes:
    """Sound → FLAC of 16 bits."""
    packed = io.BytesIO()
    soundfile.write(packed, speech.samples, speech.rate_hz, format="FLAC", subtype="PCM_16")
    return packed.getvalue()


def unpack_speech(packed: bytes) -> Waveform:
    """What `pack_speech` packed, to within 2^-15."""
    samples, rate_hz = soundfile.read(io.BytesIO(packed), dtype="float32")
    return Waveform(samples, rate_hz)


def _encoded(image: ImageArray, ending: str, *options: int) -> bytes:
    done, data = cv2.imencode(ending, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    assert done
    return data.tobytes()


def _decoded(picture: bytes) -> ImageArray:
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8)
