"""Which frames of a video are worth decoding. Pure functions over packet times, in
seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Group:
    """Packets `start` to `stop` (exclusive) that are decoded without looking at others,
    and the times of the frames wanted from them.
    """

    start: int
    stop: int
    wanted_s: tuple[float, ...]
    keyframe_only: bool


def even_times(times_s: Sequence[float], keyframes: Sequence[bool], count: int) -> list[float]:
    """One time per bin of `count` even bins over the clip: that of a keyframe when the
    bin has one (cheapest to decode, sharpest), otherwise that of the frame nearest to
    the middle of the bin. Bins without a frame are left out.

    Args:
        times_s: time of each packet (n,), any order.
        keyframes: whether decoding may start at it (n,).
        count: number of bins, at least 1.

    Returns:
        Increasing times, at most `count`, each that of a packet.
    """
    times = np.asarray(times_s, np.float64)
    keys = np.asarray(keyframes, bool)
    if len(times) == 0:
        return []
    span = times.max() + _frame_step(times)
    bins = np.minimum((times / span * count).astype(int), count - 1)
    middle = (bins + 0.5) * span / count
    cost = np.abs(times - middle) - np.where(keys, span, 0.0)
    best = [min(np.flatnonzero(bins == b), key=lambda i: cost[i]) for b in np.unique(bins)]
    return [float(times[i]) for i in best]


def plan(times_s: Sequence[float], keyframes: Sequence[bool], count: int) -> list[Group]:
    """The groups of packets between keyframes that hold wanted frames, in decoding
    order. Groups without one are not decoded at all.

    Args and bins as in `even_times`. A file that does not start with a keyframe begins
    with a group all the same.
    """
    if not len(times_s):
        return []
    wanted = even_times(times_s, keyframes, count)
    starts = sorted({0, *(i for i, key in enumerate(keyframes) if key)})
    groups = []
    for start, stop in zip(starts, [*starts[1:], len(times_s)], strict=True):
        inside = set(times_s[start:stop])
        mine = tuple(t for t in wanted if t in inside)
        if mine:
            groups.append(
                Group(start, stop, mine, bool(keyframes[start]) and mine == (times_s[start],))
            )
    return groups


def _frame_step(times: np.ndarray) -> float:
    """Time that the last frame is shown: the middle step between frames, or a second
    for a single frame.
    """
    steps = np.diff(np.unique(times))
    return float(np.median(steps)) if len(steps) else 1.0
