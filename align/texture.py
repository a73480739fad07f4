"""How much of a picture is more than even: a wall, a sky or a drawing say little."""

from __future__ import annotations

import numpy as np

from utils.arrays import ImageArray

_BLOCK = 8
_EVEN = 2.0  # standard deviation of 0 to 255 up to which a block is even


def measure_texture(image: ImageArray) -> float:
    """Measure the share of an image that is not even, from 0 to 1.

    Args:
        image: (h, w, 3) uint8, of which green is looked at, in blocks of 8 × 8 pixels.
    """
    rows, columns = (side // _BLOCK for side in image.shape[:2])
    if not rows or not columns:
        return 0.0
    green = image[: rows * _BLOCK, : columns * _BLOCK, 1].astype(np.float32)
    blocks = green.reshape(rows, _BLOCK, columns, _BLOCK)
    return float((blocks.std(axis=(1, 3)) > _EVEN).mean())
