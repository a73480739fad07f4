"""Media stored with a template (DUET_KEEP_MEDIA=1), for later models to embed.

- `faces`: a ZIP of `face-00.png`, ... (112, 112, 3), and `faces.json`: {"weights":
  [...]}, the quality that weights each face. PNG takes 2 ms a face. WebP without loss
  would save a third of the bytes, and take 36 ms.
- `speech`: FLAC, 16 bits, mono, at the rate of the encoders: the speech alone, as the
  encoder got it.
- `thumbnail`: WebP of the best face, as a picture of the person.

The codec of the gallery seals each value, bound to the template and the kind.
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
    """Store `media`, by kind, with a template of this transaction."""
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
    """Read the media of a template, by kind. Raises StoreUnavailableError."""
    c = kept_media.c
    rows = connection.execute(
        select(c.kind, c.data, c.sealed_by)
        .join(templates, templates.c.key == c.template_key)
        .where(templates.c.template_id == template_id)
        .order_by(c.kind)
    )
    return {row.kind: codec.open(row.data, row.sealed_by, template_id, row.kind) for row in rows}


def read_thumbnail(connection: Connection, codec: Codec, person_key: int) -> bytes | None:
    """Read the thumbnail (WebP) of the best face template of a person, if there is one.

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
    if row is None:
        return None
    return codec.open(row.data, row.sealed_by, row.template_id, THUMBNAIL)


def pack(faces: Sequence[AlignedFace], speech: Waveform | None) -> dict[Modality, dict[str, bytes]]:
    """Pack the faces and the speech of a clip, by modality and kind."""
    packed: dict[Modality, dict[str, bytes]] = {}
    if faces:
        images = np.stack([face.image for face in faces])
        weights = np.array([face.quality.score for face in faces], np.float32)
        packed[Modality.FACE] = {
            FACES: pack_faces(images, weights),
            THUMBNAIL: draw_thumbnail(faces),
        }
    if speech is not None:
        packed[Modality.VOICE] = {SPEECH: pack_speech(speech)}
    return packed


def draw_thumbnail(faces: Sequence[AlignedFace]) -> bytes:
    """Draw the best of these faces, one or more, as a picture (WebP)."""
    best = max(faces, key=lambda face: face.quality.score)
    return _encode(best.image, ".webp", cv2.IMWRITE_WEBP_QUALITY, THUMBNAIL_QUALITY)


def pack_faces(images: ImageArray, weights: Float32Array) -> bytes:
    """Pack (n, 112, 112, 3) uint8 RGB and (n,) weights into a ZIP."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number, image in enumerate(images):
            archive.writestr(f"face-{number:02d}.png", _encode(image, ".png"))
        archive.writestr(_WEIGHTS, json.dumps({"weights": [float(w) for w in weights]}))
    return packed.getvalue()


def unpack_faces(packed: bytes) -> tuple[ImageArray, Float32Array]:
    """Unpack what `pack_faces` packed: (n, 112, 112, 3) uint8 RGB and (n,) float32."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        pictures = [archive.read(name) for name in sorted(archive.namelist()) if name != _WEIGHTS]
        weights = json.loads(archive.read(_WEIGHTS))["weights"]
    return np.stack([_decode(picture) for picture in pictures]), np.array(weights, np.float32)


def pack_speech(speech: Waveform) -> bytes:
    """Pack sound into FLAC of 16 bits."""
    packed = io.BytesIO()
    soundfile.write(packed, speech.samples, speech.rate_hz, format="FLAC", subtype="PCM_16")
    return packed.getvalue()


def unpack_speech(packed: bytes) -> Waveform:
    """Unpack what `pack_speech` packed, to within 2^-15."""
    samples, rate_hz = soundfile.read(io.BytesIO(packed), dtype="float32")
    return Waveform(samples, rate_hz)


def _encode(image: ImageArray, ending: str, *options: int) -> bytes:
    done, data = cv2.imencode(ending, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    assert done
    return data.tobytes()


def _decode(picture: bytes) -> ImageArray:
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8)
