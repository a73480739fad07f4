"""Doing one part of a request beside another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

_T = TypeVar("_T")

# What finds no thread waits for one. A thread that is not needed does not start
_MOST_THREADS = 16


@contextmanager
def beside(work: Callable[[], _T]) -> Iterator[Future[_T]]:
    """Do `work` in another thread while the block runs.

    The block asks the future for the result, or for what `work` raised. It does not end
    before `work` has, so whatever `work` reads stays valid. `work` must not call this.
    """
    future = _pool().submit(work)
    try:
        yield future
    finally:
        wait([future])


@cache
def _pool() -> ThreadPoolExecutor:
    """Make the threads at the first use, which comes after a fork."""
    return ThreadPoolExecutor(_MOST_THREADS, "beside")
