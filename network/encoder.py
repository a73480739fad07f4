"""Encoders: from aligned faces, speech, or both embeddings, to a unit vector of 512 numbers.

Each wraps a loaded network and the card that says what to feed it. They hold no state between calls and are shared by all requests.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from network.card import Card, read_card
from network.runtime import Runtime, load_runtime
from utils.calibration import Calibration
from utils.errors import ModelError
from utils.features import FrontendSpec, log_mel
from utils.types import EMBEDDING_SIZE, FACE_SIZE_PX, Embedding, FloatArray, ImageArray, Modality, Waveform


@dataclass(frozen=True)
class FaceInput:
    """What a face network is fed: RGB float32 (n, 112, 112, 3), `(x · scale − mean) / std`; for layout "nchw" as (n, 3, 112, 112)."""

    layout: str = "nhwc"
    scale: float = 1.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    size_px: int = FACE_SIZE_PX

    def __post_init__(self) -> None:
        if self.layout not in ("nhwc", "nchw") or self.size_px != FACE_SIZE_PX:
            raise ModelError(f"A face network must take 112 × 112 px in the layout nhwc or nchw. "
                             f"Received: size_px={self.size_px}, layout={self.layout!r}")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FaceInput:
        """From a card's `input`."""
        values = dict(data)
        for key in ("mean", "std"):
            if key in values:
                values[key] = tuple(float(x) for x in values[key])
        return cls(**values)

    def prepare(self, faces: ImageArray) -> FloatArray:
        """(n, 112, 112, 3) uint8 RGB → what the network is fed, float32."""
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        x = (faces.astype(np.float32) * np.float32(self.scale) - mean) / std
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2) if self.layout == "nchw" else x, dtype=np.float32)


class Encoder:
    """What the three encoders share: id, calibration and output of the card."""

    modality: Modality

    def __init__(self, card: Card, runtime: Runtime) -> None:
        if card.modality != self.modality:
            raise ModelError(f"Expected the card of a {self.modality} model. Received: modality={card.modality!r}")
        self.card = card
        self.encoder_id = card.encoder_id
        self._runtime = runtime

    @property
    def calibration(self) -> Calibration:
        """Score calibration of the card. Raises ModelError when it has none."""
        return self.card.require_calibration()

    def _unit(self, vectors: npt.NDArray[np.float32]) -> FloatArray:
        """(n, embedding_size) → (n, 512) of unit length. Zeros fill up shorter embeddings and change no cosine."""
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        padded = np.zeros((len(vectors), EMBEDDING_SIZE), np.float32)
        padded[:, : vectors.shape[1]] = vectors
        return padded


class FaceEncoder(Encoder):
    """Aligned faces → face embedding."""

    modality = Modality.FACE

    def __init__(self, card: Card, runtime: Runtime) -> None:
        super().__init__(card, runtime)
        self._input = FaceInput.from_dict(card.input)

    def embed_each(self, faces: ImageArray) -> FloatArray:
        """(n, 112, 112, 3) uint8 RGB → (n, 512) float32 of unit length, a row a face. n may be 0."""
        if not len(faces):
            return np.zeros((0, EMBEDDING_SIZE), np.float32)
        return self._unit(self._runtime.run(self._input.prepare(faces)))

    def embed(self, faces: ImageArray, weights: FloatArray) -> Embedding:
        """(n, 112, 112, 3) uint8 RGB of one person and their weights (n,) ≥ 0 → the weighted mean of their embeddings, of unit length."""
        if not len(faces):
            raise ValueError("At least one face is needed. Received: 0 faces")
        weights = np.maximum(np.asarray(weights, np.float32), 1e-3)
        mean = (self.embed_each(faces) * weights[:, None]).sum(axis=0, keepdims=True)
        return Embedding(self._unit(mean)[0], Modality.FACE, self.encoder_id)


class VoiceEncoder(Encoder):
    """Speech → voice embedding."""

    modality = Modality.VOICE

    def __init__(self, card: Card, runtime: Runtime) -> None:
        super().__init__(card, runtime)
        self.frontend = FrontendSpec.from_dict(card.input["frontend"])

    def embed(self, speech: Waveform) -> Embedding:
        """A waveform at the card's rate, speech only → embedding."""
        if speech.rate_hz != self.frontend.rate_hz:
            raise ValueError(f"The voice network takes {self.frontend.rate_hz} Hz. Received: rate_hz={speech.rate_hz}")
        mel = log_mel(speech.samples, self.frontend)
        return Embedding(self._unit(self._runtime.run(mel[None]))[0], Modality.VOICE, self.encoder_id)


class FusionEncoder(Encoder):
    """Face and voice embedding → person embedding."""

    modality = Modality.FUSED

    def fuse(self, face: FloatArray, voice: FloatArray) -> FloatArray:
        """(n, 512) and (n, 512) of the same people, row by row → (n, 512) of unit length. n may be 0."""
        if len(face) != len(voice):
            raise ValueError(f"Faces and voices must come in pairs. Received: {len(face)} faces, {len(voice)} voices")
        if not len(face):
            return np.zeros((0, EMBEDDING_SIZE), np.float32)
        return self._unit(self._runtime.run(np.asarray(face, np.float32), np.asarray(voice, np.float32)))


@dataclass(frozen=True)
class Encoders:
    """The three encoders that serve."""

    face: FaceEncoder
    voice: VoiceEncoder
    fusion: FusionEncoder


def load_encoders(model_dir: Path) -> Encoders:
    """Load `face/`, `voice/` and `fusion/` below `model_dir`. Raises ModelError.

    The fusion was trained on the vectors of one face and one voice network and its card names them: it serves no others.
    """
    encoders = Encoders(load_face_encoder(model_dir / "face"), load_voice_encoder(model_dir / "voice"),
                        FusionEncoder(*_load(model_dir / "fusion")))
    expected = encoders.fusion.card.input
    for part in (encoders.face, encoders.voice):
        if expected.get(part.modality) != part.encoder_id:
            raise ModelError(f"The fusion was trained for the {part.modality} encoder {expected.get(part.modality)}. "
                             f"Received: {part.encoder_id}", "Train the fusion for these encoders: `python -m train.train_nets fusion`.")
    return encoders


def load_face_encoder(folder: Path) -> FaceEncoder:
    """The face encoder in `folder`."""
    return FaceEncoder(*_load(folder))


def load_voice_encoder(folder: Path) -> VoiceEncoder:
    """The voice encoder in `folder`."""
    return VoiceEncoder(*_load(folder))


def _load(folder: Path) -> tuple[Card, Runtime]:
    card = read_card(folder)
    return card, load_runtime(card.runtime, folder / card.file)
