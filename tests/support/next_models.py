"""Models that come after the stand-ins of `gallery_parts`, for changes of models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.support.gallery_parts import StubEncoders, StubFace, StubVoice
from utils.arrays import BoolArray, Float32Array, ImageArray
from utils.media import Waveform
from utils.modality import Embedding, Modality


@dataclass
class NextFace(StubFace):
    """A face model whose vectors have nothing to do with those of the other."""

    encoder_id: str = "face-2"

    def embed_each(self, faces: ImageArray, *, turned: BoolArray | None = None) -> Float32Array:
        return np.roll(super().embed_each(faces, turned=turned), 100, axis=1)


@dataclass
class NextVoice(StubVoice):
    """A voice model whose vectors have nothing to do with those of the other."""

    encoder_id: str = "voice-2"

    def embed(self, speech: Waveform) -> Embedding:
        vector = np.roll(super().embed(speech).vector, 100)
        return Embedding(vector, Modality.VOICE, self.encoder_id)


NEXT = StubEncoders(NextFace(), NextVoice())
