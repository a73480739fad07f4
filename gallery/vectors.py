"""Embeddings as they are stored, and what stands for a person in a comparison.

Stored form: 512 float32, little-endian, 2048 bytes. This module is the only one that knows it.
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from utils.types import EMBEDDING_SIZE, Embedding, FloatArray

_STORED = np.dtype("<f4")
_LENGTH_TOLERANCE = 1e-3


def checked(embedding: Embedding) -> Embedding:
    """Return `embedding`. Raises ValueError unless its vector is (512,), finite and of unit length."""
    vector = np.asarray(embedding.vector)
    if vector.shape != (EMBEDDING_SIZE,) or not abs(np.linalg.norm(vector) - 1.0) <= _LENGTH_TOLERANCE:  # NaN is not within it either
        raise ValueError(f"An embedding must be ({EMBEDDING_SIZE},), finite and of unit length. Received: shape={vector.shape}, "
                         f"length={float(np.linalg.norm(vector)):.4f}")
    return embedding


def to_bytes(embedding: Embedding) -> bytes:
    """The stored form of a checked embedding."""
    return np.asarray(checked(embedding).vector).astype(_STORED).tobytes()


def from_bytes(stored: Sequence[bytes]) -> FloatArray:
    """n stored embeddings → (n, 512) float32."""
    return np.frombuffer(b"".join(stored), _STORED).reshape(-1, EMBEDDING_SIZE).astype(np.float32, copy=False)


def unit(vectors: FloatArray) -> FloatArray:
    """(n, 512) → each row at unit length; a row of zeros stays one and scores 0 against everything."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 1e-6)


def prototypes(vectors: FloatArray, owners: np.ndarray) -> tuple[np.ndarray, FloatArray]:
    """What stands for each person: the mean of their templates, at unit length.

    `vectors` (n, 512) float32, `owners` (n,) int64, sorted → the distinct owners (m,) and (m, 512). A person's score is then one cosine
    however many templates there are, and a single odd template weighs little.
    """
    keys, starts = np.unique(owners, return_index=True)
    if len(keys) == len(owners):
        return keys, unit(vectors)
    return keys, unit(np.add.reduceat(vectors, starts, axis=0) if len(keys) else vectors)
