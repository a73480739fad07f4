"""Modalities, and the embeddings made from them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from utils.arrays import Float32Array


class Modality(StrEnum):
    """What an embedding was made from; `fused` is made from both."""

    FACE = "face"
    VOICE = "voice"
    FUSED = "fused"


@dataclass(frozen=True)
class Embedding:
    """`vector` (512,) float32 of unit length, and which encoder made it. Vectors of two
    encoders are never compared.
    """

    vector: Float32Array
    modality: Modality
    encoder_id: str
