"""Array types, the sizes every layer agrees on, and vectors of unit length."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
# Rows of another array, as `np.argsort` and `np.flatnonzero` return them.
IndexArray = npt.NDArray[np.intp]
# RGB (h, w, 3), or a batch of those.
ImageArray = npt.NDArray[np.uint8]

EMBEDDING_SIZE = 512
FACE_SIZE_PX = 112
RATE_HZ = 16_000
