"""Room in which a thread works out products of many rows, again and again.

All threads of the service share one heap (`align/heap.py`). What it gives a thread was
mostly written to by another one, and lies in the cache of that one's processor. With room
of its own, a thread goes through the sketches in five sixths of the time.
"""

from __future__ import annotations

import threading
from typing import Any

import numkong
import numpy as np
import numpy.typing as npt

from utils.arrays import BoolArray

_MOST_AS_ONE = 256


class Room(threading.local):
    """Arrays for products of so many rows at a time, one set for each thread.

    Attributes:
        along: (rows and some,) int32, a tensor, to which numkong writes.
        most: (rows,) int32.
    """

    def __init__(self, rows: int) -> None:
        # Products come by whole groups of rows, of which the last may go beyond
        self.along: Any = numkong.zeros((rows + _MOST_AS_ONE,), dtype="int32")
        self.most: npt.NDArray[np.int32] = np.empty(rows, np.int32)
        self._reach: BoolArray = np.empty((2, rows), np.bool_)

    def either(
        self, along: tuple[npt.NDArray[np.int32], int], most: tuple[npt.NDArray[np.int32], int]
    ) -> BoolArray:
        """Which of n products (n,) reach the number beside them, in one of two ways (n,)."""
        count = len(along[0])
        one: BoolArray = self._reach[0, :count]
        other: BoolArray = self._reach[1, :count]
        np.greater_equal(*along, out=one)
        np.greater_equal(*most, out=other)
        one |= other
        return one
