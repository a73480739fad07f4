"""Chooses the index that searches a gallery.

That depends on where the gallery is stored, whether it is encrypted, and how many
people there are.
"""

from __future__ import annotations

from gallery.ports import Encoders
from gallery.search.codes import CodeIndex
from gallery.search.memory import Index, MemoryIndex, Probe, Snapshot
from gallery.search.postgres import DatabaseIndex
from gallery.store import Store

MANY = 50_000
"""Number of people from which codes are faster than vectors.

They also take a quarter of the memory: docs/scale.md.
"""


def open_index(store: Store, encoders: Encoders) -> Index:
    """Open the index of a gallery.

    PostgreSQL is searched inside the database. A file is searched in memory, and so is
    an encrypted gallery, which only this process can decrypt.
    """
    if store.database.searches and store.codec.key_id is None:
        return DatabaseIndex(store, encoders)
    return GrowingIndex(store, encoders)


class GrowingIndex:
    """Index in memory: of vectors, and of codes from `many` people on."""

    def __init__(self, store: Store, encoders: Encoders, many: int = MANY) -> None:
        self._store = store
        self._encoders = encoders
        self._many = many
        kind = CodeIndex if store.count() > many else MemoryIndex
        self._index: Index = kind(store, encoders)

    def snapshot(self) -> Snapshot:
        """Read the gallery as the index in use does. Raises StoreUnavailableError."""
        return self._index.snapshot()

    def near(self, probe: Probe) -> Snapshot:
        """Search as the index in use does. Raises StoreUnavailableError."""
        snapshot = self._index.near(probe)
        if snapshot.people > self._many and type(self._index) is MemoryIndex:
            self._index = CodeIndex(self._store, self._encoders)  # the next search fills it
        return snapshot
