"""A picture at a glance: how bright it is, and how much of it is more than even.

A wall, a sky or a drawing say little.
"""

from __future__ import annotations

import cv2
import numpy as np

from utils.arrays import ImageArray

_BLOCK = 8
_EVEN = 2.0  # standard deviation of 0 to 255 up to which a block is even

# Rows and columns from one that counts for the brightness to the next
_STEP = 8


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


def measure_brightness(image: ImageArray) -> float:
    """Measure the mean of an image (h, w, 3) uint8, in [0, 1].

    OpenCV leaves rows and columns out in a third of the time.
    """
    size = [-(-side // _STEP) for side in image.shape[1::-1]]
    few = cv2.resize(image, size, interpolation=cv2.INTER_NEAREST)
    return float(np.mean(cv2.mean(few)[:3])) / 255
