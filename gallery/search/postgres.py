"""Search inside PostgreSQL, for any number of processes that share a gallery.

No process holds the gallery in memory. `person_codes` holds what stands for each person
at half precision. A search compares the probe with all of them, takes the nearest of
each modality, and reads their templates: scores are exact, the codes only say whose.
Larger galleries are searched in the memory of each process (`choose.GrowingIndex`).

The codes may be some changes behind the gallery. The people of those changes are looked
at in every search, so a search never waits for the codes, and never misses what is
committed. Deleted people leave the codes with their templates.

Vectors in `person_codes` are in the clear. An encrypted gallery is searched in the
memory of each process as well.
"""

from __future__ import annotations

import hashlib
import logging
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, text

from gallery.database.postgres import PostgresDatabase, empty_codes
from gallery.ports import Encoders
from gallery.records import distinct, feed
from gallery.records.templates import stale
from gallery.search.memory import NEAREST, Probe, Snapshot
from gallery.search.nearest import Nearest, list_searches, read_nearest
from gallery.search.reading import ALL, Block, Reader
from gallery.store import Store
from utils.arrays import Float32Array
from utils.errors import StorageFullError, StoreUnavailableError
from utils.modality import Modality

log = logging.getLogger("duet.gallery")

BEHIND = 64
"""Number of changed people from which a search has their codes written."""
FAR_BEHIND = 2000
"""Number of changed people from which a search waits until their codes are written."""
TRIES = 3
_AT_ONCE = 500


@dataclass(frozen=True)
class _State:
    """State of the codes.

    Attributes:
        usable: False for codes of other encoders, which count as none.
        change: number of the latest change that is in them.
        people: number of people in them.
        totals: number of people in them by modality.
    """

    usable: bool
    change: int
    people: int
    totals: dict[Modality, int]


class DatabaseIndex:
    """Index of a gallery in PostgreSQL, of these encoders."""

    def __init__(self, store: Store, encoders: Encoders) -> None:
        assert isinstance(store.database, PostgresDatabase)
        self._database = store.database
        self._reader = Reader(store.codec, encoders)
        ids = "|".join(self._reader.all_ids[m] for m in ALL)
        self._encoders = hashlib.sha256(ids.encode()).hexdigest()

    def snapshot(self) -> Snapshot:
        """Read the counts and what is stale.

        Of the people, at most the latest ones are in it. Raises StoreUnavailableError.
        """
        return self.near({})

    def near(self, probe: Probe) -> Snapshot:
        """Find the nearest people and those of the latest changes.

        Raises StoreUnavailableError.
        """
        for _ in range(TRIES):
            with self._database.read() as connection:
                state = self._state(connection)
                behind = feed.changed_since(connection, state.change)
                if len(behind) <= FAR_BEHIND:
                    nearest = self._find(connection, state, behind, probe)
                    revision = feed.revision(connection, "")
                    snapshot = read_nearest(connection, self._reader, revision, nearest)
                    break
            self.catch_up()
        else:
            raise StoreUnavailableError(
                "Another service on this gallery uses other models, and makes the search of this"
                " one anew with its own.",
                "Restart them all with the same DUET_MODEL_DIR.",
            )
        if len(behind) > BEHIND:
            self._try_to_catch_up()
        return snapshot

    def catch_up(self, *, wait: bool = True) -> None:
        """Write the codes of the people who changed.

        Without `wait` nothing happens while somebody else writes.
        """
        with self._database.write() if wait else self._database.write_if_free() as connection:
            if connection is None:
                return
            state = self._state(connection)
            behind = feed.changed_since(connection, state.change)
            if not state.usable or len(behind) > max(FAR_BEHIND, state.people):
                self._rebuild(connection)
            else:
                self._rewrite(connection, behind)
            connection.execute(
                text("UPDATE person_codes_state SET encoders = :encoders, change = :change"),
                {"encoders": self._encoders, "change": feed.revision(connection, "").change},
            )

    def forget(self) -> bool:
        """Delete the codes, which nobody keeps up where memory is searched.

        Returns False where that has to wait for another writer, or for the database.
        """
        try:
            with self._database.write_if_free() as connection:
                if connection is None:
                    return False
                if connection.scalar(text("SELECT people FROM person_codes_state")):
                    empty_codes(connection)
        except (StoreUnavailableError, StorageFullError) as error:
            log.error("the codes of the search cannot be deleted: %s", error.code)
            return False
        return True

    def _try_to_catch_up(self) -> None:
        """Catch up where that is possible now.

        A database that takes no writes must not keep people from being recognised.
        """
        try:
            self.catch_up(wait=False)
        except (StoreUnavailableError, StorageFullError) as error:
            log.error("the codes of the search stay behind: %s", error.code)

    def _state(self, connection: Connection) -> _State:
        row = connection.execute(
            text("SELECT encoders, change, people, face, voice, fused FROM person_codes_state")
        ).one()
        if row.encoders != self._encoders:
            return _State(usable=False, change=0, people=0, totals=dict.fromkeys(ALL, 0))
        totals = {m: getattr(row, m) for m in ALL}
        return _State(usable=True, change=row.change, people=row.people, totals=totals)

    def _find(
        self, connection: Connection, state: _State, behind: Sequence[int], probe: Probe
    ) -> Nearest:
        keys = set(behind)
        if state.people:
            keys |= _near_codes(connection, probe)
        totals, people = self._count(connection, state, behind)
        return Nearest(
            keys=sorted(keys),
            totals=totals,
            people=people,
            stale=stale(connection, self._reader.encoder_ids),
            distinct=distinct.read(connection),
        )

    def _count(
        self, connection: Connection, state: _State, behind: Sequence[int]
    ) -> tuple[dict[Modality, int], int]:
        """Count the people by modality and at all, those of the latest changes too."""
        if not behind:
            return state.totals, state.people
        old = connection.execute(
            text(
                "SELECT count(*) AS people, count(face) AS face, count(voice) AS voice,"
                " count(fused) AS fused FROM person_codes WHERE person_key = ANY(:keys)"
            ),
            {"keys": list(behind) if state.usable else []},
        ).one()
        new = self._reader.read(connection, behind)
        totals = {m: state.totals[m] - getattr(old, m) + int(new.has[m].sum()) for m in ALL}
        return totals, state.people - old.people + len(new.keys)

    def _rewrite(self, connection: Connection, keys: Sequence[int]) -> None:
        connection.execute(
            text("DELETE FROM person_codes WHERE person_key = ANY(:keys)"), {"keys": list(keys)}
        )
        for block in self._blocks(connection, keys):
            _insert(connection, block)

    def _rebuild(self, connection: Connection) -> None:
        """Write all codes anew."""
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("DELETE FROM person_codes"))
        keys = feed.read_keys(connection, self._reader.encoder_ids).tolist()
        for block in self._blocks(connection, keys):
            _insert(connection, block)
        connection.execute(text("ANALYZE person_codes"))

    def _blocks(self, connection: Connection, keys: Sequence[int]) -> Iterator[Block]:
        for start in range(0, len(keys), _AT_ONCE):
            yield self._reader.read(connection, keys[start : start + _AT_ONCE])


