"""Modalities, one value for each of them, and the embeddings made from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from utils.arrays import Float32Array

T = TypeVar("T")
U = TypeVar("U")


class Modality(StrEnum):
    """What an embedding is made from. The fused one is made from both."""

    FACE = "face"
    VOICE = "voice"
    FUSED = "fused"


# The modalities that a clip has or lacks. The fused one needs both.
SINGLE = (Modality.FACE, Modality.VOICE)


@dataclass(frozen=True)
class PerModality(Generic[T]):
    """One value for each modality. Iterates in the order of the answers: fused, face, voice."""

    fused: T
    face: T
    voice: T

    @classmethod
    def of(cls, make: Callable[[Modality], T]) -> PerModality[T]:
        """Make the value of each modality."""
        return PerModality(
            fused=make(Modality.FUSED), face=make(Modality.FACE), voice=make(Modality.VOICE)
        )

    def __getitem__(self, modality: Modality) -> T:
        value: T = getattr(self, modality)
        return value

    def map(self, change: Callable[[T], U]) -> PerModality[U]:
        """Change each value."""
        return PerModality(
            fused=change(self.fused), face=change(self.face), voice=change(self.voice)
        )

    def items(self) -> Iterator[tuple[Modality, T]]:
        """Modalities with their values."""
        yield Modality.FUSED, self.fused
        yield Modality.FACE, self.face
        yield Modality.VOICE, self.voice

    def values(self) -> Iterator[T]:
        """Values alone."""
        yield from (self.fused, self.face, self.voice)

    def to_dict(self) -> dict[str, T]:
        """Values by the name of their modality, as JSON has them."""
        return {str(modality): value for modality, value in self.items()}


@dataclass(frozen=True)
class Embedding:
    """A vector and the encoder that made it.

    `vector` is (512,) float32 of unit length. Vectors of two encoders are never compared.
    """

    vector: Float32Array
    modality: Modality
    encoder_id: str
