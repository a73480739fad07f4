"""Keeps sketches of the rows of an index, beside the searches that use them.

No search waits more than a few milliseconds for sketches. A few rows are sketched by the
search that meets them first, many in a thread of their own. Until all rows have one,
searches go without.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from gallery.search.memory import Snapshot
from gallery.search.reading import ALL
from gallery.search.sketch import Sketches, are_many, learn, sample_rows
from utils.arrays import BoolArray, Float32Array
from utils.modality import Modality

log = logging.getLogger("duet.gallery")

_LEAST_ROWS = 200_000
_ROWS_AT_ONCE = 8192
# Rows, of all modalities, that a search sketches itself: a few milliseconds
_ROWS_NOW = 1000


class Sketching:
    """Sketches by modality of the rows of one layout, for any number of threads."""

    def __init__(self, decode: Callable[[Any], Float32Array]) -> None:
        """`decode` turns rows of the index into vectors."""
        self._decode = decode
        self._lock = threading.Lock()  # of changes of `_made`, which is only ever replaced
        # None stands for a modality whose directions hold too little
        self._made: tuple[int, dict[Modality, Sketches | None]] = (-1, {})
        self._turn = threading.Lock()
        # Rows that could not be sketched: they are tried again when some have changed
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
        with self._lock:
            self._made = (layout, {})

    def move(self, used: BoolArray, layout: int) -> None:
        """Keep the sketches of the rows that are marked, which are moved together."""
        with self._lock:
            try:
                taken = {m: s if s is None else s.take(used) for m, s in self._made[1].items()}
            except MemoryError:
                taken = {}
            self._made = (layout, taken)

    def keep_up(self, rows: Snapshot) -> None:
        """Sketch the rows that have no sketch yet: few at once, many meanwhile.

        Where that fails there are no sketches: no search is lost by them.
        """
        missing = self._count_missing(rows)
        if not missing or self._failed == _state(rows):
            return
        if not self._turn.acquire(blocking=False):
            return  # somebody is at it
        if missing <= _ROWS_NOW:
            self._sketch(rows)
        else:
            self._sketch_meanwhile(rows)

    def _count_missing(self, rows: Snapshot) -> int:
        layout, made = self._made
        if len(rows.keys) < _LEAST_ROWS or layout != rows.layout:
            return 0
        counts = (len(s) for s in made.values() if s is not None)
        new = sum(m not in made and _are_many(rows, m) for m in ALL)
        return new * len(rows.keys) + sum(max(0, len(rows.keys) - count) for count in counts)

    def _sketch_meanwhile(self, rows: Snapshot) -> None:
        name = "sketches"
        try:
            threading.Thread(target=self._sketch, args=(rows,), name=name, daemon=True).start()
        except (MemoryError, RuntimeError) as error:  # the system has no room for a thread
            self._fail(rows, error)
            self._turn.release()

    def _sketch(self, rows: Snapshot) -> None:
        """Sketch rows in this thread's turn, which ends with it."""
        try:
            for modality in ALL:
                self._sketch_one(rows, modality)
            self._failed = None
        except Exception as unexpected:  # of memory, or of the libraries that compute
            self._fail(rows, unexpected)
            self._replace(rows.layout, {})
        finally:
            self._turn.release()

    def _sketch_one(self, rows: Snapshot, modality: Modality) -> None:
        """Sketch a modality that many people have, as long as the rows are in place."""
        sketches = self._find_or_learn(rows, modality)
        if sketches is None:
            return
        table = rows.vectors[modality]
        for start in range(len(sketches), len(table), _ROWS_AT_ONCE):
            if self._made[0] != rows.layout:
                return
            sketches.add(self._decode(np.asarray(table)[start : start + _ROWS_AT_ONCE]))

    def _find_or_learn(self, rows: Snapshot, modality: Modality) -> Sketches | None:
        """Give what sketches there are, or empty ones.

        None where few have the modality, or where the directions hold too little.
        """
        layout, made = self._made
        if layout != rows.layout:
            return None
        if modality in made or not _are_many(rows, modality):
            return made.get(modality)
        table = rows.vectors[modality]
        some = self._decode(np.asarray(table)[sample_rows(len(table))])
        sketches = learn(some, len(table))
        self._replace(layout, made | {modality: sketches})
        return sketches

    def _replace(self, layout: int, made: dict[Modality, Sketches | None]) -> None:
        """Replace the sketches of a layout, unless it is gone."""
        with self._lock:
            if self._made[0] == layout:
                self._made = (layout, made)

    def _fail(self, rows: Snapshot, error: Exception) -> None:
        """Leave these rows alone. It is said once, until sketching works again."""
        if self._failed is None:
            log.warning("searches go without sketches: unexpected %s", type(error).__name__)
        self._failed = _state(rows)


def _are_many(rows: Snapshot, modality: Modality) -> bool:
    """Whether many have the modality, by what is counted already: every search asks."""
    return are_many(rows.count(modality), len(rows.keys))


def _state(rows: Snapshot) -> tuple[int, int]:
    return rows.layout, len(rows.keys)
