"""Which frames of a video are worth decoding.

Pure functions over packet times, in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.arrays import Float64Array


@dataclass(frozen=True)
class Group:
    """Packets that are decoded without looking at others.

    They are `start` to `stop` (exclusive). `wanted_s` holds the times of the frames
    wanted from them. With `keyframe_only`, the first packet is enough.
    """

    start: int
    stop: int
    wanted_s: tuple[float, ...]
    keyframe_only: bool


def choose_times(
    times_s: Sequence[float],
    keyframes: Sequence[bool],
    count: int,
    end_s: float | None = None,
) -> list[float]:
    """Choose one frame from each of `count` even bins over the clip, or what is before `end_s`.

    It is a keyframe where the bin has one, which is the cheapest to decode and the
    sharpest. Otherwise it is the frame nearest to the middle of the bin. Bins without a
    frame are left out.

    Args:
        times_s: time of each packet (n,), any order.
        keyframes: whether decoding may start at it (n,).
        count: number of bins, at least 1.
        end_s: where the bins end, in seconds. None: with the clip.

    Returns:
        Increasing times, at most `count`, each that of a packet.
    """
    times = np.asarray(times_s, np.float64)
    keys = np.asarray(keyframes, bool)
    if len(times) == 0:
        return []
    span = times.max() + _frame_step(times) if end_s is None else end_s
    bins = (times / span * count).astype(int)
    bins = np.minimum(bins, count - 1) if end_s is None else bins
    middle = (bins + 0.5) * span / count
    cost = np.abs(times - middle) - np.where(keys, span, 0.0)
    wanted = [b for b in np.unique(bins) if b < count]
    best = [min(np.flatnonzero(bins == b), key=lambda i: cost[i]) for b in wanted]
    return [float(times[i]) for i in best]


def choose_nearest(times_s: Sequence[float], wanted_s: Sequence[float]) -> list[int]:
    """Choose of increasing times (n,) those nearest to what is wanted, by their indices."""
    times = np.asarray(times_s, np.float64)
    return sorted({int(np.argmin(np.abs(times - moment))) for moment in wanted_s})


def plan(
    times_s: Sequence[float],
    keyframes: Sequence[bool],
    wanted: Sequence[float],
    *,
    film_s: float = 0.0,
) -> list[Group]:
    """Plan which groups of packets between keyframes are decoded, in decoding order.

    Groups without a wanted frame are not decoded, unless they begin within the first
    `film_s` seconds. A file that does not start with a keyframe begins with a group all
    the same. `wanted` are increasing times of packets. The other arguments are those of
    `choose_times`.
    """
    if not len(times_s):
        return []
    starts = sorted({0, *(i for i, key in enumerate(keyframes) if key)})
    groups = []
    for start, stop in zip(starts, [*starts[1:], len(times_s)], strict=True):
        times = set(times_s[start:stop])
        wanted_s = tuple(t for t in wanted if t in times)
        is_filmed = min(times) < film_s
        is_key = bool(keyframes[start]) and wanted_s == (times_s[start],) and not is_filmed
        if wanted_s or is_filmed:
            groups.append(Group(start, stop, wanted_s, is_key))
    return groups


def _frame_step(times: Float64Array) -> float:
    """How long the last frame is shown: the median step, or 1 s for a single frame."""
    steps = np.diff(np.unique(times))
    return float(np.median(steps)) if len(steps) else 1.0
