"""Search inside PostgreSQL: no process holds the gallery, so that any number of them
share one.

`person_codes` holds what stands for each person at half precision, with HNSW indexes
(Malkov and Yashunin, 2018; pgvector's) on the inner product. A search takes the nearest
of each modality from them and reads their templates: scores are exact, the index only
says whose. The codes may be some changes behind the gallery; the people of those
changes are looked at in every search. So a search never waits for the codes, and never
misses what is committed. Deleted people leave the codes with their templates.

Vectors in `person_codes` are in the clear: an encrypted gallery is searched in the
memory of each process instead (`open_index`).
"""

from __future__ import annotations

import hashlib
import logging
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, text

from gallery.database.postgres import PostgresDatabase
from gallery.ports import Encoders
from gallery.records import feed
from gallery.search.memory import NEAREST, Probe, Snapshot
from gallery.search.nearest import Found, lists, read_found
from gallery.search.reading import ALL, SINGLE, Block, Reader
from gallery.store import Store, stale
from utils.arrays import Float32Array
from utils.errors import StorageFullError, StoreUnavailableError
from utils.modality import Modality

log = logging.getLogger("duet.gallery")

EXACT = 100_000
"""People up to whom every code is compared: nobody is missed, and it takes no longer
than the graph. Figures: docs/scale.md.
"""
LINKS = 24
EF_CONSTRUCTION = 200
EF_SEARCH = 1000
"""HNSW's parameters, for recall before speed: who resembles nobody else is hard to
reach through neighbours. Figures: docs/scale.md.
"""
BEHIND = 64
"""Changed people who are looked at in every search until their codes are written."""
FAR_BEHIND = 2000
"""Changed people for whom a search waits until their codes are written."""
MOST_BUILD_BYTES = 2 << 30
_GRAPH_BYTES = 1200
"""Of a person in the graph, beside the code: 2 · LINKS neighbours of 16 bytes, and what
else pgvector keeps (some 1,000 were measured).
"""
TRIES = 3
_AT_ONCE = 500


@dataclass(frozen=True)
class _State:
    """Up to which change the codes are, and how many people they hold in all and by
    modality. `usable` is false for codes of other encoders, which count as none.
    """

    usable: bool
    change: int
    people: int
    totals: dict[Modality, int]


