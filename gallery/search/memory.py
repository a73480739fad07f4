"""Index in memory: one row for each person, with vectors by face, by voice and by both.

`MemoryIndex.snapshot()` asks the database for its latest change. When it moved, the
index reads the people concerned, also those whom other processes changed, and swaps in
a new snapshot. A snapshot never changes: searches in parallel each keep the one they
began with. New rows are written behind the rows that older snapshots look at. Rows out
of use are marked in the `keys` of the new snapshot. When there are many of them, the
rows in use are moved together into fresh arrays.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Protocol

import numpy as np
from sqlalchemy import Connection

from gallery.ports import Encoders
from gallery.records import distinct, feed
from gallery.records.distinct import Pair
from gallery.records.feed import PersonRef, Revision
from gallery.records.templates import stale
from gallery.results import StaleTemplates
from gallery.search.reading import ALL, Reader
from gallery.store import Store
from gallery.vectors import KeyArray
from utils.arrays import BoolArray, Float32Array
from utils.modality import Modality

__all__ = ["ALL", "Index", "MemoryIndex", "Probe", "Snapshot"]

Probe = Mapping[Modality, Float32Array]
"""Embeddings (size,) of one clip by modality."""

NEAREST = 64
"""Number of people nearest by code whom an index looks for, in each modality.

