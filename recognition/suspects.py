"""People whose entries are suspect: enrolled twice, or mixed of two people.

Everybody of a gallery is compared with everybody (`recognition.all_pairs`): minutes of a
core for 100,000 people, and hours for a million. So that goes on in the background, a
little at a time, and answers say how far it is.

- A duplicate: two entries look like one person (`recognition.likeness`).
- Mixed: a template speaks clearly against the others of its person, or the face of an
  entry is that of another one while the voice speaks against it, or the other way.
"""

from __future__ import annotations

import logging
import operator
import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import chain

import numpy as np

from gallery.records import feed
from gallery.records.distinct import Pair
from gallery.results import Kind
from gallery.search.choose import GrowingIndex
from gallery.store import Store
from recognition.all_pairs import AllPairs
from recognition.likeness import least_llr
from recognition.sides import Calibrations
from utils.errors import DuetError
from utils.modality import Modality

log = logging.getLogger("duet.recognition")
WAIT_S = 0.2
"""Seconds for which an answer waits for the comparison: enough for a change of a few."""
# Of the threads that compare, where the system has it: answers go first
_NICE = 10
# Rest after a check, in times of what it took to read the gallery: a check may read all anew
_REST = 10.0

Run = Callable[[Callable[[], float]], float]
"""Runs a step, and returns what it returns."""


@dataclass(frozen=True)
class Suspects:
    """What was found so far, by internal numbers.

    Attributes:
        at: when people were last compared.
        people: how many were, of `total`.
        alike: pairs that look like one person, and their ratios.
        split: pairs of which one modality is one person's and the other is not.
        mixed: people whose own templates disagree.
        remaining_s: about how long the rest takes. None once everybody was compared.
    """

    at: datetime
    people: int
    total: int
    alike: Mapping[Pair, float]
    split: Mapping[Pair, float]
    mixed: frozenset[int]
    remaining_s: float | None

    def keys_of(self, kind: Kind, there: frozenset[int], distinct: frozenset[Pair]) -> set[int]:
        """Those of a kind who are still there, without pairs that are two people."""
        pairs = (self.alike if kind is Kind.DUPLICATE else self.split).keys() - distinct
        keys = set(chain.from_iterable(filter(there.issuperset, pairs)))
        return keys if kind is Kind.DUPLICATE else keys | (self.mixed & there)

    def people_of_any_kind(self) -> set[int]:
        """Internal numbers of everybody who is suspect."""
        return set(self.mixed).union(
            chain.from_iterable(self.alike), chain.from_iterable(self.split)
        )


@dataclass(frozen=True)
class Look:
    """What was found so far, if anybody was compared, and whether that goes on."""

    latest: Suspects | None
    is_checking: bool


