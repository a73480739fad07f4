"""What the gallery needs from the layers beside it, as protocols: it is given these
parts and imports none of them.

Every part is shared by all requests and threads and holds no state between calls.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from scoring.calibration import Calibration
from utils.arrays import Float32Array, ImageArray
from utils.media import Capture, Waveform
from utils.modality import Embedding


class Aligner(Protocol):
    """Media file → aligned faces and speech."""

    def analyse(self, path: Path, *, filename: str | None = None) -> Capture:
        """Read the file at `path`; `filename` is the name its sender gave it. Raises
        MediaError.
        """


class FaceEncoder(Protocol):
    """Aligned faces → face embedding."""

    @property
    def encoder_id(self) -> str:
        """Name and hash of the weights."""

    @property
    def calibration(self) -> Calibration:
        """Calibration of the scores of two face embeddings."""

    def embed(self, faces: ImageArray, weights: Float32Array) -> Embedding:
        """`faces` (n, 112, 112, 3) uint8 RGB of one person, `weights` (n,) ≥ 0 → their
        weighted mean embedding, of unit length.
        """


class VoiceEncoder(Protocol):
    """Speech → voice embedding."""

    @property
    def encoder_id(self) -> str:
        """Name and hash of the weights."""

    @property
    def calibration(self) -> Calibration:
        """Calibration of the scores of two voice embeddings."""

    def embed(self, speech: Waveform) -> Embedding:
        """Speech only → embedding of unit length."""


class FusionEncoder(Protocol):
    """Face and voice embedding → person embedding."""

    @property
    def encoder_id(self) -> str:
        """Name and hash of the weights."""

    @property
    def calibration(self) -> Calibration:
        """Calibration of the scores of two fused embeddings."""

    def fuse(self, face: Float32Array, voice: Float32Array) -> Float32Array:
        """(n, 512) and (n, 512) of the same people, row by row → (n, size) float32 of
        unit length, size 512 or what suits the fusion. n may be 0.
        """


class Encoders(Protocol):
    """The three encoders that serve together."""

    @property
    def face(self) -> FaceEncoder:
        """Face encoder."""

    @property
    def voice(self) -> VoiceEncoder:
        """Voice encoder."""

    @property
    def fusion(self) -> FusionEncoder:
        """Fusion of the embeddings of the two above."""
