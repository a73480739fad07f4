"""How a stored picture is shown: its size with square pixels, turned and mirrored. Pure."""

from __future__ import annotations

import struct
from typing import Any

import av
import numpy as np

from utils.arrays import ImageArray

# How much wider than high, or higher than wide, a pixel may be
_WIDEST_ASPECT = 4


def shown_size(width: int, height: int, aspect: float, most: int) -> tuple[int, int]:
    """Width and height of a picture with square pixels.

    Args:
        width, height: of the stored picture.
        aspect: width of a stored pixel over its height.
        most: the longest side of the result.
    """
    if not 1 / _WIDEST_ASPECT <= aspect <= _WIDEST_ASPECT:
        aspect = 1.0
    wide = width * max(1.0, aspect)
    tall = height / min(1.0, aspect)
    shrink = min(1.0, most / max(wide, tall))
    return max(1, round(wide * shrink)), max(1, round(tall * shrink))


def turn_upright(image: ImageArray, matrix: tuple[int, ...] | None) -> ImageArray:
    """Turn (and mirror) an image as its display matrix says, to the nearest quarter turn.

    The matrix (9 entries, row major, 16.16 fixed point) maps a stored point (x, y) to
    the shown (a·x + c·y, b·x + d·y), y downwards: ISO/IEC 14496-12 (track header) and
    libavutil/display.h. Its determinant is negative when the image is mirrored as well.
    None shows the image as it is stored.
    """
    if matrix is None:
        return image
    a, b, _, c, d = matrix[:5]
    if a * d - b * c < 0:
        image = image[:, ::-1]
        a = -a
        b = -b
    # Clockwise, since y points down
    quarters = round(np.arctan2(b, a) / (np.pi / 2))
    return np.ascontiguousarray(np.rot90(image, -quarters))


class DisplayMatrices:
    """Reads the display matrices of the frames of one video, in order.

    What was read of a frame holds it, with its memory, until Python looks for cycles. So it
    is read of key frames, and of the others where it may be there.
    """

    def __init__(self) -> None:
        self._may_be = True

    def read(self, frame: av.VideoFrame) -> tuple[int, ...] | None:
        """Read the display matrix of the next frame. None where it has none."""
        if not (frame.key_frame or frame.rotation or self._may_be):
            return None
        matrix = display_matrix(frame)
        if frame.key_frame:
            self._may_be = matrix is not None
        return matrix


def display_matrix(frame: av.VideoFrame) -> tuple[int, ...] | None:
    """Read the display matrix of a frame. None where it has none."""
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    return struct.unpack("=9i", bytes(data)[:36]) if data is not None else None


def pixel_aspect(frame: av.VideoFrame) -> float:
    """Width of a stored pixel over its height."""
    ratio = getattr(frame, "sample_aspect_ratio", None)
    return float(ratio) if ratio else 1.0
