"""Stand-ins for alignment and networks: clips are small JSON files that say who is seen
and heard, and encoders give every identity its own direction plus the noise of the
recording. Deterministic, no TensorFlow. Recognizer, store and database are the real
ones.

`write_clip(path, face=1, voice=1, sample=2)` is a clip in a file, of people with
numbers; `clip(face="ann", voice="ann", take=2)` the bytes of one of people with names,
as somebody sends them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gallery.database.open import open_database
from gallery.encryption.sealing import Codec
from gallery.store import Store
from recognition.recognizer import Recognizer
from recognition.results import Enrolment, Identification
from scoring.calibration import Calibration
from scoring.impostor_table import ImpostorTable
from tests.support.asking import enroll
from utils.arrays import EMBEDDING_SIZE, Float32Array, ImageArray
from utils.config import Settings
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
FACE_QUALITY = FaceQuality(80.0, 0.9, 0.0, 0.0, 0.5, 0.2, 0.8)


def direction(kind: str, identity: int, sample: int = 0, noise: float = 0.0) -> Float32Array:
    """(512,) of unit length: `identity`'s own direction, turned by a noise of length
    `noise` that depends on `sample`.
    """
    own = _unit(np.random.default_rng([ord(kind[0]), identity]).standard_normal(EMBEDDING_SIZE))
    turn = _unit(
        np.random.default_rng([ord(kind[0]), identity, sample, 1]).standard_normal(EMBEDDING_SIZE)
    )
    return _unit(own + noise * turn).astype(np.float32)


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x)


def embedding(
    modality: Modality,
    identity: int,
    sample: int = 0,
    noise: float = 0.0,
    *,
    encoder_id: str | None = None,
) -> Embedding:
    """What the stand-in encoders make of a clip."""
    return Embedding(
        direction(modality, identity, sample, noise), modality, encoder_id or f"{modality}-1"
    )


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
    """A clip of somebody: numbers are identities, None = not in it."""
    path.write_text(
        json.dumps(
            {
                "face": face,
                "voice": voice,
                "sample": sample,
                "noise": noise,
                "speech_s": speech_s,
                "picture": face is not None if picture is None else picture,
                "sound": voice is not None if sound is None else sound,
            }
        )
    )
    return path


def clip(
    face: str | None = None, voice: str | None = None, take: int = 1, hints: tuple[str, ...] = ()
) -> bytes:
    """The bytes of a clip with picture and sound, of people of NUMBERS."""
    who = {
        kind: None if name is None else NUMBERS[name]
        for kind, name in (("face", face), ("voice", voice))
    }
    return json.dumps(
        {**who, "sample": take, "noise": 0.3, "picture": True, "sound": True, "hints": hints}
    ).encode()


class ClipAligner:
    """Reads the clips above; a face carries identity, sample and noise in its first
    pixels, a waveform in its first samples. What is no clip is refused as the real
    aligner refuses it.
    """

    def analyse(self, path: Path, *, filename: str | None = None) -> Capture:
        data = path.read_bytes()
        try:
            said = json.loads(data)
            said["face"], said["voice"]
        except (ValueError, TypeError, LookupError):
            raise MediaTypeError(
                "This is no media file that is read. Received: something else"
            ) from None
        faces: tuple[AlignedFace, ...] = ()
        if said["face"] is not None:
            image = np.zeros((112, 112, 3), np.uint8)
            image[0, 0] = (said["face"], said["sample"], round(said["noise"] * 100))
            detection = FaceDetection(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 1.0)
            faces = (AlignedFace(image, detection, 0.0, FACE_QUALITY),)
        speech = None
        if said["voice"] is not None:
            samples = np.zeros(round(said.get("speech_s", 3.0) * 16_000), np.float32)
            samples[:3] = np.array([said["voice"], said["sample"], said["noise"] * 100]) / 256
            speech = Waveform(samples, 16_000)
        heard = SpeechQuality(
            said.get("speech_s", 3.0) if speech else 0.0,
            4.0,
            20.0,
            0.0,
            -20.0,
            0.7 if speech else 0.0,
        )
        return Capture(
            FaceAnalysis(faces, len(faces), 1, FACE_QUALITY if faces else None),
            SpeechAnalysis(speech, (), heard),
            said["picture"],
            said["sound"],
            4.0,
            hashlib.sha256(data).hexdigest(),
            tuple(Hint(code, code.replace("_", " ")) for code in said.get("hints", ())),
            {"decode": 1.0},
        )


@dataclass
class StubFace:
    encoder_id: str = "face-1"
    calibration: Calibration = CALIBRATION

    def embed(self, faces: ImageArray, weights: Float32Array) -> Embedding:
        identity, sample, noise = (int(v) for v in faces[0, 0, 0])
        return Embedding(
            direction("face", identity, sample, noise / 100), Modality.FACE, self.encoder_id
        )


@dataclass
class StubVoice:
    encoder_id: str = "voice-1"
    calibration: Calibration = CALIBRATION

    def embed(self, speech: Waveform) -> Embedding:
        identity, sample, noise = (round(float(v) * 256) for v in speech.samples[:3])
        return Embedding(
            direction("voice", identity, sample, noise / 100), Modality.VOICE, self.encoder_id
        )


@dataclass
class StubFusion:
    """Cosine of two fused vectors ≈ mean of the cosines of face and voice."""

    encoder_id: str = "fusion-1"
    calibration: Calibration = CALIBRATION

    def fuse(self, face: Float32Array, voice: Float32Array) -> Float32Array:
        both = face + np.roll(voice, 7, axis=1)
        return (both / np.linalg.norm(both, axis=1, keepdims=True)).astype(np.float32)


@dataclass
class StubEncoders:
    face: StubFace = field(default_factory=StubFace)
    voice: StubVoice = field(default_factory=StubVoice)
    fusion: StubFusion = field(default_factory=StubFusion)


def open_gallery(folder: Path, busy_timeout_s: float = 5.0, codec: Codec | None = None) -> Store:
    """A store on a real file in `folder`."""
    return Store(
        open_database(f"sqlite:///{folder / 'duet.db'}", busy_timeout_s), codec, folder / "media"
    )


def recognizer_of(
    settings: Settings,
    encoders: StubEncoders | None = None,
    wait_s: float = 60.0,
    aligner: ClipAligner | None = None,
    codec: Codec | None = None,
) -> Recognizer:
    """A recognizer on the database of these settings."""
    store = Store(open_database(settings.storage.gallery_url), codec, settings.storage.media_folder)
    return Recognizer(
        aligner or ClipAligner(), encoders or StubEncoders(), store, settings, wait_s=wait_s
    )


def make_recognizer(
    folder: Path,
    encoders: StubEncoders | None = None,
    wait_s: float = 60.0,
    aligner: ClipAligner | None = None,
    codec: Codec | None = None,
    **settings: Any,
) -> Recognizer:
    """A recognizer on a real database: that of the setting `database_url`, or a file in
    `folder`.
    """
    return recognizer_of(Settings.of(data_dir=folder, **settings), encoders, wait_s, aligner, codec)


def enroll_person(
    recognizer: Recognizer, clip: Callable[..., Path], person_id: str, **what: Any
) -> Enrolment:
    """Create a person and enrol a clip of `what`."""
    recognizer.store.create_person(person_id, person_id.title())
    return enroll(recognizer, person_id, clip(**what))


def outcomes(answer: Identification) -> list[tuple[str, str | None]]:
    """Of the three answers, each with the person it names."""
    return [
        (d.outcome.value, d.match.person_id if d.match else None) for d in answer.decisions.values()
    ]
