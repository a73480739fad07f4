"""What the memory index reads from the database: the revision, who changed since,
people, and their templates.

Every function reads in the transaction of its caller, so that all it is told belongs to
one state of the gallery.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, bindparam, func, or_, select

from gallery import vectors
from gallery.encryption.sealing import Codec
from gallery.tables import changes, meta, people, templates
from gallery.vectors import KeyArray, Templates
from utils.modality import Modality

_CHUNK = 4096
_MAX_VARIABLES = 900


@dataclass(frozen=True)
class Revision:
    """A state of a gallery: which one, in which file, and the number of its latest
    change (0 when it never had one).
    """

    gallery_id: str
    file: str
    change: int


@dataclass(frozen=True, slots=True)
class PersonRef:
    """Who a row of the index is."""

    key: int
    person_id: str
    name: str


def revision(connection: Connection, file: str) -> Revision:
    """The state that this transaction sees; `file` is the id of the database file."""
    latest = select(func.max(changes.c.change)).scalar_subquery()
    gallery_id, change = connection.execute(
        select(meta.c.value, latest).where(meta.c.name == "gallery_id")
    ).one()
    return Revision(gallery_id, file, change or 0)


def changed_since(connection: Connection, change: int) -> list[int]:
    """Keys of the people who were created, changed or deleted after `change`."""
    return list(
        connection.scalars(select(changes.c.person_key).where(changes.c.change > change).distinct())
    )


def read_people(connection: Connection, keys: Sequence[int] | None = None) -> dict[int, PersonRef]:
    """All people, or those of `keys` who are still there."""
    query = select(people.c.key, people.c.person_id, people.c.name)
    rows = (row for part in _parts(query, people.c.key, keys) for row in connection.execute(part))
    return {row.key: PersonRef(row.key, row.person_id, row.name) for row in rows}


def read_keys(connection: Connection, encoder_ids: Mapping[Modality, str]) -> KeyArray:
    """Everybody who has a template of these encoders, rising."""
    mine = or_(
        *(
            (templates.c.modality == m) & (templates.c.encoder_id == e)
            for m, e in encoder_ids.items()
        )
    )
    return np.sort(
        np.array(
            list(connection.scalars(select(templates.c.person_key).where(mine).distinct())),
            np.int64,
        )
    )


def read_templates(
    connection: Connection,
    codec: Codec,
    encoder_ids: Mapping[Modality, str],
    keys: Sequence[int] | None = None,
) -> Iterator[dict[Modality, Templates]]:
    """All templates of these encoders, in pieces that hold whole people, with the
    modalities that are there. `keys` None = everybody. Raises StoreUnavailableError for
    a vector that `codec` cannot open.
    """
    c = templates.c
    # As one expression, so that rows come by the index that begins with the person: by
    # that of the encoders, all would be sorted in memory
    wanted = (c.modality + "/" + c.encoder_id).in_([f"{m}/{e}" for m, e in encoder_ids.items()])
    query = select(
        c.person_key,
        c.key,
        c.modality,
        c.source_sha256,
        c.vector,
        c.sealed_by,
        c.template_id,
        c.encoder_id,
    ).where(wanted)
    # A cursor on the server does not pay for a few
    streaming = {"yield_per": _CHUNK} if keys is None else {}
    for part in _parts(query, c.person_key, keys):
        rows = connection.execute(part.order_by(c.person_key), execution_options=streaming)
        for piece in _whole_people(rows.partitions(_CHUNK)):
            piece.sort(key=itemgetter(0, 1))
            by_modality: dict[str, list[Row[Any]]] = {m: [] for m in encoder_ids}
            for row in piece:
                by_modality[row[2]].append(row)
            yield {m: _as_templates(by_modality[m], codec) for m in encoder_ids if by_modality[m]}


def _as_templates(rows: Sequence[Row[Any]], codec: Codec) -> Templates:
    """Rows as `read_templates` selects them, by columns: a gallery has many of them."""
    columns: tuple[Any, ...] = tuple(zip(*rows, strict=True))
    owners, _, modalities, sources, stored, sealed_by, template_ids, encoder_ids = columns
    if codec.key_id is not None or any(sealed_by):
        stored = tuple(map(codec.open, stored, sealed_by, template_ids, modalities, encoder_ids))
    return Templates(np.array(owners, np.int64), sources, vectors.from_bytes(stored))


def _parts(query: Any, column: Any, keys: Sequence[int] | None) -> Iterator[Any]:
    """The query for everybody, or in parts that hold no more variables than SQLite
    takes.
    """
    if keys is None:
        yield query
        return
    ordered = sorted(keys)
    for start in range(0, len(ordered), _MAX_VARIABLES):
        # In_ of a list would look at each of them
        some: Any = bindparam("some", ordered[start : start + _MAX_VARIABLES], expanding=True)
        yield query.where(column.in_(some))


def _whole_people(chunks: Iterator[Sequence[Row[Any]]]) -> Iterator[list[Any]]:
    """Rows in order of their person → the same in pieces that never part a person."""
    held: list[Row[Any]] = []
    for chunk in chunks:
        held.extend(chunk)
        last = held[-1].person_key
        whole = len(held)
        while whole and held[whole - 1].person_key == last:
            whole -= 1
        if whole:
            yield held[:whole]
            held = held[whole:]
    if held:
        yield held
