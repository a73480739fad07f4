"""Search among strangers: a small gallery of those who came by and are nobody's.

What stands for a stranger is made of the kept clips as for a person. Only strangers whose
clips changed are read again, so that a busy door does not read all of them for each.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, func, select

from gallery import vectors
from gallery.encryption.sealing import Codec
from gallery.ports import Encoders
from gallery.records.feed import PersonRef, Revision
from gallery.records.strangers import PICTURE, open_value
from gallery.search.memory import Snapshot
from gallery.search.reading import ALL, Reader, no_room
from gallery.store import Store
from gallery.tables import stranger_values as values
from gallery.vectors import Templates, represent
from utils.arrays import Float32Array
from utils.modality import SINGLE, Modality

_NOWHERE = Revision("", "", 0)
_CHUNK = 500
# Internal number to the latest and the number of its values
_State = Mapping[int, tuple[int, int]]
_Vectors = Mapping[Modality, Float32Array]


class StrangerSearch:
    """Snapshots of the strangers, shared by all threads."""

    def __init__(self, store: Store, encoders: Encoders) -> None:
        self._store = store
        self._fuse = encoders.fusion.fuse
        reader = Reader(store.codec, encoders)
        self._sizes = reader.sizes
        self._encoder_ids = reader.encoder_ids
        self._state: _State = {}
        self._held: dict[int, _Vectors] = {}
        self._snapshot: Snapshot | None = None
        self._turn = threading.Lock()

    def snapshot(self) -> Snapshot:
        """Read the strangers as they are committed now. Raises StoreUnavailableError."""
        with self._turn, self._store.database.read() as connection:
            state = _read_state(connection)
            if self._snapshot is None or state != self._state:
                self._update(connection, state)
                self._state = state
                self._snapshot = self._make()
            return self._snapshot

    def _update(self, connection: Connection, state: _State) -> None:
        """Read those who changed, and forget those who are gone."""
        changed = [key for key, mark in state.items() if self._state.get(key) != mark]
        for key in self._state.keys() - state.keys():
            self._held.pop(key, None)
        for start in range(0, len(changed), _CHUNK):
            some = changed[start : start + _CHUNK]
            for key in some:
                self._held.pop(key, None)
            read = _read_values(connection, self._store.codec, some, self._encoder_ids)
            for modality, (owners, stand_ins) in represent(read, self._fuse).items():
                for owner, vector in zip(owners.tolist(), stand_ins, strict=True):
                    self._held[owner] = {**self._held.get(owner, {}), modality: vector}

    def _make(self) -> Snapshot:
        keys = sorted(self._held)
        stand_ins = {m: no_room(len(keys), self._sizes[m]) for m in ALL}
        has = {m: np.zeros(len(keys), np.bool_) for m in ALL}
        for row, key in enumerate(keys):
            for modality, vector in self._held[key].items():
                stand_ins[modality][row] = vector
                has[modality][row] = True
        return Snapshot(
            revision=_NOWHERE,
            keys=np.array(keys, np.int64),
            vectors=stand_ins,
            has=has,
            refs={key: PersonRef(key, str(key), "") for key in keys},
            stale=(),
            people=len(keys),
        )


def _read_state(connection: Connection) -> _State:
    """Read which values each stranger has, by the latest and their number."""
    c = values.c
    query = select(c.stranger_key, func.max(c.key), func.count()).group_by(c.stranger_key)
    return {key: (latest, count) for key, latest, count in connection.execute(query)}


def _read_values(
    connection: Connection,
    codec: Codec,
    keys: Sequence[int],
    encoder_ids: Mapping[Modality, str],
) -> dict[Modality, Templates]:
    """Read the embeddings of some strangers by these encoders, by modality."""
    mine = (values.c.stranger_key.in_(keys), values.c.kind != PICTURE)
    order = (values.c.stranger_key, values.c.key)
    rows = connection.execute(select(values).where(*mine).order_by(*order)).all()
    templates: dict[Modality, Templates] = {}
    for modality in SINGLE:
        some = [
            row for row in rows if (row.kind, row.encoder_id) == (modality, encoder_ids[modality])
        ]
        if some:
            templates[modality] = _as_templates(some, codec)
    return templates


def _as_templates(rows: Iterable[Row[Any]], codec: Codec) -> Templates:
    rows = list(rows)
    return Templates(
        owners=np.array([row.stranger_key for row in rows], np.int64),
        sources=[row.source_sha256 for row in rows],
        vectors=vectors.from_bytes([open_value(codec, row) for row in rows]),
    )
