"""Small grey frames of the start of a video, ten a second, for who looks at motion.

They are made of frames that are decoded on the way. Colour is left out, as most videos
store the grey levels by themselves, and nothing must be converted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import av
import numpy as np

from align.audience import Audience, Nobody
from align.upright import pixel_aspect, shown_size, turn_upright
from utils.arrays import GreyArray
from utils.media import GreyFrame

RATE_HZ = 10
"""Frames a second."""

LEAST_HZ = 9
"""Frames a second below which more of a video is decoded."""

MOST_SIDE_PX = 960
"""Longest side of a frame. Of larger ones, rows and columns are left out."""

# A frame counts for a moment if it is shown no earlier than this before it
_EARLY_S = 0.005

# Formats that begin with a plane of grey levels in 8 bits
_GREY_FIRST = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "nv12", "gray")

Room = Callable[[tuple[int, int]], GreyArray]
"""Gives memory (h, w) for a frame."""


class Film:
    """Collects frames that a decoder shows, in order of time, before `end_s`."""

    def __init__(self, end_s: float, audience: Audience | None = None) -> None:
        """`audience` is shown each frame, and says where it lies from then on."""
        self.end_s = end_s
        self._audience = audience or Nobody()
        self._next_s = 0.0
        self._frames: list[GreyFrame] = []

    @property
    def frames(self) -> tuple[GreyFrame, ...]:
        """The frames so far."""
        return tuple(self._frames)

    def is_dense(self, start_s: float, end_s: float) -> bool:
        """Whether frames are collected often enough from `start_s` to `end_s`."""
        end_s = min(end_s, self.end_s)
        times = [frame.time_s for frame in self._frames if frame.time_s >= start_s]
        return len(times) >= LEAST_HZ * (end_s - start_s)

    def rewind(self, frames: tuple[GreyFrame, ...]) -> None:
        """Go back to when these frames were collected."""
        self._frames = list(frames)
        self._next_s = _after(frames[-1].time_s) if frames else 0.0

    def show(self, picture: av.VideoFrame, time_s: float, matrix: tuple[int, ...] | None) -> None:
        """Keep a frame if its turn has come. It is turned as its display `matrix` says."""
        if not self._next_s - _EARLY_S <= time_s < self.end_s:
            return
        grey = _to_grey(picture, self._audience.room if matrix is None else _make)
        frame = GreyFrame(turn_upright(grey, matrix), time_s)
        self._frames.append(self._audience.film(frame))
        self._next_s = _after(time_s)


def _after(time_s: float) -> float:
    """When the next frame is due: at 15 frames a second, two of three are kept."""
    return (math.floor((time_s + _EARLY_S) * RATE_HZ) + 1) / RATE_HZ


def _make(shape: tuple[int, int]) -> GreyArray:
    return np.empty(shape, np.uint8)


def _to_grey(picture: av.VideoFrame, room: Room) -> GreyArray:
    aspect = pixel_aspect(picture)
    step = math.ceil(max(picture.width, picture.height) / MOST_SIDE_PX)
    if picture.format.name in _GREY_FIRST and aspect == 1 and picture.planes[0].line_size > 0:
        return thin_out(_read_levels(picture), step, room)
    width, height = shown_size(picture.width, picture.height, aspect, MOST_SIDE_PX)
    size: dict[str, Any] = {"width": width, "height": height, "interpolation": "AREA"}
    return np.array(picture.to_ndarray(format="gray", threads=1, **size), np.uint8)


def thin_out(levels: GreyArray, step: int, room: Room = _make) -> GreyArray:
    """Copy every `step`-th row and column to a `room`: the decoder needs its memory again.

    For every second of an even number, pairs of columns are taken for numbers of 16 bits, of
    which the lower half stays. That takes an eighth of the time.
    """
    rows = levels[::step]
    place = room((len(rows), -(-levels.shape[1] // step)))
    if step == 2 and levels.shape[1] % 2 == 0:
        np.copyto(place, rows.view("<u2"), casting="unsafe")
    else:
        np.copyto(place, rows[:, ::step])
    return place


def _read_levels(picture: av.VideoFrame) -> GreyArray:
    """Grey levels (h, w) in the memory of a frame."""
    plane = picture.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return np.asarray(rows[: picture.height, : picture.width], np.uint8)
