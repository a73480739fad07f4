"""Rows of one array shared out among the threads of the process."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import TypeVar

import numpy as np

from utils.processors import PROCESSORS

THREADS = min(PROCESSORS, 4)
T = TypeVar("T")


def share(count: int, work: Callable[[int, int], T], shares: int) -> list[T]:
    """Do `work` on the rows from `a` up to `b` of so many shares, by several threads.

    The calling thread is one of them: it begins at once, and waits for no share that
    nobody has begun.
    """
    bounds = np.linspace(0, count, shares + 1).astype(int).tolist()
    parts = list(enumerate(pairwise(bounds)))
    left = iter(parts)  # each thread takes the next
    done: dict[int, T] = {}

    def take() -> None:
        for number, part in left:
            done[number] = work(*part)

    helpers = [_pool().submit(take) for _ in range(min(THREADS, shares) - 1)]
    try:
        take()
    finally:
        for helper in helpers:
            helper.cancel()
    for helper in helpers:
        if not helper.cancelled():
            helper.result()
    return [done[number] for number, _ in parts]


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, THREADS - 1), "shares")
