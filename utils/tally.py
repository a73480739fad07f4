"""A count that threads share, from the start of the process."""

from __future__ import annotations

import threading


class Tally:
    """Counts up from zero."""

    def __init__(self) -> None:
        self._count = 0
        self._turn = threading.Lock()

    @property
    def count(self) -> int:
        """How often `add` was called."""
        return self._count

    def add(self) -> None:
        """Count one more."""
        with self._turn:
            self._count += 1