def _near_codes(connection: Connection, probe: Probe) -> set[int]:
    """Find the nearest of each search, by comparing everybody."""
    keys = set[int]()
    for modality, alone in list_searches(probe):
        keys.update(_nearest(connection, modality, probe[modality], alone))
    return keys


def _nearest(
    connection: Connection, modality: Modality, vector: Float32Array, alone: bool
) -> Sequence[int]:
    code = f"{modality}::halfvec({len(vector)})"
    where = f"{modality} IS NOT NULL" + (" AND fused IS NULL" if alone else "")
    # Nothing but modalities and numbers is put into the text.
    query = (
        f"SELECT person_key FROM person_codes WHERE {where} "  # noqa: S608
        f"ORDER BY {code} <#> CAST(:probe AS halfvec({len(vector)})) LIMIT {NEAREST}"
    )
    return connection.scalars(text(query), {"probe": _literal(vector)}).all()


def _literal(vector: Float32Array) -> str:
    return "[" + ",".join(map(str, np.asarray(vector, np.float16).tolist())) + "]"


def _insert(connection: Connection, block: Block) -> None:
    """Insert codes by COPY, whose binary form takes vectors as they are."""
    with connection.connection.cursor().copy(
        "COPY person_codes (person_key, face, voice, fused) FROM STDIN (FORMAT BINARY)"
    ) as copy:
        copy.set_types(["int4", "bytea", "bytea", "bytea"])
        for i, key in enumerate(block.keys.tolist()):
            codes = (_binary(block.vectors[m][i]) if block.has[m][i] else None for m in ALL)
            copy.write_row([key, *codes])


def _binary(vector: Float32Array) -> bytes:
    """Pack a vector as pgvector's halfvec on the wire.

    Length and an unused number, 16 bits each, then the numbers at half precision,
    big-endian.
    """
    return struct.pack(">hh", len(vector), 0) + vector.astype(">f2").tobytes()
