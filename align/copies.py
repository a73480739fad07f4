"""Shrunken copies of frames, in which faces are looked for.

Images are (h, w, 3) uint8 RGB. A whole factor divides both sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import cast

import cv2
import numpy as np

from utils.arrays import Float64Array, ImageArray

# Smaller pictures hold no face that could be used
_LEAST_SIDE_PX = 24

# What is shrunk to each side of the middle of a face, as a share of its longer side
_REACH = 0.75

# Pixels outside of what is shrunk, as outside of the picture
_GREY = 127


@dataclass
class Copy:
    """A copy of a frame, which is made where it is looked at."""

    frame: ImageArray
    factor: int

    @cached_property
    def whole(self) -> ImageArray:
        """All of it, (h, w, 3) uint8 RGB."""
        return shrink(self.frame, self.factor)

    def near(self, boxes_xyxy: Float64Array) -> ImageArray:
        """The copy, grey except around boxes (n, 4) in its pixels, unless all of it is made."""
        height, width = (side // self.factor for side in self.frame.shape[:2])
        if "whole" in self.__dict__ or self.factor == 1 or not len(boxes_xyxy):
            return self.whole
        corners = boxes_xyxy.reshape(-1, 2, 2)
        reach = _REACH * np.diff(corners, axis=1).max(axis=(1, 2))[:, None]
        middles = np.clip(corners.mean(axis=1), 0, (width - 1, height - 1))
        left, top = np.maximum((middles - reach).min(axis=0), 0).astype(int)
        right, bottom = (middles + reach).max(axis=0).astype(int) + 1
        rows = slice(top * self.factor, min(bottom, height) * self.factor)
        columns = slice(left * self.factor, min(right, width) * self.factor)
        copy = np.full((height, width, 3), _GREY, np.uint8)
        copy[top:bottom, left:right] = shrink(self.frame[rows, columns], self.factor)
        return copy


def is_tiny(image: ImageArray) -> bool:
    """Whether no face in an image (h, w, 3) could be used."""
    return bool(min(image.shape[:2]) < _LEAST_SIDE_PX)


def shrink_factor(width: int, height: int, about_px: int) -> int:
    """The whole number by which width and height are divided for `about_px` pixels.

    No side becomes less than 24 px.
    """
    factor = max(1, round(float(np.sqrt(width * height / about_px))))
    return max(1, min(factor, min(width, height) // _LEAST_SIDE_PX))


def shrink(image: ImageArray, factor: int) -> ImageArray:
    """Shrink an image (h, w, 3) by averaging squares of factor × factor pixels.

    Rows and columns that fill no square are left out. For 3 × 3 pixels and other odd ones,
    a mean about every pixel, of which few are taken, gives the same in half the time.
    """
    if factor == 1:
        return image
    size = (image.shape[1] // factor, image.shape[0] // factor)
    squares = image[: size[1] * factor, : size[0] * factor]
    if factor % 2 == 0:
        return cast(ImageArray, cv2.resize(squares, size, interpolation=cv2.INTER_AREA))
    means = cv2.blur(squares, (factor, factor))
    return cast(ImageArray, cv2.resize(means, size, interpolation=cv2.INTER_NEAREST_EXACT))
