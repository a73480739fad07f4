"""Parts of a recording, cut out of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from align.sound_decoder import open_sound_apart
from utils.arrays import RATE_HZ, Float32Array
from utils.errors import InvalidRequestError

MOST_S = 60.0
"""Seconds of all parts together. What is beyond is left out."""

Span = tuple[float, float]
"""Start and end in seconds."""


def cut_excerpts(
    path: Path, spans: Sequence[Span], *, max_s: float, filename: str | None = None
) -> Float32Array:
    """Cut the spans out of a recording and join them in the order of their times.

    Only as much of it is decoded as the last span needs.

    Returns:
        Samples (n,), 16 kHz mono.

    Raises MediaError, and InvalidRequestError where the recording ends before the spans.
    """
    wanted = sorted(spans)
    parts: list[Float32Array] = []
    start_s = 0.0
    with open_sound_apart(path, max_s=max_s, filename=filename) as sound:
        for block in sound.blocks:
            parts += [cut for span in wanted if len(cut := _cut(block, start_s, span))]
            start_s += len(block) / RATE_HZ
            if start_s >= max(end for _, end in wanted):
                break
    if not parts:
        raise InvalidRequestError(
            f"The turns must lie within the recording, which has {start_s:.1f} s. Received:"
            f" {wanted[0][0]:.1f} s"
        )
    return np.concatenate(parts)[: round(MOST_S * RATE_HZ)]


def _cut(block: Float32Array, start_s: float, span: Span) -> Float32Array:
    """Cut what a block that begins at `start_s` has of a span."""
    own_s = len(block) / RATE_HZ
    first, last = (round(min(max(0.0, at_s - start_s), own_s) * RATE_HZ) for at_s in span)
    return block[first:last]