class SuspectSearch:
    """Looks for suspects in a gallery. Shared by all requests."""

    def __init__(
        self,
        store: Store,
        index: GrowingIndex,
        encoder_ids: Mapping[Modality, str],
        calibrations: Calibrations,
    ) -> None:
        self._store = store
        self._index = index
        self._pairs = AllPairs(store, encoder_ids, calibrations)
        self._lock = threading.Lock()
        self._stepping = threading.Lock()
        self._latest: Suspects | None = None
        self._thread: threading.Thread | None = None
        self._rest_until = 0.0  # by the monotonic clock

    def narrow(self, keys: Collection[int]) -> None:
        """Compare these people alone, with each other. To be called before the first check."""
        self._pairs.narrow(np.fromiter(keys, np.int64))

    def ask_about(self, keys: Collection[int]) -> None:
        """Compare these people with everybody. To be called before the first check."""
        self._pairs.ask_about(np.fromiter(keys, np.int64))

    def check(
        self, report: Callable[[Suspects], object] | None = None, run: Run = operator.call
    ) -> Suspects:
        """Compare whoever was not compared, to the end. Raises StoreUnavailableError.

        `report` is given what was found so far, some people at a time. `run` does the
        steps.
        """
        index = self._index.in_memory()
        worked = 0.0
        started = time.perf_counter()
        index.snapshot()
        reading_s = time.perf_counter() - started
        while True:
            with self._stepping:
                # Here, as whoever is asked waits for a refresh that another began
                worked += run(partial(self._pairs.step, index.snapshot()))
                rate = (time.perf_counter() - started - reading_s) / max(worked, 1.0)
                latest = self._latest = self._sum_up(rate)
            if report is not None:
                report(latest)
            if latest.remaining_s is None and self._pairs.heeds(self._change()):
                self._rest_after(reading_s)
                return latest

    def look(self) -> Look:
        """Get what was found so far. The comparison goes on if anybody is left.

        Raises StoreUnavailableError.
        """
        thread = self._begin(self._change())
        if thread is not None:
            thread.join(WAIT_S)
        return Look(self._latest, is_checking=thread is not None and thread.is_alive())

    def keys_of(self, kind: Kind, latest: Suspects) -> set[int]:
        """Internal numbers of those of a kind who are still there.

        Raises StoreUnavailableError.
        """
        there = frozenset(self._store.people_of(latest.people_of_any_kind()))
        return latest.keys_of(kind, there, self._store.distinct_pairs())

    def count(self, keys: Collection[int] | None) -> tuple[int, int]:
        """Count who was compared, and who has templates, of some people.

        None = of all who are to be compared. Raises StoreUnavailableError.
        """
        return self._pairs.count(None if keys is None else np.fromiter(keys, np.int64))

    def _change(self) -> int:
        with self._store.database.read() as connection:
            return feed.revision(connection, "").change

    def _begin(self, change: int) -> threading.Thread | None:
        """Begin to compare unless all was, up to this change. Returns what is at it."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return self._thread
            if self._latest is not None and (self._rests() or self._pairs.heeds(change)):
                return None
            self._thread = threading.Thread(target=self._try, name="suspects", daemon=True)
            self._thread.start()
            return self._thread

    def _rest_after(self, reading_s: float) -> None:
        """Rest after a check for which reading took longer than an answer waits."""
        rest_s = _REST * reading_s if reading_s > WAIT_S else 0.0
        self._rest_until = time.monotonic() + rest_s

    def _rests(self) -> bool:
        return time.monotonic() < self._rest_until

    def _try(self) -> None:
        try:
            self.check(run=_run_aside)
        except DuetError as error:
            log.warning("the gallery was not checked for suspects: %s", error.code)
        except Exception as unexpected:  # nobody waits for it: the next look begins again
            name = type(unexpected).__name__
            log.error("the gallery was not checked for suspects: unexpected %s", name)

    def _sum_up(self, rate: float) -> Suspects:
        """Say what was found, where a comparison takes `rate` seconds."""
        pairs = self._pairs
        bar = least_llr(pairs.people)
        left = pairs.work_left()
        people, total = pairs.count()
        return Suspects(
            at=datetime.now(UTC),
            people=people,
            total=total,
            alike={pair: llr for pair, llr in pairs.found.alike.items() if llr >= bar},
            split={pair: llr for pair, llr in pairs.found.split.items() if llr >= bar},
            mixed=frozenset(pairs.found.mixed),
            remaining_s=rate * left if left else None,
        )


def _run_aside(step: Callable[[], float]) -> float:
    """Run in a thread that gives way, and wait for it.

    A thread that gave way cannot go back, and must take no lock that an answer waits for.
    """
    done: Future[float] = Future()

    def run() -> None:
        _give_way()
        try:
            done.set_result(step())
        except BaseException as error:  # raised below, in the thread that waits
            done.set_exception(error)

    threading.Thread(target=run, name="suspects-step", daemon=True).start()
    return done.result()


def _give_way() -> None:
    """Let this thread run after those of answers. Other systems set whole processes alone."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
