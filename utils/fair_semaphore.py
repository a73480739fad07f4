"""A semaphore whose places are given in turn.

A `threading.Semaphore` lets whoever comes at the right moment go before those who wait.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from utils.errors import BusyError


class FairSemaphore:
    """A number of places. Who waits longest gets the next one."""

    def __init__(
        self, places: int, new_event: Callable[[], threading.Event] = threading.Event
    ) -> None:
        self._new_event = new_event
        self._free = places
        self._waiting: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    def acquire(self, timeout: float) -> bool:
        """Take a place, after `timeout` seconds at most. Returns whether it was there."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            turn = self._new_event()
            self._waiting.append(turn)
        try:
            turn.wait(timeout)
        except BaseException:  # such as a KeyboardInterrupt
            if self._leave(turn):
                self.release()
            raise
        return self._leave(turn)

    def _leave(self, turn: threading.Event) -> bool:
        """Wait no longer. Returns whether there is a place, also one that came just now."""
        with self._lock:
            if not turn.is_set():
                self._waiting.remove(turn)
            return turn.is_set()

    @contextmanager
    def hold(self, timeout: float, refusal: str) -> Iterator[None]:
        """Hold a place. Raises BusyError with `refusal` where none is free in time."""
        if not self.acquire(timeout):
            raise BusyError(refusal)
        try:
            yield
        finally:
            self.release()

    def release(self) -> None:
        """Give the place to who waits longest."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1
