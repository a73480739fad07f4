"""Rows of one array shared out among the threads of the process."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import TypeVar

import numpy as np

THREADS = min(os.cpu_count() or 1, 4)
T = TypeVar("T")


def share(count: int, work: Callable[[int, int], T], shares: int) -> list[T]:
    """Do `work` on the rows from `a` up to `b` of so many shares, by several threads."""
    bounds = np.linspace(0, count, shares + 1).astype(int).tolist()
    parts = list(pairwise(bounds))
    return list((_pool().map if shares > 1 else map)(lambda part: work(*part), parts))


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, "shares")
