"""People whose entries are suspect: enrolled twice, or mixed of two people.

All templates of a gallery are compared with each other, which takes seconds for many
people. So a check runs in the background, and answers say when the last one was made.

- A duplicate: two entries look like one person (`recognition.likeness`).
- Mixed: a template speaks clearly against the others of its person, or the face of an
  entry is that of another one while the voice speaks against it, or the other way.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain

import numpy as np

from gallery.overview.overview import Overview, Representatives
from gallery.records import feed
from gallery.records.distinct import Pair
from gallery.results import Kind
from gallery.store import Store
from gallery.vectors import Templates, unit
from recognition.likeness import (
    AGAINST,
    Entries,
    add_ratios,
    compare_rows,
    compare_sides,
    find_split,
    least_llr,
    measure,
)
from recognition.matching import Calibrations
from scoring.calibration import Calibration
from utils.arrays import BoolArray
from utils.errors import DuetError
from utils.modality import SINGLE, Modality

log = logging.getLogger("duet.recognition")
MAX_CHECKED = 20_000
"""Most people who are compared with each other: the first ones by id."""
WAIT_S = 0.2
"""Seconds for which an answer waits for a check: enough for a thousand people."""
REST = 10.0
"""A check begins when so many times its length have passed since the last one."""

# Entries that are compared with the later ones at a time: it bounds the memory
_BLOCK = 250


@dataclass(frozen=True)
class Suspects:
    """What a check found, by internal numbers.

    Attributes:
        at: when it was made.
        people: how many were compared, of `total`.
        alike: pairs that look like one person.
        split: pairs of which one modality is one person's and the other is not.
        mixed: people whose own templates disagree.
        change: number of the latest change of the gallery that it knows.
        took_s: how long it took.
    """

    at: datetime
    people: int
    total: int
    alike: frozenset[Pair]
    split: frozenset[Pair]
    mixed: frozenset[int]
    change: int
    took_s: float

    def keys_of(self, kind: Kind, there: frozenset[int], distinct: frozenset[Pair]) -> set[int]:
        """Those of a kind who are still there, without pairs that are two people."""
        pairs = (self.alike if kind is Kind.DUPLICATE else self.split) - distinct
        keys = set(chain.from_iterable(filter(there.issuperset, pairs)))
        return keys if kind is Kind.DUPLICATE else keys | (self.mixed & there)


@dataclass(frozen=True)
class Look:
    """The last check, if there was one, and whether another runs."""

    latest: Suspects | None
    is_checking: bool


class SuspectSearch:
    """Checks a gallery for suspects. Shared by all requests."""

    def __init__(self, store: Store, overview: Overview, calibrations: Calibrations) -> None:
        self._store = store
        self._overview = overview
        self._calibrations = calibrations
        self._lock = threading.Lock()
        self._latest: Suspects | None = None
        self._thread: threading.Thread | None = None

    def check(self) -> Suspects:
        """Check the gallery now. Raises StoreUnavailableError."""
        started = time.perf_counter()
        with self._store.database.read() as connection:
            change = feed.revision(connection, "").change
        read = self._overview.represent("", MAX_CHECKED, MAX_CHECKED)
        alike, split = self._compare(read)
        self._latest = Suspects(
            at=datetime.now(UTC),
            people=len(read.refs),
            total=read.total,
            alike=alike,
            split=split,
            mixed=frozenset(find_mixed(read.templates, self._calibrations)),
            change=change,
            took_s=time.perf_counter() - started,
        )
        return self._latest

    def look(self) -> Look:
        """Get what the last check found. Another begins if the gallery has changed since.

        Raises StoreUnavailableError.
        """
        with self._store.database.read() as connection:
            change = feed.revision(connection, "").change
        thread = self._begin_check(change)
        if thread is not None:
            thread.join(WAIT_S)
        return Look(self._latest, is_checking=thread is not None and thread.is_alive())

    def keys_of(self, kind: Kind, latest: Suspects) -> set[int]:
        """Internal numbers of those of a kind who are still there.

        Raises StoreUnavailableError.
        """
        return latest.keys_of(kind, self._store.person_keys(), self._store.distinct_pairs())

    def _begin_check(self, change: int) -> threading.Thread | None:
        """Begin a check unless the last one knows this change. Returns that which runs."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return self._thread
            if self._latest is not None and not _is_due(self._latest, change):
                return None
            self._thread = threading.Thread(target=self._try, name="suspects", daemon=True)
            self._thread.start()
            return self._thread

    def _try(self) -> None:
        try:
            self.check()
        except DuetError as error:
            log.warning("the gallery was not checked for suspects: %s", error.code)
        except Exception as unexpected:  # nobody waits for it: the next look begins another
            name = type(unexpected).__name__
            log.error("the gallery was not checked for suspects: unexpected %s", name)

    def _compare(self, read: Representatives) -> tuple[frozenset[Pair], frozenset[Pair]]:
        """Compare every two entries. Returns those alike, and those that are split."""
        alike = set[Pair]()
        split = set[Pair]()
        entries = Entries({m: read.vectors[m] for m in SINGLE}, {m: read.has[m] for m in SINGLE})
        sides = measure(entries, self._calibrations)
        bar = least_llr(len(read.keys))
        for start in range(0, len(read.keys), _BLOCK):
            first = slice(start, start + _BLOCK)
            later = slice(start, None)
            ratios = compare_sides(
                {m: side.part(first) for m, side in sides.items()},
                {m: side.part(later) for m, side in sides.items()},
                self._calibrations,
            )
            keys = read.keys[start:].tolist()
            added = add_ratios(entries.part(first), entries.part(later), ratios)
            alike.update(_pairs(added >= bar, keys))
            split.update(_pairs(find_split(ratios, len(read.keys)), keys))
        return frozenset(alike), frozenset(split)


def find_mixed(templates: Mapping[Modality, Templates], calibrations: Calibrations) -> set[int]:
    """Find the people of whom a template speaks clearly against the mean of the others."""
    mixed = set[int]()
    for modality in SINGLE:
        if modality in templates:
            mixed.update(_find_odd(templates[modality], calibrations[modality]))
    return mixed


def _find_odd(templates: Templates, calibration: Calibration) -> Iterator[int]:
    _, first, counts = np.unique(templates.owners, return_index=True, return_counts=True)
    if not len(first):
        return
    sums = np.add.reduceat(templates.vectors, first, axis=0)
    several = np.repeat(counts > 1, counts)
    others = np.repeat(sums, counts, axis=0)[several] - templates.vectors[several]
    if not len(others):
        return
    llrs = compare_rows(templates.vectors[several], unit(others), calibration)
    yield from templates.owners[several][llrs < AGAINST].tolist()


def _pairs(alike: BoolArray, keys: list[int]) -> Iterator[Pair]:
    """Yield the pairs of a block and the entries from its first one on, each once."""
    for row, column in np.argwhere(alike).tolist():
        if column > row:
            yield keys[row], keys[column]


def _is_due(latest: Suspects, change: int) -> bool:
    """Whether the gallery has changed since, and the last check is long enough ago."""
    age_s = (datetime.now(UTC) - latest.at).total_seconds()
    # A clock that was set back does not hold checks up
    return latest.change != change and not 0 <= age_s < REST * latest.took_s
