"""The gallery in memory: one row a person, with what stands for them by face, by voice
and by both.

`MemoryIndex.snapshot()` asks the database for its latest change and, when it moved,
reads the people concerned (of other processes too) and swaps in a new snapshot. A
snapshot never changes: searches in parallel each keep the one they began with. New rows
are written behind the rows that older snapshots look at, rows out of use are marked in
the new snapshot's own `keys`; when they are many the rows are moved together into fresh
arrays.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from sqlalchemy import Connection

from gallery.ports import Encoders
from gallery.records import feed
from gallery.records.feed import PersonRef, Revision
from gallery.results import StaleTemplates
from gallery.search.reading import ALL, SINGLE, Reader
from gallery.store import Store, stale
from gallery.vectors import KeyArray
from utils.arrays import BoolArray, Float32Array
from utils.modality import Modality

__all__ = ["ALL", "SINGLE", "Index", "MemoryIndex", "Snapshot"]

Probe = Mapping[Modality, Float32Array]
"""Embeddings (size,) of one clip by modality."""

NEAREST = 64
"""How many people an index that looks for the nearest finds at least, in each modality:
more than are looked at (`recognition.matching`).
"""
_LEAST_ROWS = 256
_GROWTH = 1.125
_MOST_ROWS = 1.25  # rows per person, before those out of use are thrown away


@dataclass(frozen=True)
class Snapshot:
    """One state of the gallery. Row i of every array is the person `keys[i]` (0 = a row
    out of use); `vectors[m]` (n, size) float32 stand for the people where `has[m]` (n,)
    is true (`gallery.vectors.represent`). `stale` lists templates of other encoders,
    which are not in it. `people` is how many can be recognised. Where it holds those
    alone who are nearest to a probe, `totals[m]` says how many there are in all.
    """

    revision: Revision
    keys: KeyArray
    vectors: Mapping[Modality, Float32Array]
    has: Mapping[Modality, BoolArray]
    refs: Mapping[int, PersonRef]
    stale: tuple[StaleTemplates, ...]
    people: int
    totals: Mapping[Modality, int] | None = None

    def count(self, modality: Modality) -> int:
        """How many people can be recognised in this modality."""
        return (
            int(np.count_nonzero(self.has[modality]))
            if self.totals is None
            else self.totals[modality]
        )


class Index(Protocol):
    """Shared by all threads."""

    def snapshot(self) -> Snapshot:
        """The gallery as it is committed now, or nobody of it: how many there are, and
        what is stale. Raises StoreUnavailableError.
        """

    def near(self, probe: Probe) -> Snapshot:
        """At least the `NEAREST` people to the probe in each modality, of the gallery
        as it is committed now. Raises StoreUnavailableError.
        """


class _Rows:
    """A growing (n, size) array. Views that were given out keep what they saw: rows are
    only ever added behind them.
    """

    def __init__(self, array: Any, used: int) -> None:
        self._array = array
        self._used = used

    def add(self, at: int, rows: Any) -> None:
        """Put rows behind the first `at`, which are those of the latest snapshot: what
        an update that failed left there goes.
        """
        need = at + len(rows)
        if need > len(self._array):
            larger = with_room(need, self._array.shape[1], self._array.dtype)
            larger[:at] = self._array[:at]
            self._array = larger
        self._array[at:need] = rows
        self._used = need

    def view(self) -> Any:
        """All rows, not to be written to."""
        view = self._array[: self._used]
        view.flags.writeable = False
        return view


class MemoryIndex:
    """In step with the database; shared by all threads. A kind of it may keep something
    else than the vectors: what `_make` makes room for and `_pack` makes of them.
    """

    def __init__(self, store: Store, encoders: Encoders) -> None:
        self._store = store
        self._reader = Reader(store.codec, encoders)
        self._lock = threading.Lock()
        self._rows: dict[Modality, _Rows] = {}
        self._snapshot: Snapshot | None = None

    def snapshot(self) -> Snapshot:
        """The gallery as it is committed now. Raises StoreUnavailableError."""
        current = self._snapshot
        with self._store.database.read() as connection:
            if current is not None and current.revision == self._revision(connection):
                return current
        with self._lock, self._store.database.read() as connection:
            self._snapshot = self._refreshed(connection)
            return self._snapshot

    def near(self, _probe: Probe) -> Snapshot:
        """Everybody."""
        return self.snapshot()

    def _revision(self, connection: Connection) -> Revision:
        return feed.revision(connection, self._store.database.file_id(connection))

    def _refreshed(self, connection: Connection) -> Snapshot:
        old = self._snapshot
        revision = self._revision(connection)
        if (
            old is None
            or (old.revision.gallery_id, old.revision.file) != (revision.gallery_id, revision.file)
            or old.revision.change > revision.change
        ):
            return self._loaded(connection, revision)
        return old if old.revision == revision else self._updated(connection, old, revision)

    def _loaded(self, connection: Connection, revision: Revision) -> Snapshot:
        block = self._reader.read(connection, None, self._make, self._pack)
        refs = self._refs(connection, block.keys, None)
        old_templates = stale(connection, self._reader.encoder_ids)
        # Last: what fails before must leave them as they are
        self._rows = {m: _Rows(block.vectors[m], len(block.keys)) for m in ALL}
        return Snapshot(
            revision, block.keys, self._views(), block.has, refs, old_templates, len(block.keys)
        )

    def _updated(self, connection: Connection, old: Snapshot, revision: Revision) -> Snapshot:
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
        snapshot = Snapshot(revision, keys, self._views(), has, refs, old_templates, people)
        return (
            self._moved_together(snapshot)
            if len(keys) > _MOST_ROWS * people + _LEAST_ROWS
            else snapshot
        )

    def _moved_together(self, snapshot: Snapshot) -> Snapshot:
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
        read = feed.read_people(connection, among)
        return {int(key): read[int(key)] for key in keys}


def with_room(rows: int, width: int, dtype: np.dtype[Any]) -> Any:
    """Rows for growth cost address space only, until they are written to."""
    return np.zeros((int(rows * _GROWTH) + _LEAST_ROWS, width), dtype)
