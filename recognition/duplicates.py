"""Pairs of entries of a gallery that look like one person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from gallery.records.distinct import Pair
from gallery.records.feed import PersonRef
from gallery.store import Store
from recognition.suspects import Suspects, SuspectSearch
from scoring.calibration import probability_of

MAX_PAIRS = 100


@dataclass(frozen=True)
class Duplicate:
    """Two entries that look like one person, and the probability that they are."""

    one: PersonRef
    other: PersonRef
    probability: float


@dataclass(frozen=True)
class Duplicates:
    """The likeliest pairs first, of the `people` who were compared.

    `total`: people with templates who are asked about.
    """

    pairs: tuple[Duplicate, ...]
    people: int
    total: int


class DuplicateSearch:
    """Lists the pairs that the search for suspects has found. Shared by all requests."""

    def __init__(self, store: Store, suspects: SuspectSearch) -> None:
        self._store = store
        self._suspects = suspects

    def find(
        self, latest: Suspects | None, search: str = "", limit: int | None = None
    ) -> Duplicates:
        """List pairs of people who match `search`: of the first `limit` of them by id.

        Pairs of which the operator says that they are two people are left out. Raises
        InvalidRequestError, StoreUnavailableError.
        """
        asked = bool(search) or limit is not None
        fitting = frozenset(self._store.keys_fitting(search, limit)) if asked else None
        people, total = self._suspects.count(fitting)
        pairs = self._list(latest.alike, fitting) if latest is not None else ()
        return Duplicates(pairs, people, total)

    def _list(
        self, alike: Mapping[Pair, float], fitting: frozenset[int] | None
    ) -> tuple[Duplicate, ...]:
        """List pairs of which both are there, of those who fit."""
        distinct = self._store.distinct_pairs()
        pairs = [
            (pair, llr)
            for pair, llr in alike.items()
            if pair not in distinct and (fitting is None or fitting.issuperset(pair))
        ]
        pairs.sort(key=lambda item: -item[1])
        listed: list[Duplicate] = []
        while pairs and len(listed) < MAX_PAIRS:  # some may be gone
            listed += self._name(pairs[:MAX_PAIRS])
            del pairs[:MAX_PAIRS]
        return tuple(listed[:MAX_PAIRS])

    def _name(self, pairs: list[tuple[Pair, float]]) -> Iterator[Duplicate]:
        """Read who is in pairs of which both are there."""
        refs = self._store.people_of(set(chain.from_iterable(pair for pair, _ in pairs)))
        for (one, other), llr in pairs:
            if one in refs and other in refs:
                yield Duplicate(refs[one], refs[other], float(probability_of(llr)))
