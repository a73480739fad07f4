"""Measuring how long the stages of a request take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def timed(timings_ms: dict[str, float], stage: str) -> Iterator[None]:
    """Note under `stage` how many milliseconds the block took.

    A block that raises notes nothing.
    """
    started = time.perf_counter()
    yield
    timings_ms[stage] = (time.perf_counter() - started) * 1000
