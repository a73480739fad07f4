"""Parts for tests of the real recognizer over a real SQLite file: an aligner that reads clips written in JSON, encoders without weights.

A clip is `{"face": WHO or null, "voice": WHO or null, "take": NUMBER}`. The same WHO gives embeddings with a cosine of about 0.9, two
others about 0. Anything that is not JSON is refused as the real aligner would refuse it.
"""
from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path

import numpy as np

from gallery.recognizer import Recognizer
from gallery.store import open_store
from utils.calibration import Calibration
from utils.config import Settings
from utils.errors import MediaTypeError
from utils.types import (
    EMBEDDING_SIZE,
    RATE_HZ,
    AlignedFace,
    Capture,
    Embedding,
    FaceAnalysis,
    FaceDetection,
    FaceQuality,
    FloatArray,
    Hint,
    ImageArray,
    Modality,
    SpeechAnalysis,
    SpeechQuality,
    SpeechSegment,
    Waveform,
)

FACE_QUALITY = FaceQuality(size_px=120, sharpness=0.8, yaw=0.1, roll_deg=-1.5, brightness=0.5, contrast=0.2, score=0.9)
SPEECH_QUALITY = SpeechQuality(speech_s=3.0, duration_s=5.0, snr_db=25, clipping=0.0, level_db=-20, score=0.9)
CALIBRATION = Calibration(slope=12.0, intercept=-5.0, impostor_fmr=(0.5, 0.1, 0.01, 0.001), impostor_score=(0.0, 0.06, 0.11, 0.15))


def clip(face: str | None = None, voice: str | None = None, take: int = 1, **more: object) -> bytes:
    """The bytes of a clip."""
    return json.dumps({"face": face, "voice": voice, "take": take, **more}).encode()


class TinyAligner:
    """Reads the clips above."""

    def load(self) -> None:
        """Nothing to load."""

    def analyse(self, path: Path, *, filename: str | None = None) -> Capture:
        """As align.aligner.Aligner.analyse."""
        data = path.read_bytes()
        try:
            said = json.loads(data)
        except ValueError:
            raise MediaTypeError(f"This is no media file that is read. Received: {filename!r}") from None
        hints = tuple(Hint(code, code.replace("_", " ")) for code in said.get("hints", ()))
        people = said.get("people_in_view", int(said["face"] is not None))
        return Capture(_faces(said, people), _speech(said), True, True, 5.0, hashlib.sha256(data).hexdigest(), hints, {"decode": 1.0})


def _seed(who: str) -> int:
    return zlib.crc32(who.encode()) % 2**20


def _faces(said: dict, people: int) -> FaceAnalysis:
    if said["face"] is None:
        return FaceAnalysis((), people, 12, None)
    image = np.zeros((112, 112, 3), np.uint8)
    image.reshape(-1)[:8] = np.frombuffer(np.array([_seed(said["face"]), said["take"]], np.uint32).tobytes(), np.uint8)
    detection = FaceDetection(np.array([10, 10, 130, 130], np.float32), np.zeros((5, 2), np.float32), 0.99)
    return FaceAnalysis((AlignedFace(image, detection, 0.5, FACE_QUALITY),), people, 12, FACE_QUALITY)


def _speech(said: dict) -> SpeechAnalysis:
    if said["voice"] is None:
        return SpeechAnalysis(None, (), SpeechQuality(0.0, 5.0, 0.0, 0.0, -90.0, 0.0))
    samples = np.zeros(3 * RATE_HZ, np.float32)
    samples[:2] = _seed(said["voice"]) / 2**20, said["take"] / 2**20
    return SpeechAnalysis(Waveform(samples, RATE_HZ), (SpeechSegment(0.5, 3.5),), SPEECH_QUALITY)


def _vector(who: int, take: int, salt: int) -> FloatArray:
    def of(*seed: int) -> FloatArray:
        return np.random.default_rng(seed).normal(size=EMBEDDING_SIZE).astype(np.float32)

    return _unit(of(who, salt) + 0.3 * of(who, salt, take))


def _unit(vectors: FloatArray) -> FloatArray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


class TinyFace:
    """Face "encoder": the person is written in the pixels."""

    encoder_id, calibration = "face-tiny", CALIBRATION

    def embed(self, faces: ImageArray, weights: FloatArray) -> Embedding:
        """As network.encoder.FaceEncoder.embed."""
        who, take = np.frombuffer(faces[0].reshape(-1)[:8].tobytes(), np.uint32)
        return Embedding(_vector(int(who), int(take), 1), Modality.FACE, self.encoder_id)


class TinyVoice:
    """Voice "encoder": the person is written in the samples."""

    encoder_id, calibration = "voice-tiny", CALIBRATION

    def embed(self, speech: Waveform) -> Embedding:
        """As network.encoder.VoiceEncoder.embed."""
        who, take = (int(x * 2**20) for x in speech.samples[:2])
        return Embedding(_vector(who, take, 2), Modality.VOICE, self.encoder_id)


class TinyFusion:
    """Fusion: the mean."""

    encoder_id, calibration = "fusion-tiny", CALIBRATION

    def fuse(self, face: FloatArray, voice: FloatArray) -> FloatArray:
        """As network.encoder.FusionEncoder.fuse."""
        return _unit(face + voice) if len(face) else np.zeros((0, EMBEDDING_SIZE), np.float32)


class TinyEncoders:
    """The three."""

    face, voice, fusion = TinyFace(), TinyVoice(), TinyFusion()


def tiny_recognizer(settings: Settings) -> Recognizer:
    """The real recognizer over the real store, with the parts above."""
    return Recognizer(TinyAligner(), TinyEncoders(), open_store(settings), settings)
