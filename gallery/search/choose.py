"""Which index searches a gallery: by where it is stored, whether it is encrypted, and
how many people there are.
"""

from __future__ import annotations

from gallery.ports import Encoders
from gallery.search.codes import CodeIndex
from gallery.search.memory import Index, MemoryIndex, Probe, Snapshot
from gallery.store import Store

MANY = 50_000
"""People from which codes are faster than vectors, and take a quarter of the memory:
docs/scale.md.
"""


def open_index(store: Store, encoders: Encoders) -> Index:
    """Search inside PostgreSQL; in memory for a file, and for what only this process
    can decrypt.
    """
    if store.database.searches and store.codec.key_id is None:
        from gallery.search.postgres import DatabaseIndex

        return DatabaseIndex(store, encoders)
    return GrowingIndex(store, encoders)


class GrowingIndex:
    """Vectors in memory, and codes once there are `MANY` people."""

    def __init__(self, store: Store, encoders: Encoders, many: int = MANY) -> None:
        self._store = store
        self._encoders = encoders
        self._many = many
        self._index: Index = (
            CodeIndex(store, encoders) if store.count() > many else MemoryIndex(store, encoders)
        )

    def snapshot(self) -> Snapshot:
        """As the index in use. Raises StoreUnavailableError."""
        return self._index.snapshot()

    def near(self, probe: Probe) -> Snapshot:
        """As the index in use. Raises StoreUnavailableError."""
        found = self._index.near(probe)
        if found.people > self._many and type(self._index) is MemoryIndex:
            self._index = CodeIndex(self._store, self._encoders)  # the next search fills it
        return found
