"""Small pictures that tell what became of them, and videos of all formats to make of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from utils.arrays import ImageArray

SIZE = (160, 96)

# File name to keyword arguments of `tests.support.media.write_video`
VIDEOS: dict[str, dict[str, Any]] = {
    "h264.mp4": {},
    "hevc.mp4": {"codec": "libx265"},
    "mpeg4.mp4": {"codec": "mpeg4"},
    "a.mov": {},
    "a.mkv": {},
    "vp8.webm": {},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "a.mpg": {},
    "mjpeg.avi": {},
    "faststart.mp4": {"options": {"movflags": "faststart"}},
    "fragmented.mp4": {"options": {"movflags": "frag_keyframe+empty_moov"}},
    "recorder.webm": {"seekable": False},
}


def grey_frames(count: int) -> list[ImageArray]:
    """Frames whose brightness tells their number: 20, 26, 32, ..."""
    return [np.full((SIZE[1], SIZE[0], 3), 20 + 6 * i, np.uint8) for i in range(count)]


def number_of(image: ImageArray) -> int:
    """The number of a frame of `grey_frames`."""
    return round((float(image[8:-8, 8:-8].mean()) - 20) / 6)


def draw_corners() -> ImageArray:
    """A picture that shows which way is up.

    Red is top left, green top right, blue bottom left.
    """
    image = np.full((96, 160, 3), 128, np.uint8)
    image[:40, :60] = (220, 30, 30)
    image[:40, -60:] = (30, 220, 30)
    image[-40:, :60] = (30, 30, 220)
    return image
