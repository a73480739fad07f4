"""Array types, the sizes every layer agrees on, and vectors of unit length."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
# Rows of another array, as `np.argsort` and `np.flatnonzero` return them.
IndexArray = npt.NDArray[np.intp]
# RGB (h, w, 3), or a batch of those.
ImageArray = npt.NDArray[np.uint8]
# Grey levels (h, w).
GreyArray = npt.NDArray[np.uint8]

# Numbers in an embedding, width and height of an aligned face, and samples a second of
# all sound that an encoder or the speech detector is given.
EMBEDDING_SIZE = 512
FACE_SIZE_PX = 112
RATE_HZ = 16_000

# Vectors shorter than this are not scaled up to unit length.
_SHORTEST = 1e-12

_Float = TypeVar("_Float", np.float32, np.float64)


def unit(vectors: npt.NDArray[_Float]) -> npt.NDArray[_Float]:
    """Scale vectors to unit length along the last axis.

    Args:
        vectors: (..., d) float32 or float64.

    Returns:
        Vectors of the same shape and dtype. A vector of zeros stays zeros, so that its
        cosine with every other vector is 0.
    """
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, vectors.dtype.type(_SHORTEST)))
