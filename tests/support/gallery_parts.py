"""Stand-ins for alignment and networks.

Recognizer, store and database are real.

Clips are small JSON files that state who is seen and heard. Encoders give every
identity its own direction plus the noise of the recording. Deterministic, no
TensorFlow.

`write_clip(path, face=1, voice=1, sample=2)` writes a clip of people with numbers.
`clip(face="ann", voice="ann", take=2)` makes the bytes of one of people with names, as
somebody sends them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gallery.database.open import open_database
from gallery.encryption.sealing import Codec
from gallery.store import Store, terms_of
from recognition.recognizer import Recognizer
from recognition.results import Enrolment, Identification
from scoring.calibration import Calibration
from scoring.impostor_table import ImpostorTable
from tests.support.asking import enroll
from utils.arrays import (
    EMBEDDING_SIZE,
    FACE_SIZE_PX,
    RATE_HZ,
    BoolArray,
    Float32Array,
    Float64Array,
    ImageArray,
    unit,
)
from utils.config import Settings
from utils.demand import Demand, Listen, Watch
from utils.errors import MediaTypeError
from utils.media import (
    AlignedFace,
    Capture,
    FaceAnalysis,
    FaceDetection,
    FaceQuality,
    Hint,
    SpeechAnalysis,
    SpeechQuality,
    Waveform,
)
from utils.modality import Embedding, Modality

CALIBRATION = Calibration(
    slope=60.0,
    intercept=-12.0,
    impostors=ImpostorTable((0.5, 0.1, 0.01, 1e-3, 1e-4), (0.0, 0.057, 0.103, 0.137, 0.164)),
)
"""True for independent directions in 512 dimensions: cosines of impostors have a
standard deviation of 1 / √512 = 0.044.
"""

NUMBERS = {name: number for number, name in enumerate(("ann", "ben", "cem", "dan", "eve"), 1)}
FACE_QUALITY = FaceQuality(
    size_px=80.0,
    sharpness=0.9,
    yaw=0.0,
    roll_deg=0.0,
    brightness=0.5,
    contrast=0.2,
    score=0.8,
)


def direction(kind: str, identity: int, sample: int = 0, noise: float = 0.0) -> Float32Array:
    """Direction of an identity, (512,) of unit length.

    It is turned by a noise of length `noise` that depends on `sample`.
    """
    own = _random_direction(ord(kind[0]), identity)
    turn = _random_direction(ord(kind[0]), identity, sample, 1)
    turned = own + noise * turn
    return (turned / np.linalg.norm(turned)).astype(np.float32)


def _random_direction(*seed: int) -> Float64Array:
    vector = np.random.default_rng(seed).standard_normal(EMBEDDING_SIZE)
    return np.asarray(vector / np.linalg.norm(vector), np.float64)


def embedding(
    modality: Modality,
    identity: int,
    sample: int = 0,
    noise: float = 0.0,
    *,
    encoder_id: str | None = None,
) -> Embedding:
    """Embedding that the stand-in encoders make of a clip."""
    vector = direction(modality, identity, sample, noise)
    return Embedding(vector, modality, encoder_id or f"{modality}-1")


def write_clip(
    path: Path,
    *,
    face: int | None = None,
    voice: int | None = None,
    sample: int = 0,
    noise: float = 0.5,
    picture: bool | None = None,
    sound: bool | None = None,
    speech_s: float = 3.0,
) -> Path:
    """Write a clip of somebody: numbers are identities, None = not in it."""
    content = {
        "face": face,
        "voice": voice,
        "sample": sample,
        "noise": noise,
        "speech_s": speech_s,
        "picture": face is not None if picture is None else picture,
        "sound": voice is not None if sound is None else sound,
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def clip(
    face: str | None = None, voice: str | None = None, take: int = 1, hints: tuple[str, ...] = ()
) -> bytes:
    """Bytes of a clip with picture and sound, of people of NUMBERS."""
    content = {
        "face": NUMBERS[face] if face else None,
        "voice": NUMBERS[voice] if voice else None,
        "sample": take,
        "noise": 0.3,
        "picture": True,
        "sound": True,
        "hints": hints,
    }
    return json.dumps(content).encode()


class ClipAligner:
    """Reads the clips above.

    A face carries identity, sample and noise in its first pixel, a waveform in its
    first samples. A file that is no clip is refused as the real aligner refuses it.
    """

    def analyse(
        self,
        path: Path,
        *,
        filename: str | None = None,
        demand: Demand | None = None,
        listen: Listen | None = None,
        watch: Watch | None = None,
    ) -> Capture:
        """Read a clip."""
        data = path.read_bytes()
        content = _parse_clip(data)
        hints = (Hint(code, code.replace("_", " ")) for code in content.get("hints", ()))
        capture = Capture(
            face_analysis=_analyse_face(content),
            speech_analysis=_analyse_speech(content),
            has_picture=content["picture"],
            has_sound=content["sound"],
            duration_s=4.0,
            source_sha256=hashlib.sha256(data).hexdigest(),
            hints=tuple(hints),
            timings_ms={"decode": 1.0},
        )
        return self.change(capture)

    def change(self, capture: Capture) -> Capture:
        """Show something else than the clip holds. Stand-ins of this one override it."""
        return capture


def _parse_clip(data: bytes) -> dict[str, Any]:
    with suppress(ValueError):
        content = json.loads(data)
        if isinstance(content, dict) and {"face", "voice"} <= content.keys():
            return content
    raise MediaTypeError("The file is in no format that is read.")


def _analyse_face(content: Mapping[str, Any]) -> FaceAnalysis:
    if content["face"] is None:
        return FaceAnalysis(faces=(), people_in_view=0, frames_read=1, quality=None)
    image = np.zeros((FACE_SIZE_PX, FACE_SIZE_PX, 3), np.uint8)
    image[0, 0] = (content["face"], content["sample"], round(content["noise"] * 100))
    detection = FaceDetection(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 1.0)
    face = AlignedFace(image, detection, 0.0, FACE_QUALITY)
    return FaceAnalysis(faces=(face,), people_in_view=1, frames_read=1, quality=FACE_QUALITY)


def _analyse_speech(content: Mapping[str, Any]) -> SpeechAnalysis:
    is_heard = content["voice"] is not None
    seconds = content.get("speech_s", 3.0) if is_heard else 0.0
    quality = SpeechQuality(
        speech_s=seconds,
        duration_s=4.0,
        snr_db=20.0,
        clipping=0.0,
        level_db=-20.0,
        score=0.7 if is_heard else 0.0,
    )
    if not is_heard:
        return SpeechAnalysis(None, (), quality)
    samples = np.zeros(round(seconds * RATE_HZ), np.float32)
    samples[:3] = np.array([content["voice"], content["sample"], content["noise"] * 100]) / 256
    return SpeechAnalysis(Waveform(samples, RATE_HZ), (), quality)


@dataclass
class StubFace:
    """Embeds the faces of the clips above."""

    encoder_id: str = "face-1"
    calibration: Calibration = CALIBRATION

    def embed(self, faces: ImageArray, weights: Float32Array) -> Embedding:
        """Embed the faces as the mean of their embeddings. A single one stays as it is."""
        vectors = self.embed_each(faces)
        total = (vectors * weights[:, None]).sum(axis=0, keepdims=True)
        mean = vectors if len(vectors) == 1 else unit(total)
        return Embedding(mean[0], Modality.FACE, self.encoder_id)

    def embed_each(self, faces: ImageArray, *, turned: BoolArray | None = None) -> Float32Array:
        """Embed each face."""
        pixels = faces[:, 0, 0].astype(int).tolist()
        vectors = [direction("face", who, sample, noise / 100) for who, sample, noise in pixels]
        return np.stack(vectors)


@dataclass
class StubVoice:
    """Embeds the speech of the clips above."""

    encoder_id: str = "voice-1"
    calibration: Calibration = CALIBRATION

    def embed(self, speech: Waveform) -> Embedding:
        """Embed the speech."""
        identity, sample, noise = (round(float(v) * 256) for v in speech.samples[:3])
        vector = direction("voice", identity, sample, noise / 100)
        return Embedding(vector, Modality.VOICE, self.encoder_id)


@dataclass
class StubFusion:
    """Cosine of two fused vectors ≈ mean of the cosines of face and voice."""

    encoder_id: str = "fusion-1"
    calibration: Calibration = CALIBRATION

    def fuse(self, face: Float32Array, voice: Float32Array) -> Float32Array:
        """Fuse two arrays (n, 512)."""
        both = face + np.roll(voice, 7, axis=1)
        return (both / np.linalg.norm(both, axis=1, keepdims=True)).astype(np.float32)


@dataclass
class StubEncoders:
    """The stand-ins together, as `network.serving.encoder.Encoders` has them."""

    face: StubFace = field(default_factory=StubFace)
    voice: StubVoice = field(default_factory=StubVoice)
    fusion: StubFusion = field(default_factory=StubFusion)


def open_gallery(folder: Path, busy_timeout_s: float = 5.0, codec: Codec | None = None) -> Store:
    """Open a store on a real file in `folder`."""
    database = open_database(f"sqlite:///{folder / 'duet.db'}", busy_timeout_s)
    return Store(database, codec, folder / "media")


def recognizer_of(
    settings: Settings,
    encoders: StubEncoders | None = None,
    *,
    wait_s: float = 60.0,
    aligner: ClipAligner | None = None,
    codec: Codec | None = None,
) -> Recognizer:
    """Make a recognizer on the database of these settings."""
    database = open_database(settings.storage.gallery_url)
    store = Store(database, codec, settings.storage.media_folder, terms_of(settings))
    return Recognizer(
        aligner or ClipAligner(), encoders or StubEncoders(), store, settings, wait_s=wait_s
    )


def make_recognizer(
    folder: Path,
    encoders: StubEncoders | None = None,
    *,
    wait_s: float = 60.0,
    aligner: ClipAligner | None = None,
    codec: Codec | None = None,
    **settings: Any,
) -> Recognizer:
    """Make a recognizer on a real database.

    It is that of the setting `database_url`, or a file in `folder`.
    """
    return recognizer_of(
        Settings.of(data_dir=folder, **settings),
        encoders,
        wait_s=wait_s,
        aligner=aligner,
        codec=codec,
    )


def enroll_person(
    recognizer: Recognizer, clip: Callable[..., Path], person_id: str, **content: Any
) -> Enrolment:
    """Create a person and enrol a clip with this content."""
    recognizer.store.create_person(person_id, person_id.title())
    return enroll(recognizer, person_id, clip(**content))


def outcomes(answer: Identification) -> list[tuple[str, str | None]]:
    """Outcomes of the three answers, each with the person that it names."""
    return [
        (d.outcome.value, d.match.person_id if d.match else None) for d in answer.decisions.values()
    ]
