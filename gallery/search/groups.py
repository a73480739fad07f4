"""Search among the people of one group, exactly, however many others there are.

The people of a group are read once, and again when anybody of the gallery changed.
"""

from __future__ import annotations

import threading
from dataclasses import replace

from gallery.ports import Encoders
from gallery.records import distinct, feed, groups
from gallery.records.templates import stale
from gallery.search.memory import Snapshot
from gallery.search.nearest import Nearest, read_nearest
from gallery.search.reading import Reader
from gallery.store import Store

MOST_GROUPS = 16
"""Number of groups whose people are held in memory."""


class GroupSearch:
    """Snapshots of groups, shared by all threads."""

    def __init__(self, store: Store, encoders: Encoders) -> None:
        self._store = store
        self._reader = Reader(store.codec, encoders)
        self._held: dict[int, Snapshot] = {}
        self._turn = threading.Lock()

    def snapshot(self, group_id: str) -> Snapshot:
        """Read the people of a group as they are committed now.

        Raises GroupNotFoundError, StoreUnavailableError.
        """
        with self._turn, self._store.database.read() as connection:
            key = groups.key_of(connection, group_id)  # a number that is never used twice
            revision = feed.revision(connection, self._store.database.file_id(connection))
            held = self._held.get(key)
            if held is not None and held.revision == revision:
                return held
            people = groups.keys_of(connection, group_id)
            nearest = Nearest(
                keys=people,
                totals={},
                people=0,
                stale=stale(connection, self._reader.encoder_ids),
                distinct=distinct.read(connection),
            )
            block = read_nearest(connection, self._reader, revision, nearest)
        snapshot = replace(block, totals=None, people=len(block.keys))
        if len(self._held) >= MOST_GROUPS:
            self._held.clear()
        self._held[key] = snapshot
        return snapshot