More than are looked at (`recognition.matching`).
"""
_LEAST_ROWS = 256
_GROWTH = 1.125
# Rows for each person, before those out of use are thrown away.
_MOST_ROWS = 1.25
_LAYOUTS = count()


@dataclass(frozen=True)
class Snapshot:
    """One state of the gallery, or of the part of it that is nearest to a probe.

    Attributes:
        keys: (n,) internal numbers: row i of every array is the person `keys[i]`; 0 = a
            row out of use.
        vectors: (n, size) float32 by modality, of those people whom `has` marks
            (`gallery.vectors.represent`).
        has: (n,) whether the person has a vector, by modality.
        refs: the people by internal number.
        stale: templates of other encoders, which are not in it.
        people: number of people who can be recognised.
        totals: number of people who can be recognised, by modality, also where only the
            nearest are in it. None: all are in it.
        distinct: entries that are two people by the operator's word.
        layout: number of the arrangement of rows. Snapshots of one have the same people in
            the same rows, as far as both go.
    """

    revision: Revision
    keys: KeyArray
    vectors: Mapping[Modality, Float32Array]
    has: Mapping[Modality, BoolArray]
    refs: Mapping[int, PersonRef]
    stale: tuple[StaleTemplates, ...]
    people: int
    totals: Mapping[Modality, int] | None = None
    distinct: frozenset[Pair] = frozenset()
    layout: int = 0

    def count(self, modality: Modality) -> int:
        """Count the people who can be recognised in this modality."""
        if self.totals is not None:
            return self.totals[modality]
        return int(np.count_nonzero(self.has[modality]))


class Index(Protocol):
    """Search of a gallery, shared by all threads."""

    def snapshot(self) -> Snapshot:
        """Read the gallery as it is committed now, or at least its counts.

        Raises StoreUnavailableError.
        """

    def near(self, probe: Probe) -> Snapshot:
        """Find at least the people of the highest cosines whom a decision looks at.

        They are those of each modality, of the gallery as it is committed now. Raises
        StoreUnavailableError.
        """


class _Rows:
    """A growing (n, size) array.

    Rows are only ever added behind those in use, so views that were given out keep what
    they saw.
    """

    def __init__(self, array: Any, used: int) -> None:
        self._array = array
        self._used = used

    def add(self, used: int, rows: Any) -> None:
        """Put rows behind the first `used`, which are those of the latest snapshot.

        What a failed update left there goes.
        """
        need = used + len(rows)
        if need > len(self._array):
            larger = with_room(need, self._array.shape[1], self._array.dtype)
            larger[:used] = self._array[:used]
            self._array = larger
        self._array[used:need] = rows
        self._used = need

    def view(self) -> Any:
        """All rows, read-only."""
        view = self._array[: self._used]
        view.flags.writeable = False
        return view


class MemoryIndex:
    """Index in step with the database, shared by all threads.

    A subclass may store something else than the vectors: `_make` makes room for it, and
    `_pack` makes it of vectors.
    """

    def __init__(self, store: Store, encoders: Encoders) -> None:
        self._store = store
        self._reader = Reader(store.codec, encoders)
        self._lock = threading.Lock()
        self._rows: dict[Modality, _Rows] = {}
        self._snapshot: Snapshot | None = None

    def snapshot(self) -> Snapshot:
        """Read the gallery as it is committed now. Raises StoreUnavailableError."""
        with self._reading() as (_, snapshot):
            return snapshot

    def near(self, _probe: Probe) -> Snapshot:
        """Return everybody. Raises StoreUnavailableError."""
        return self.snapshot()

    @contextmanager
    def _reading(self) -> Iterator[tuple[Connection, Snapshot]]:
        """Open a transaction, and give the snapshot of the state that it sees."""
        with self._store.database.read() as connection:
            current = self._snapshot
            if current is not None and current.revision == self._revision(connection):
                yield connection, current
                return
        with ExitStack() as transaction:
            with self._lock:
                connection = transaction.enter_context(self._store.database.read())
                self._snapshot = current = self._refresh(connection)
            yield connection, current

    def _revision(self, connection: Connection) -> Revision:
        return feed.revision(connection, self._store.database.file_id(connection))

    def _refresh(self, connection: Connection) -> Snapshot:
        old = self._snapshot
        revision = self._revision(connection)
        if (
            old is None
            or (old.revision.gallery_id, old.revision.file) != (revision.gallery_id, revision.file)
            or old.revision.change > revision.change
        ):
            return self._load(connection, revision)
        return old if old.revision == revision else self._update(connection, old, revision)

    def _load(self, connection: Connection, revision: Revision) -> Snapshot:
        """Read everybody."""
        block = self._reader.read(connection, None, self._make, self._pack)
        refs = self._refs(connection, block.keys, None)
        old_templates = stale(connection, self._reader.encoder_ids)
        # Last: what fails before must leave them as they are.
        self._rows = {m: _Rows(block.vectors[m], len(block.keys)) for m in ALL}
        return Snapshot(
            revision=revision,
            keys=block.keys,
            vectors=self._views(),
            has=block.has,
            refs=refs,
            stale=old_templates,
            people=len(block.keys),
            totals=_count_each(block.has),
            distinct=distinct.read(connection),
            layout=next(_LAYOUTS),
        )

    def _update(self, connection: Connection, old: Snapshot, revision: Revision) -> Snapshot:
        """Read those who changed since the old snapshot."""
        changed = feed.changed_since(connection, old.revision.change)
        block = self._reader.read(connection, changed, self._make, self._pack)
        gone = np.isin(old.keys, changed)
        keys = np.concatenate([np.where(gone, 0, old.keys), block.keys])
        has = {m: np.concatenate([old.has[m] & ~gone, block.has[m]]) for m in ALL}
        refs = dict(old.refs)
        for key in changed:
            refs.pop(key, None)
        refs.update(self._refs(connection, block.keys, changed))
        old_templates = stale(connection, self._reader.encoder_ids)
        for m in ALL:
            self._rows[m].add(len(old.keys), block.vectors[m][: len(block.keys)])
        people = int((keys != 0).sum())
        snapshot = Snapshot(
            revision=revision,
            keys=keys,
            vectors=self._views(),
            has=has,
            refs=refs,
            stale=old_templates,
            people=people,
            totals=_count_each(has),
            distinct=distinct.read(connection),
            layout=old.layout,
        )
        crowded = len(keys) > _MOST_ROWS * people + _LEAST_ROWS
        return self._move_together(snapshot) if crowded else snapshot

    def _move_together(self, snapshot: Snapshot) -> Snapshot:
        """Copy the rows in use into fresh arrays."""
        used = snapshot.keys != 0
        people = snapshot.people
        arrays = {m: self._make(people, self._reader.sizes[m]) for m in ALL}
        for m in ALL:
            np.compress(used, snapshot.vectors[m], axis=0, out=arrays[m][:people])
        rows = {m: _Rows(arrays[m], people) for m in ALL}
        moved = replace(
            snapshot,
            keys=snapshot.keys[used],
            vectors={m: rows[m].view() for m in ALL},
            has={m: snapshot.has[m][used] for m in ALL},
            layout=next(_LAYOUTS),
        )
        self._rows = rows
        return moved

    def _views(self) -> dict[Modality, Any]:
        return {m: self._rows[m].view() for m in ALL}

    def _make(self, rows: int, size: int) -> Any:
        return with_room(rows, size, np.dtype(np.float32))

    def _pack(self, vectors: Float32Array) -> Any:
        return vectors

    def _refs(
        self, connection: Connection, keys: KeyArray, among: list[int] | None
    ) -> dict[int, PersonRef]:
        refs = feed.read_people(connection, among)
        return {int(key): refs[int(key)] for key in keys}


def _count_each(has: Mapping[Modality, BoolArray]) -> dict[Modality, int]:
    """Count once what every search asks for."""
    return {modality: int(np.count_nonzero(marked)) for modality, marked in has.items()}


def with_room(rows: int, width: int, dtype: np.dtype[Any]) -> Any:
    """Make an array of zeros with room for growth.

    Rows for growth cost address space only, until they are written to.
    """
    return np.zeros((int(rows * _GROWTH) + _LEAST_ROWS, width), dtype)
