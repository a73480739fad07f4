"""Parts that the gallery and the recognizer are given, as protocols.

They are made in `align/` and `network/`, which nothing here imports. Every part is
shared by all requests and threads, and holds no state between calls.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from scoring.calibration import Calibration
from utils.arrays import BoolArray, Float32Array, ImageArray
from utils.demand import Demand, Listen, Watch
from utils.media import Capture, Waveform
from utils.modality import Embedding


class Aligner(Protocol):
    """Turns a media file into aligned faces and speech."""

    def analyse(
        self,
        path: Path,
        *,
        filename: str | None = None,
        demand: Demand | None = None,
        listen: Listen | None = None,
        watch: Watch | None = None,
    ) -> Capture:
        """Read the file at `path`, or its opening where that is what `demand` asks for.

        `filename` is the name that its sender gave it. `listen` may be given the speech,
        and `watch` faces, before the rest is read. Raises MediaError, and what these raise.
        """


class FaceEncoder(Protocol):
    """Turns aligned faces into a face embedding."""

    @property
    def encoder_id(self) -> str:
        """Name and hash of the weights."""

    @property
    def calibration(self) -> Calibration:
        """Calibration of the scores of two face embeddings."""

    def embed(self, faces: ImageArray, weights: Float32Array) -> Embedding:
        """Embed faces of one person as their weighted mean, of unit length.

        `faces` are (n, 112, 112, 3) uint8 RGB, `weights` (n,) ≥ 0.
        """

    def embed_each(self, faces: ImageArray, *, turned: BoolArray | None = None) -> Float32Array:
        """Embed each face by itself: (n, 112, 112, 3) uint8 RGB give (n, 512) float32.

        With `turned` (n,) one view is enough of each: its mirror image where it is true.
        """


class VoiceEncoder(Protocol):
    """Turns speech into a voice embedding."""

    @property
    def encoder_id(self) -> str:
        """Name and hash of the weights."""

    @property
    def calibration(self) -> Calibration:
        """Calibration of the scores of two voice embeddings."""

    def embed(self, speech: Waveform) -> Embedding:
        """Embed speech, without anything else, as a vector of unit length."""


class FusionEncoder(Protocol):
    """Turns a face and a voice embedding into a person embedding."""

    @property
    def encoder_id(self) -> str:
        """Name and hash of the weights."""

    @property
    def calibration(self) -> Calibration:
        """Calibration of the scores of two fused embeddings."""

    def fuse(self, face: Float32Array, voice: Float32Array) -> Float32Array:
        """Fuse embeddings of the same people, row by row.

        `face` and `voice` are (n, 512), and n may be 0. Returns (n, size) float32 of
        unit length, where size is 512 or what suits the fusion.
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
