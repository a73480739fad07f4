"""Keeps sketches of the rows of an index, beside the searches that use them.

Nobody waits for sketches. A few rows are sketched by the search that meets them first,
many in a thread of their own. Until all rows have one, searches go without.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from gallery.search.memory import Snapshot
from gallery.search.reading import ALL
from gallery.search.sketch import Sketches, are_many, learn_axes, sample_rows
from utils.arrays import BoolArray, Float32Array
from utils.modality import Modality

_LEAST_ROWS = 200_000
_ROWS_AT_ONCE = 8192
# Rows, of all modalities, that a search sketches itself: a few milliseconds
_ROWS_NOW = 1000


class Sketching:
    """Sketches by modality of the rows of one layout, for any number of threads."""

    def __init__(self, decode: Callable[[Any], Float32Array]) -> None:
        """`decode` turns rows of the index into vectors."""
        self._decode = decode
        self._made: tuple[int, dict[Modality, Sketches]] = (-1, {})
        self._turn = threading.Lock()
        # Rows for which memory was too short: they are tried again when some have changed
        self._failed: tuple[int, int] | None = None

    def of(self, rows: Snapshot, modality: Modality) -> Sketches | None:
        """Give sketches of these rows at least. None where some have none yet."""
        layout, made = self._made
        sketches = made.get(modality)
        if sketches is None or layout != rows.layout or len(sketches) < len(rows.keys):
            return None
        return sketches

    def begin(self, layout: int) -> None:
        """Forget all sketches: the rows are others now."""
        self._made = (layout, {})

    def move(self, used: BoolArray, layout: int) -> None:
        """Keep the sketches of the rows that are marked, which are moved together."""
        try:
            taken = {m: sketches.take(used) for m, sketches in list(self._made[1].items())}
        except MemoryError:
            taken = {}
        self._made = (layout, taken)

    def keep_up(self, rows: Snapshot) -> None:
        """Sketch the rows that have no sketch yet: few at once, many meanwhile."""
        missing = self._count_missing(rows)
        if not missing or self._failed == _state(rows):
            return
        if not self._turn.acquire(blocking=False):
            return  # somebody is at it
        if missing <= _ROWS_NOW:
            self._sketch(rows)
        else:
            name = "sketches"
            threading.Thread(target=self._sketch, args=(rows,), name=name, daemon=True).start()

    def _count_missing(self, rows: Snapshot) -> int:
        if len(rows.keys) < _LEAST_ROWS or self._made[0] != rows.layout:
            return 0
        made = self._made[1]
        wanted = [m for m in ALL if m in made or are_many(rows.has[m])]
        counts = (len(made[m]) if m in made else 0 for m in wanted)
        return sum(max(0, len(rows.keys) - count) for count in counts)

    def _sketch(self, rows: Snapshot) -> None:
        """Sketch rows in this thread's turn, which ends with it.

        Where memory is short there are no sketches: no search is lost by them.
        """
        layout, made = self._made
        try:
            if layout == rows.layout:
                for modality in ALL:
                    self._sketch_one(rows, modality, made)
        except MemoryError:
            self._failed = _state(rows)
            if self._made[0] == layout:
                self._made = (layout, {})
        finally:
            self._turn.release()

    def _sketch_one(
        self, rows: Snapshot, modality: Modality, made: dict[Modality, Sketches]
    ) -> None:
        """Sketch a modality that many people have."""
        table = rows.vectors[modality]
        sketches = made.get(modality)
        if sketches is None:
            if not are_many(rows.has[modality]):
                return
            some = self._decode(np.asarray(table)[sample_rows(len(table))])
            sketches = made[modality] = Sketches(learn_axes(some), len(table))
        for start in range(len(sketches), len(table), _ROWS_AT_ONCE):
            sketches.add(self._decode(np.asarray(table)[start : start + _ROWS_AT_ONCE]))


def _state(rows: Snapshot) -> tuple[int, int]:
    return rows.layout, len(rows.keys)
