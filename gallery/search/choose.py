"""Chooses the index that searches a gallery.

That depends on where the gallery is stored, whether it is encrypted, and how many
people there are.
"""

from __future__ import annotations

import threading

from gallery.ports import Encoders
from gallery.search.codes import CodeIndex
from gallery.search.memory import Index, MemoryIndex, Probe, Snapshot
from gallery.search.postgres import DatabaseIndex
from gallery.store import Store

MANY = 50_000
"""Number of people from which codes are faster than vectors, in memory and in PostgreSQL.

They also take a quarter of the memory of vectors: docs/scale.md.
"""


def open_index(store: Store, encoders: Encoders) -> GrowingIndex:
    """Open the index of a gallery.

    A small gallery in PostgreSQL is searched inside the database. A file is searched in
    memory. So is a large gallery, and an encrypted one, which only this process can
    decrypt.
    """
    return GrowingIndex(store, encoders)


class GrowingIndex:
    """Index of the vectors of up to `many` people, and of codes in memory beyond."""

    def __init__(self, store: Store, encoders: Encoders, many: int = MANY) -> None:
        self._store = store
        self._encoders = encoders
        self._many = many
        self._growing = threading.Lock()
        self._left: DatabaseIndex | None = None  # whose codes are still to be deleted
        self._index: Index = self._open_small()
        if store.count() > many:
            self._grow(self._index)

    def snapshot(self) -> Snapshot:
        """Read the gallery as the index in use does. Raises StoreUnavailableError."""
        return self._index.snapshot()

    def in_memory(self) -> MemoryIndex:
        """Give the index that holds everybody in memory: that in use, or one for a while."""
        index = self._index
        if isinstance(index, MemoryIndex):
            return index
        return CodeIndex(self._store, self._encoders)

    def near(self, probe: Probe) -> Snapshot:
        """Search as the index in use does. Raises StoreUnavailableError."""
        index = self._index
        snapshot = index.near(probe)
        if snapshot.people > self._many and not isinstance(index, CodeIndex):
            self._grow(index)  # the next search fills it
        left = self._left
        if left is not None and left.forget():
            self._left = None
        return snapshot

    def _grow(self, small: Index) -> None:
        """Put an index of codes in the place of `small`, unless another thread did.

        A search in the database may have written its codes once more.
        """
        with self._growing:
            if self._index is small:
                self._index = CodeIndex(self._store, self._encoders)
            if isinstance(small, DatabaseIndex):
                self._left = small

    def _open_small(self) -> Index:
        if self._store.database.searches and self._store.codec.key_id is None:
            return DatabaseIndex(self._store, self._encoders)
        return MemoryIndex(self._store, self._encoders)
