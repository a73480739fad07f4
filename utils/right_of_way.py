"""Right of way for work that somebody waits for, on processors that are shared.

A clip is identified in a fraction of a second while somebody stands before the camera.
A recording is written down in minutes. Both together take twice as long as either.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# Who asks again at once goes on to have right of way
_GAP_S = 0.05


class RightOfWay:
    """Says whether somebody has right of way. Shared by all threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0
        self._ended = -math.inf

    @contextmanager
    def take(self) -> Iterator[None]:
        """Have right of way while the block lasts."""
        with self._changed:
            self._count += 1
        try:
            yield
        finally:
            with self._changed:
                self._count -= 1
                self._ended = time.monotonic()
                self._changed.notify_all()

    def give(self, most_s: float) -> None:
        """Wait until nobody has right of way, for `most_s` seconds at most."""
        until = time.monotonic() + most_s
        with self._changed:
            while (left_s := min(self._busy_s(), until - time.monotonic())) > 0:
                self._changed.wait(left_s)

    def _busy_s(self) -> float:
        """Seconds for which somebody has right of way still, as far as that is known."""
        return math.inf if self._count else self._ended + _GAP_S - time.monotonic()


CLIPS = RightOfWay()
"""Right of way of the clips that this process analyses."""
