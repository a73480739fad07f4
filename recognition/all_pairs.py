"""Comparison of everybody of a gallery with everybody, some people at a time.

The next people are compared with those who were before them, in the memory of the index
that identification searches. So the work can be left and taken up, and holds little of
its own: 17 bytes a person, and what it found. Nothing of that outlives the process.
Rows of an index may be rounded: whoever comes near is read from the database, and
compared exactly. People who changed are compared anew, before those who never were.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from gallery.records import feed
from gallery.records.distinct import Pair
from gallery.search.everybody import ROUNDING, cosines
from gallery.search.memory import Snapshot
from gallery.store import Store
from gallery.vectors import KeyArray, Templates, means
from recognition.compared import Compared
from recognition.found_pairs import Found, Near
from recognition.likeness import (
    SAME_RECORDING,
    Entries,
    Sides,
    add_ratios,
    least_cosine,
    least_llr,
    measure,
    ratios_of,
    split_ratios,
)
from recognition.mixed import find_mixed
from recognition.sides import Calibrations
from utils.arrays import EMBEDDING_SIZE, BoolArray, Float32Array, Float64Array, IndexArray
from utils.modality import SINGLE, Modality

AT_ONCE = 256
"""Most people who are compared with everybody at a time: it bounds the memory."""
_PIECE = 2048
# Ratio below the least one from which two people are compared exactly
_SLACK = 1.0
# What twice as many people add to the least ratio, but for rounding
_DOUBLED = math.log(2) - 1e-9
# Reading a person takes about as long as comparing them with so many
_READING = 5000


@dataclass(frozen=True)
class _Some:
    """People who are compared now: internal numbers, rows and entries (k,), and their scores."""

    keys: KeyArray
    rows: IndexArray
    entries: Entries
    sides: Sides


class AllPairs:
    """The comparison of a gallery, for one thread at a time."""

    def __init__(
        self, store: Store, encoder_ids: Mapping[Modality, str], calibrations: Calibrations
    ) -> None:
        self.found = Found()
        self.people = 0
        self._store = store
        self._encoder_ids = encoder_ids
        self._calibrations = calibrations
        self._compared: Compared | None = None
        self._late: KeyArray = np.zeros(0, np.int64)
        self._bar = 0.0
        self._only: KeyArray | None = None
        self._asked: KeyArray | None = None

    def narrow(self, keys: KeyArray) -> None:
        """Compare these people alone, with each other. To be called before the first step."""
        self._only = keys

    def ask_about(self, keys: KeyArray) -> None:
        """Compare these people with everybody, and the others not with each other.

        The others are only measured, so that they can be compared with. Whoever of them
        changes later is compared with those who were asked about. To be called before the
        first step.
        """
        self._asked = keys

    def step(self, snapshot: Snapshot) -> float:
        """Compare the next people. Returns how much work it was, as `work_left` counts.

        Raises StoreUnavailableError.
        """
        worked = 0.0
        with self._store.database.read() as connection:
            compared = self._follow(connection, snapshot)
            rows = self._next_rows(compared)
            is_asked = bool(self._asks_about(compared.keys[rows]).any())
            compares = bool(self._are_compared(compared, compared.keys[rows]).any())
            by_key = rows[np.argsort(compared.keys[rows])]
            for templates in self._read(connection, compared.keys[rows]):
                keys, entries = represent([templates])
                mine = by_key[np.searchsorted(compared.keys[by_key], keys)]
                some = _Some(keys, mine, entries, measure(entries, self._calibrations))
                if not compares:
                    compared.enter(some.rows, some.sides)
                    worked += float(_READING * len(some.rows))
                    continue
                if is_asked:
                    self.found.mixed |= find_mixed(templates, self._calibrations)
                worked += self._compare(connection, snapshot, some)
        compared.done[rows] = True  # also who has no template of these encoders any more
        self.found.bound()
        return worked

    def heeds(self, change: int) -> bool:
        """Whether everybody was compared, up to this change of the gallery."""
        compared = self._compared
        return (
            compared is not None
            and compared.revision.change == change
            and not len(self._todo(compared))
        )

    def count(self, keys: KeyArray | None = None) -> tuple[int, int]:
        """Count those who were compared, and who has templates, of `keys`.

        None = of all who are to be compared. Raises StoreUnavailableError.
        """
        keys = self._only if keys is None else keys
        compared = self._compared
        if compared is None:
            there = self._list_enrolled()
            done = np.zeros(len(there), np.bool_)
        else:
            there = compared.keys
            done = compared.done
        counts = there != 0 if keys is None else np.isin(there, keys)
        return int(np.count_nonzero(done & counts)), int(np.count_nonzero(counts))

    def work_left(self) -> float:
        """Number of comparisons of two people that are left, in their order."""
        compared = self._compared
        if compared is None:
            return 0.0
        todo = self._todo(compared)
        to_compare = todo[self._are_compared(compared, compared.keys[todo])]
        all_rows = np.full(len(to_compare), len(compared.keys))
        with_others = to_compare if self._asked is None else all_rows
        return float(with_others.sum()) + _READING * len(todo)

    def _todo(self, compared: Compared) -> IndexArray:
        todo = compared.todo()
        return todo if self._only is None else todo[np.isin(compared.keys[todo], self._only)]

    def _asks_about(self, keys: KeyArray) -> BoolArray:
        """Which of these people (n,) are compared with everybody."""
        return np.ones(len(keys), np.bool_) if self._asked is None else np.isin(keys, self._asked)

    def _are_compared(self, compared: Compared, keys: KeyArray) -> BoolArray:
        """Which of these people (n,) are compared, and not only measured.

        Once somebody who was asked about is done, whoever comes is compared with them.
        """
        asked = self._asks_about(keys)
        return asked | self._asks_about(compared.keys[compared.done]).any()

    def _follow(self, connection: Connection, snapshot: Snapshot) -> Compared:
        """Heed what has changed since the last step."""
        old = self._compared
        self.people = snapshot.people
        if old is None or not old.is_before(snapshot) or least_llr(self.people) < self._bar:
            # As long as half of them are left, no pair is missed that counts among fewer
            self._bar = least_llr(self.people // 2)
            self._late = np.zeros(0, np.int64)
            self.found = Found()
            old = self._compared = Compared.none_of(snapshot)
        elif not old.is_of(snapshot):
            changed = feed.changed_since(connection, old.revision.change)
            self.found.forget(set(changed))
            old = self._compared = old.follow(snapshot, changed)
            if self._asked is None:
                self._late = np.union1d(self._late, np.array(changed, np.int64))
            self._raise_bar()
        return old

    def _raise_bar(self) -> None:
        """Ask more of a pair once the people have doubled: less never counts among so many."""
        bar = least_llr(self.people // 2)
        if bar >= self._bar + _DOUBLED:
            self._bar = bar
            self.found.raise_bar(bar)

    def _list_enrolled(self) -> KeyArray:
        with self._store.database.read() as connection:
            return feed.read_keys(connection, self._encoder_ids)

    def _next_rows(self, compared: Compared) -> IndexArray:
        """Rows of those who come next: first who changed."""
        todo = self._todo(compared)
        if len(self._late):
            late = todo[np.isin(compared.keys[todo], self._late)]
            if len(late):
                return late[:AT_ONCE]
            self._late = np.zeros(0, np.int64)
        # Whoever is compared is compared with those before: so the others come first
        others = todo[~self._asks_about(compared.keys[todo])]
        return others[:AT_ONCE] if len(others) else todo[:AT_ONCE]

    def _read(self, connection: Connection, keys: KeyArray) -> Iterator[dict[Modality, Templates]]:
        codec = self._store.codec
        return feed.read_templates(connection, codec, self._encoder_ids, keys.tolist())

    def _compare(self, connection: Connection, snapshot: Snapshot, some: _Some) -> float:
        """Compare some people with all who were before, and with each other."""
        compared = self._known()
        compared.enter(some.rows, some.sides)
        end = 1 + int(max(some.rows.max(), np.flatnonzero(compared.done).max(initial=0)))
        none = np.zeros(0, np.intp)
        near = Near(none, none, np.zeros(0))
        is_asked = self._asks_about(some.keys).any()
        for start in range(0, end, _PIECE):
            part = slice(start, min(start + _PIECE, end))
            if is_asked or self._asks_about(compared.keys[part]).any():
                near = near.join(self._look(snapshot, some, part))
        if len(near.row):
            self._confirm(connection, some, near)
        compared.done[some.rows] = True
        return float(len(some.rows) * (end + _READING))

    def _look(self, snapshot: Snapshot, some: _Some, part: slice) -> Near:
        """Look who of a part of the rows may be one of some people."""
        compared = self._known()
        theirs = compared.sides(part)
        may_be = np.zeros((part.stop - part.start, len(some.rows)), np.bool_)
        scores = {}
        for m in SINGLE:
            scores[m] = cosines(snapshot.vectors[m][part], some.entries.vectors[m])
            least = self._least(theirs, m)[:, None] + self._least(some.sides, m)
            np.minimum(least, SAME_RECORDING, out=least)
            may_be |= scores[m] >= least - np.float32(ROUNDING)
        place, number = np.nonzero(may_be)
        row = place + part.start
        # Who was compared before, or comes before among those who are compared now
        counts = compared.done[row] | (np.isin(row, some.rows) & (row < some.rows[number]))
        counts &= self._asks_about(compared.keys[row]) | self._asks_about(some.keys[number])
        number = number[counts]
        place = place[counts]
        near = {m: scores[m][place, number] for m in SINGLE}
        return self._weigh(some, number, place + part.start, near)

    def _least(self, sides: Sides, modality: Modality) -> Float32Array:
        """Their halves (n,) of the least cosine that may count.

        Of two ratios that add up to enough, one is half of it at least.
        """
        llr = (self._bar - _SLACK) / 2
        half = least_cosine(sides[modality], self._calibrations[modality], llr)
        return half.astype(np.float32)

    def _weigh(
        self,
        some: _Some,
        number: IndexArray,
        row: IndexArray,
        scores: Mapping[Modality, Float32Array],
    ) -> Near:
        """Keep the pairs (n,) of these cosines that may be one person."""
        mine = {m: side.part(number) for m, side in some.sides.items()}
        ratios = ratios_of(scores, mine, self._known().sides(row), self._calibrations)
        face, voice = (np.nan_to_num(ratios[m], nan=0.0) for m in SINGLE)
        same = np.maximum(*(scores[m] for m in SINGLE)) >= SAME_RECORDING - ROUNDING
        ratio = np.where(same, np.inf, np.maximum(np.maximum(face, voice), face + voice))
        return Near(number, row, ratio).take(np.flatnonzero(ratio >= self._bar - _SLACK))

    def _confirm(self, connection: Connection, some: _Some, near: Near) -> None:
        """Compare pairs exactly, and enter those that count."""
        compared = self._known()
        keys = compared.keys[near.row]
        there, others = represent(self._read(connection, np.unique(keys)))
        is_there = np.isin(keys, there)  # who was deleted since is not
        near = near.take(np.flatnonzero(is_there))
        keys = keys[is_there]
        place = np.searchsorted(there, keys)
        scores = {
            m: np.einsum("ij,ij->i", some.entries.vectors[m][near.number], others.vectors[m][place])
            for m in SINGLE
        }
        mine = {m: side.part(near.number) for m, side in some.sides.items()}
        ratios = ratios_of(scores, mine, compared.sides(near.row), self._calibrations)
        pairs = list(zip(some.keys[near.number].tolist(), keys.tolist(), strict=True))
        self._enter(self.found.alike, pairs, add_ratios(ratios, scores))
        self._enter(self.found.split, pairs, split_ratios(ratios))

    def _enter(self, into: dict[Pair, float], pairs: list[Pair], ratios: Float64Array) -> None:
        for place in np.flatnonzero(ratios >= self._bar).tolist():
            one, other = pairs[place]
            into[min(one, other), max(one, other)] = float(ratios[place])

    def _known(self) -> Compared:
        assert self._compared is not None
        return self._compared


def represent(pieces: Iterable[Mapping[Modality, Templates]]) -> tuple[KeyArray, Entries]:
    """Make what stands for the people (n,) of these templates, by internal number."""
    owners = [np.zeros(0, np.int64)]
    parts = []
    for piece in pieces:
        for modality, templates in piece.items():
            people, vectors_of = means(templates.vectors, templates.owners)
            owners.append(people)
            parts.append((modality, people, vectors_of))
    keys = np.unique(np.concatenate(owners))
    vectors = {m: np.zeros((len(keys), EMBEDDING_SIZE), np.float32) for m in SINGLE}
    has = {m: np.zeros(len(keys), np.bool_) for m in SINGLE}
    for modality, people, vectors_of in parts:
        rows = np.searchsorted(keys, people)
        vectors[modality][rows] = vectors_of
        has[modality][rows] = True
    return keys, Entries(vectors, has)
