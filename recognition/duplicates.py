"""Pairs of entries of a gallery that look like one person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gallery.overview.overview import MAX_COMPARED_PEOPLE, Overview, Representatives
from gallery.records.feed import PersonRef
from gallery.store import Store
from recognition.likeness import Entries, compare_entries, least_llr
from recognition.matching import Calibrations
from utils.modality import SINGLE

MAX_PAIRS = 100

# Entries that are compared with all others at a time: it bounds the memory
_BLOCK = 500


@dataclass(frozen=True)
class Duplicate:
    """Two entries that look like one person, and the probability that they are."""

    one: PersonRef
    other: PersonRef
    probability: float


@dataclass(frozen=True)
class Duplicates:
    """The likeliest pairs first, of the first `people` of `total` entries by id."""

    pairs: tuple[Duplicate, ...]
    people: int
    total: int


class DuplicateSearch:
    """Compares every two entries of a gallery. Shared by all requests."""

    def __init__(self, store: Store, overview: Overview, calibrations: Calibrations) -> None:
        self._store = store
        self._overview = overview
        self._calibrations = calibrations

    def find(self, search: str = "", limit: int = MAX_COMPARED_PEOPLE) -> Duplicates:
        """Compare the first `limit` people who match `search`.

        Pairs of which the operator says that they are two people are left out. Raises
        InvalidRequestError, StoreUnavailableError.
        """
        read = self._overview.represent(search, limit)
        distinct = self._store.distinct_pairs()
        alike = sorted(self._alike(read), key=lambda pair: -pair[0])
        pairs = [(llr, a, b) for llr, a, b in alike if (a, b) not in distinct]
        return Duplicates(
            pairs=tuple(
                Duplicate(read.refs[a], read.refs[b], probability=float(0.5 + np.tanh(llr / 2) / 2))
                for llr, a, b in pairs[:MAX_PAIRS]
            ),
            people=len(read.refs),
            total=read.total,
        )

    def _alike(self, read: Representatives) -> Iterator[tuple[float, int, int]]:
        """Yield ratio and internal numbers, the smaller first, of entries that look alike."""
        if not len(read.keys):
            return
        entries = Entries({m: read.vectors[m] for m in SINGLE}, {m: read.has[m] for m in SINGLE})
        bar = least_llr(len(entries))
        for start in range(0, len(entries), _BLOCK):
            block = entries.part(slice(start, start + _BLOCK))
            llrs = compare_entries(block, entries, self._calibrations)
            for row, column in np.argwhere(llrs >= bar).tolist():
                if column > start + row:
                    keys = (int(read.keys[start + row]), int(read.keys[column]))
                    yield float(llrs[row, column]), *keys