class DatabaseIndex:
    """An index of a gallery in PostgreSQL, of these encoders."""

    def __init__(self, store: Store, encoders: Encoders) -> None:
        assert isinstance(store.database, PostgresDatabase)
        self._database = store.database
        self._reader = Reader(store.codec, encoders)
        ids = "|".join(self._reader.all_ids[m] for m in ALL)
        self._encoders = hashlib.sha256(ids.encode()).hexdigest()

    def snapshot(self) -> Snapshot:
        """How many people there are, and what is stale; of the people at most the
        latest. Raises StoreUnavailableError.
        """
        return self.near({})

    def near(self, probe: Probe) -> Snapshot:
        """The nearest people and those of the latest changes. Raises
        StoreUnavailableError.
        """
        for _ in range(TRIES):
            with self._database.read() as connection:
                state = self._state(connection)
                behind = feed.changed_since(connection, state.change)
                if len(behind) <= FAR_BEHIND:
                    found = self._found(connection, state, behind, probe)
                    snapshot = read_found(
                        connection, self._reader, feed.revision(connection, ""), found
                    )
                    break
            self.catch_up()
        else:
            raise StoreUnavailableError(
                "All services on one gallery must use the same models. Received: another service"
                " that makes the search of this one anew with its own",
                "Restart them all with the same DUET_MODEL_DIR.",
            )
        if len(behind) > BEHIND:
            self._try_to_catch_up()
        return snapshot

    def catch_up(self, *, wait: bool = True) -> None:
        """Write the codes of the people who changed. Without `wait` nothing happens
        while somebody else writes.
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

    def _try_to_catch_up(self) -> None:
        """A database that takes no writes does not keep people from being recognised."""
        try:
            self.catch_up(wait=False)
        except (StoreUnavailableError, StorageFullError) as error:
            log.error("the codes of the search stay behind: %s", error.code)

    def _state(self, connection: Connection) -> _State:
        row = connection.execute(
            text("SELECT encoders, change, people, face, voice, fused FROM person_codes_state")
        ).one()
        if row.encoders != self._encoders:
            return _State(False, 0, 0, dict.fromkeys(ALL, 0))
        return _State(True, row.change, row.people, {m: getattr(row, m) for m in ALL})

    def _found(
        self, connection: Connection, state: _State, behind: Sequence[int], probe: Probe
    ) -> Found:
        keys = {*behind, *(_near_codes(connection, probe, state.people) if state.people else ())}
        totals, people = self._counted(connection, state, behind)
        return Found(sorted(keys), totals, people, stale(connection, self._reader.encoder_ids))

    def _counted(
        self, connection: Connection, state: _State, behind: Sequence[int]
    ) -> tuple[dict[Modality, int], int]:
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
        """All codes anew: the indexes are built over them at the end, which is faster
        than row by row.
        """
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        for name in _indexes(self._reader.sizes):
            connection.execute(text(f"DROP INDEX IF EXISTS {name}"))
        connection.execute(text("DELETE FROM person_codes"))
        for block in self._blocks(
            connection, feed.read_keys(connection, self._reader.encoder_ids).tolist()
        ):
            _insert(connection, block)
        _make_room(connection, self._reader.sizes)
        for statement in _indexes(self._reader.sizes).values():
            connection.execute(text(statement))
        connection.execute(text("ANALYZE person_codes"))

    def _blocks(self, connection: Connection, keys: Sequence[int]) -> Iterator[Block]:
        for start in range(0, len(keys), _AT_ONCE):
            yield self._reader.read(connection, keys[start : start + _AT_ONCE])


def _make_room(connection: Connection, sizes: Mapping[Modality, int]) -> None:
    """Memory in which the graph of the largest index is built; one that does not fit is
    built much more slowly. Parallel building would take the memory from /dev/shm, of
    which containers have little.
    """
    people = connection.scalar(text("SELECT people FROM person_codes_state")) or 0
    wanted = min(people * (2 * max(sizes.values()) + _GRAPH_BYTES), MOST_BUILD_BYTES)
    connection.execute(text("SET LOCAL max_parallel_maintenance_workers = 0"))
    connection.execute(
        text(
            "SELECT set_config('maintenance_work_mem',"
            " GREATEST(pg_size_bytes(current_setting('maintenance_work_mem')), CAST(:wanted AS"
            " bigint)) / 1024 || 'kB', true)"
        ),
        {"wanted": wanted},
    )


def _near_codes(connection: Connection, probe: Probe, people: int) -> set[int]:
    """The nearest of each list, by comparison with everybody or through the graphs."""
    if people <= EXACT:
        connection.execute(text("SET LOCAL enable_indexscan = off"))
    else:
        connection.execute(text(f"SET LOCAL hnsw.ef_search = {EF_SEARCH}"))
        # Goes on past those who were deleted
        connection.execute(text("SET LOCAL hnsw.iterative_scan = relaxed_order"))
    found = {
        key
        for modality, alone in lists(probe)
        for key in _nearest(connection, modality, probe[modality], alone)
    }
    connection.execute(text("SET LOCAL enable_indexscan = on"))  # templates are read by their keys
    return found


def _nearest(
    connection: Connection, modality: Modality, vector: Float32Array, alone: bool
) -> Sequence[int]:
    code = f"{modality}::halfvec({len(vector)})"
    where = f"{modality} IS NOT NULL" + (" AND fused IS NULL" if alone else "")
    query = (
        f"SELECT person_key FROM person_codes WHERE {where} "  # noqa: S608
        # Nothing but modalities and numbers
        f"ORDER BY {code} <#> CAST(:probe AS halfvec({len(vector)})) LIMIT {NEAREST}"
    )
    return connection.scalars(text(query), {"probe": _literal(vector)}).all()


def _literal(vector: Float32Array) -> str:
    return "[" + ",".join(map(str, np.asarray(vector, np.float16).tolist())) + "]"


def _indexes(sizes: Mapping[Modality, int]) -> dict[str, str]:
    """The statements that make the indexes, by name. A halfvec column takes vectors of
    any size, an index those of one.
    """
    found = {}
    for modality, alone in [(m, False) for m in ALL] + [(m, True) for m in SINGLE]:
        name = f"ix_person_codes_{modality}" + "_alone" * alone
        size = sizes[modality]
        found[name] = (
            f"CREATE INDEX {name} ON person_codes USING hnsw (({modality}::halfvec({size}))"
            f" halfvec_ip_ops) WITH (m = {LINKS}, ef_construction = {EF_CONSTRUCTION})"
            + " WHERE fused IS NULL"
            * alone
        )
    return found


def _insert(connection: Connection, block: Block) -> None:
    """By COPY, whose binary form takes vectors as they are."""
    with connection.connection.cursor().copy(
        "COPY person_codes (person_key, face, voice, fused) FROM STDIN (FORMAT BINARY)"
    ) as copy:
        copy.set_types(["int4", "bytea", "bytea", "bytea"])
        for i, key in enumerate(block.keys.tolist()):
            copy.write_row(
                [key, *(_binary(block.vectors[m][i]) if block.has[m][i] else None for m in ALL)]
            )


def _binary(vector: Float32Array) -> bytes:
    """pgvector's halfvec on the wire: length and an unused number, 16 bits each, then
    the numbers at half precision, big-endian.
    """
    return struct.pack(">hh", len(vector), 0) + vector.astype(">f2").tobytes()
