"""The gallery in memory: one row a person, with what stands for them by face, by voice and by both.

`MemoryIndex.snapshot()` asks the database for its latest change and, when it moved, reads the people concerned (of other processes too)
and swaps in a new snapshot. A snapshot never changes: searches in parallel each keep the one they began with. New rows are written behind
the rows that older snapshots look at, rows out of use are marked in the new snapshot's own `keys`; when they are many the rows are moved
together into fresh arrays.
"""
from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from gallery import feed
from gallery.feed import PersonRef, Revision
from gallery.ports import Encoders
from gallery.results import StaleTemplates
from gallery.store import Store, stale
from gallery.vectors import KeyArray, represent
from utils.types import EMBEDDING_SIZE, FloatArray, Modality

BoolArray = npt.NDArray[np.bool_]

SINGLE = (Modality.FACE, Modality.VOICE)
ALL = (*SINGLE, Modality.FUSED)
_LEAST_ROWS = 256
_GROWTH = 1.125
_MOST_ROWS = 1.25  # rows per person, before those out of use are thrown away


@dataclass(frozen=True)
class Snapshot:
    """One state of the gallery. Row i of every array is the person `keys[i]` (0 = a row out of use); `vectors[m]` (n, size) float32
    stand for the people where `has[m]` (n,) is true (`gallery.vectors.represent`). `stale` lists templates of other encoders, which are
    not in it."""

    revision: Revision
    keys: KeyArray
    vectors: Mapping[Modality, FloatArray]
    has: Mapping[Modality, BoolArray]
    refs: Mapping[int, PersonRef]
    stale: tuple[StaleTemplates, ...]

    @property
    def people(self) -> int:
        """How many people can be recognised."""
        return len(self.refs)


class _Rows:
    """A growing (n, size) array. Views that were given out keep what they saw: rows are only ever added behind them."""

    def __init__(self, array: FloatArray, used: int) -> None:
        self._array, self._used = array, used

    def add(self, at: int, rows: FloatArray) -> None:
        """Put rows behind the first `at`, which are those of the latest snapshot: what an update that failed left there goes."""
        need = at + len(rows)
        if need > len(self._array):
            larger = _with_room(need, self._array.shape[1])
            larger[:at] = self._array[:at]
            self._array = larger
        self._array[at:need] = rows
        self._used = need

    def view(self) -> FloatArray:
        """All rows, not to be written to."""
        view = self._array[: self._used]
        view.flags.writeable = False
        return view


@dataclass(frozen=True)
class _Block:
    """Rows for people who were read: `keys` (m,), vectors and presence by modality, all of the same order; vectors may have empty rows
    behind them."""

    keys: KeyArray
    vectors: dict[Modality, FloatArray]
    has: dict[Modality, BoolArray]


class MemoryIndex:
    """In step with the database; shared by all threads."""

    def __init__(self, store: Store, encoders: Encoders) -> None:
        self._store = store
        self._fusion = encoders.fusion
        nothing = np.zeros((0, EMBEDDING_SIZE), np.float32)
        self._sizes = {**dict.fromkeys(SINGLE, EMBEDDING_SIZE), Modality.FUSED: encoders.fusion.fuse(nothing, nothing).shape[1]}
        self._encoder_ids = {Modality.FACE: encoders.face.encoder_id, Modality.VOICE: encoders.voice.encoder_id}
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

    def _revision(self, connection: Connection) -> Revision:
        return feed.revision(connection, self._store.database.file_id(connection))

    def _refreshed(self, connection: Connection) -> Snapshot:
        old, revision = self._snapshot, self._revision(connection)
        if old is None or (old.revision.gallery_id, old.revision.file) != (revision.gallery_id, revision.file) \
                or old.revision.change > revision.change:
            return self._loaded(connection, revision)
        return old if old.revision == revision else self._updated(connection, old, revision)

    def _loaded(self, connection: Connection, revision: Revision) -> Snapshot:
        block = self._read(connection, None)
        refs, old_templates = _refs(connection, block.keys, None), stale(connection, self._encoder_ids)
        self._rows = {m: _Rows(block.vectors[m], len(block.keys)) for m in ALL}  # last: what fails before must leave them as they are
        return Snapshot(revision, block.keys, self._views(), block.has, refs, old_templates)

    def _updated(self, connection: Connection, old: Snapshot, revision: Revision) -> Snapshot:
        changed = feed.changed_since(connection, old.revision.change)
        block = self._read(connection, changed)
        gone = np.isin(old.keys, changed)
        keys = np.concatenate([np.where(gone, 0, old.keys), block.keys])
        has = {m: np.concatenate([old.has[m] & ~gone, block.has[m]]) for m in ALL}
        refs = dict(old.refs)
        for key in changed:
            refs.pop(key, None)
        refs.update(_refs(connection, block.keys, changed))
        old_templates = stale(connection, self._encoder_ids)
        for m in ALL:
            self._rows[m].add(len(old.keys), block.vectors[m])
        snapshot = Snapshot(revision, keys, self._views(), has, refs, old_templates)
        return self._moved_together(snapshot) if len(keys) > _MOST_ROWS * len(refs) + _LEAST_ROWS else snapshot

    def _moved_together(self, snapshot: Snapshot) -> Snapshot:
        used = snapshot.keys != 0
        people = int(used.sum())
        arrays = {m: _with_room(people, self._sizes[m]) for m in ALL}
        for m in ALL:
            np.compress(used, snapshot.vectors[m], axis=0, out=arrays[m][:people])
        rows = {m: _Rows(arrays[m], people) for m in ALL}
        moved = replace(snapshot, keys=snapshot.keys[used], vectors={m: rows[m].view() for m in ALL},
                        has={m: snapshot.has[m][used] for m in ALL})
        self._rows = rows
        return moved

    def _views(self) -> dict[Modality, FloatArray]:
        return {m: self._rows[m].view() for m in ALL}

    def _read(self, connection: Connection, keys: list[int] | None) -> _Block:
        everyone = feed.read_keys(connection, self._encoder_ids, keys)
        make = _with_room if keys is None else _no_room
        found = {m: make(len(everyone), self._sizes[m]) for m in ALL}
        has = {m: np.zeros(len(everyone), np.bool_) for m in ALL}
        for templates in feed.read_templates(connection, self._store.codec, self._encoder_ids, keys):
            for m, (owners, vectors) in represent(templates, self._fusion.fuse).items():
                at = np.searchsorted(everyone, owners)
                found[m][at], has[m][at] = vectors, True
        return _Block(everyone, found, has)


def _no_room(rows: int, size: int) -> FloatArray:
    return np.zeros((rows, size), np.float32)


def _with_room(rows: int, size: int) -> FloatArray:
    """Rows for growth cost address space only, until they are written to."""
    return _no_room(int(rows * _GROWTH) + _LEAST_ROWS, size)


def _refs(connection: Connection, keys: KeyArray, among: list[int] | None) -> dict[int, PersonRef]:
    read = feed.read_people(connection, among)
    return {int(key): read[int(key)] for key in keys}
