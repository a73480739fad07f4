"""Array types and the sizes that every layer agrees on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
ImageArray = npt.NDArray[np.uint8]
EMBEDDING_SIZE = 512
FACE_SIZE_PX = 112
RATE_HZ = 16_000
