"""What an index reads from the database: the revision, who changed, people, templates.

Every function reads in the transaction of its caller, so that all results belong to one
state of the gallery.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from operator import itemgetter
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Label,
    LargeBinary,
    Row,
    Select,
    bindparam,
    cast,
    func,
    or_,
    select,
    text,
    type_coerce,
)
from sqlalchemy.exc import OperationalError

from gallery import vectors
from gallery.damage import DamagedError, damage_error, is_damage, name_kind
from gallery.encryption.sealing import Codec
from gallery.records import prepared
from gallery.table_base import Checked
from gallery.tables import changes, meta, people, templates
from gallery.vectors import KeyArray, Templates
from utils.modality import Modality

log = logging.getLogger("duet.gallery")
_CHUNK = 4096
_MAX_VARIABLES = 900


def _take_unchecked(column: Column[Any]) -> Label[Any]:
    """A column as the driver gives it. `_USABLE` leaves out what is foreign."""
    kind = column.type
    raw = kind.impl if isinstance(kind, Checked) else kind
    return type_coerce(column, raw).label(column.name)


# What is read of a template, in the order of `_as_templates`.
_TEMPLATE: tuple[Label[Any], ...] = tuple(
    _take_unchecked(templates.c[name])
    for name in (
        "person_key",
        "key",
        "modality",
        "source_sha256",
        "vector",
        "sealed_by",
        "template_id",
        "encoder_id",
    )
)
# Templates that SQLite can hold and this service never wrote are left out, so that one
# damaged row does not keep all others from being found. Nor are those of nobody read. A size
# and a kind are read without the value.
_OWNED = text("EXISTS (SELECT 1 FROM people WHERE people.key = templates.person_key)")
_usable = (
    f"{_OWNED} AND typeof(templates.vector) = 'blob'"
    " AND coalesce(templates.sealed_by, '') NOT GLOB '*[^ -~]*'"
    f" AND (templates.sealed_by IS NOT NULL OR length(templates.vector) = {vectors.STORED_BYTES})"
    " AND templates.source_sha256 NOT GLOB '*[^ -~]*'"
    " AND templates.template_id NOT GLOB '*[^ -~]*'"
)
_USABLE = text(_usable)
# NULL where a value is of a foreign kind
_UNUSABLE = text(f"coalesce(NOT ({_usable}), 1)")
_left_out: WeakKeyDictionary[Engine, set[int]] = WeakKeyDictionary()
"""Rows of damaged templates that the index of a database lacks."""
# The same with whose it is, which is joined for a few people.
_NAMED = (*_TEMPLATE, people.c.person_id, people.c.name)
# Statements of every search are made once: that takes longer than to ask.
_REVISION = select(
    meta.c.value, select(func.max(changes.c.change)).scalar_subquery().label("change")
).where(meta.c.name == "gallery_id")
_CHANGED = select(changes.c.person_key).where(changes.c.change > bindparam("change")).distinct()
# `in_` of a list would look at each of them.
_SOME: Any = bindparam(prepared.SOME, expanding=True)

Opened = tuple[int, str, bytes]
"""Owner, source and vector of a template."""
Open = Callable[[Sequence[Any], Codec], Iterator[Opened]]


@dataclass(frozen=True)
class Revision:
    """State of a gallery: its id, its file, and the number of its latest change.

    `change` is 0 while nothing ever changed.
    """

    gallery_id: str
    file: str
    change: int


@dataclass(frozen=True, slots=True)
class PersonRef:
    """Person of a row of the index."""

    key: int
    person_id: str
    name: str


def revision(connection: Connection, file: str) -> Revision:
    """Read the state that this transaction sees.

    `file` is the id of the database file.
    """
    gallery_id, change = connection.execute(_REVISION).one()
    return Revision(gallery_id, file, change or 0)


def changed_since(connection: Connection, change: int) -> list[int]:
    """Internal numbers of the people created, changed or deleted after `change`."""
    return list(connection.scalars(_CHANGED, {"change": change}))


def read_people(connection: Connection, keys: Sequence[int] | None = None) -> dict[int, PersonRef]:
    """Read all people, or those of `keys` who are still there."""
    refs: dict[int, PersonRef] = {}
    for part in _parts(keys):
        try:
            rows = connection.execute(_query_people(keys is None), part).all()
            refs.update((row.key, PersonRef(*row)) for row in rows)
        except (DamagedError, OperationalError) as error:
            if not is_damage(error):
                raise
            rows = connection.execute(_query_bytes(keys is None), part).all()
            refs.update((row.key, _repair(*row)) for row in rows)
    return refs


def _repair(key: int, person_id: bytes, name: bytes) -> PersonRef:
    """Read a person whatever the row holds: whoever is damaged is found under what is left."""
    return PersonRef(key, person_id.decode(errors="replace"), name.decode(errors="replace"))


def read_keys(connection: Connection, encoder_ids: Mapping[Modality, str]) -> KeyArray:
    """Read the internal numbers (n,) of all with a template of these encoders, rising."""
    c = templates.c
    conditions = ((c.modality == m) & (c.encoder_id == e) for m, e in encoder_ids.items())
    query = select(c.person_key).where(or_(*conditions)).distinct()
    query = query.where(_OWNED) if connection.dialect.name == "sqlite" else query
    keys = connection.scalars(query)
    return np.sort(np.array(list(keys), np.int64))


def read_templates(
    connection: Connection,
    codec: Codec,
    encoder_ids: Mapping[Modality, str],
    keys: Sequence[int] | None = None,
    *,
    all_or_none: bool = False,
) -> Iterator[dict[Modality, Templates]]:
    """Yield all templates of these encoders, by modality, in pieces of whole people.

    A piece lacks a modality that nobody in it has. `keys` None = everybody. A damaged
    template is left out, or raises DamagedError (`all_or_none`). Raises
    StoreUnavailableError for one that another key sealed.
    """
    wanted = _with_encoders(encoder_ids)
    picks = connection.dialect.name == "sqlite" and not all_or_none
    # A cursor on the server does not pay for a few people.
    options = {"yield_per": _CHUNK} if keys is None else {}
    if keys is None:
        _left_out[connection.engine] = set()
    open_whole = partial(_open_whole, _left_out.setdefault(connection.engine, set()))
    count = 0
    for part in _parts(keys):
        rows = connection.execute(
            _query_templates(wanted, keys is None, picks), part, execution_options=options
        )
        for piece in _whole_people(rows.partitions(_CHUNK)):
            count += len(piece)
            piece.sort(key=itemgetter(0, 1))
            yield _by_modality(piece, _open_all if all_or_none else open_whole, codec)
    if picks and keys is None:
        _report_damaged(connection, wanted, count)


def count_left_out(connection: Connection) -> int:
    """Count the damaged templates that were left out since all were read, and are still there."""
    rows = sorted(_left_out.get(connection.engine, ()))
    query = select(func.count()).select_from(templates).where(templates.c.key.in_(_SOME))
    return sum(connection.scalar(query, part) or 0 for part in _parts(rows) if part[prepared.SOME])


def read_named(
    connection: Connection, codec: Codec, encoder_ids: Mapping[Modality, str], keys: Sequence[int]
) -> tuple[list[dict[Modality, Templates]], dict[int, PersonRef]]:
    """Read all templates of `keys` as `read_templates`, and whose they are.

    One statement for both: a search of many people waits for it.
    """
    try:
        return _read_named(connection, codec, encoder_ids, keys)
    except (DamagedError, OperationalError) as error:
        if not is_damage(error):
            raise
        whole = list(read_templates(connection, codec, encoder_ids, keys))
        return whole, read_people(connection, keys)


def _read_named(
    connection: Connection, codec: Codec, encoder_ids: Mapping[Modality, str], keys: Sequence[int]
) -> tuple[list[dict[Modality, Templates]], dict[int, PersonRef]]:
    """Read them where none is damaged."""
    query = _query_named(_with_encoders(encoder_ids))
    pieces = []
    refs: dict[int, PersonRef] = {}
    for part in _parts(keys):
        rows = sorted(prepared.ask(connection, query, part[prepared.SOME]), key=itemgetter(0, 1))
        for row in rows:
            if row[0] not in refs:
                refs[row[0]] = _check_ref(PersonRef(row[0], *row[-2:]))
        pieces.append(_by_modality(rows, _open_all, codec))
    return pieces, refs


def _check_ref(ref: PersonRef) -> PersonRef:
    """Check what the driver gives for texts. Raises DamagedError for bytes."""
    for value in (ref.person_id, ref.name):
        if not isinstance(value, str):
            raise damage_error(f"{name_kind(value)} in the place of a text", "people")
    return ref


@cache
def _query_people(everybody: bool) -> Select[Any]:
    """The query for all people, or for `some`. It takes longer to make than to ask."""
    query = select(people.c.key, people.c.person_id, people.c.name)
    return query if everybody else query.where(people.c.key.in_(_SOME))


@cache
def _query_bytes(everybody: bool) -> Select[Any]:
    """The query for all people, or for `some`, with texts as bytes."""
    c = people.c
    texts = (func.coalesce(cast(column, LargeBinary), b"") for column in (c.person_id, c.name))
    query = select(c.key, *texts)
    return query if everybody else query.where(c.key.in_(_SOME))


@cache
def _query_templates(encoders: tuple[str, ...], everybody: bool, picks: bool) -> Select[Any]:
    """The query for all templates of these encoders, or for those of `some` people."""
    query = select(*_TEMPLATE).where(_is_of(encoders))
    query = query if everybody else query.where(templates.c.person_key.in_(_SOME))
    query = query.where(_USABLE) if picks else query
    return query.order_by(templates.c.person_key)


@cache
def _query_named(encoders: tuple[str, ...]) -> Select[Any]:
    """The query for the templates of `some` people, with their ids and names."""
    query = select(*_NAMED).join(people, people.c.key == templates.c.person_key)
    return query.where(_is_of(encoders), templates.c.person_key.in_(_SOME))


def _is_of(encoders: tuple[str, ...]) -> ColumnElement[bool]:
    """One expression, so that rows come by the index that begins with the person.

    By that of the encoders, all would be sorted in memory.
    """
    return (templates.c.modality + "/" + templates.c.encoder_id).in_(encoders)


def _with_encoders(encoder_ids: Mapping[Modality, str]) -> tuple[str, ...]:
    return tuple(f"{m}/{e}" for m, e in encoder_ids.items())


def _report_damaged(connection: Connection, encoders: tuple[str, ...], count: int) -> None:
    """Log how many templates of these encoders are left out: all but `count`.

    They are counted by an index. Which they are is asked only where there are some: that takes
    as long as to read a fifth.
    """
    stored = select(func.count()).select_from(templates).where(_is_of(encoders))
    if damaged := (connection.scalar(stored) or 0) - count:
        log.error("templates are damaged and left out: %d (`cli.py check` says which)", damaged)
        which = select(templates.c.key).where(_is_of(encoders), _UNUSABLE)
        _left_out[connection.engine].update(connection.scalars(which))


def _by_modality(rows: Sequence[Any], open_some: Open, codec: Codec) -> dict[Modality, Templates]:
    """Group rows of `_TEMPLATE` by their modality."""
    parts: dict[str, list[Any]] = {}
    for row in rows:
        parts.setdefault(row[2], []).append(row)
    read = ((m, _as_templates(parts[m], open_some, codec)) for m in Modality if m in parts)
    return {m: stored for m, stored in read if len(stored.owners)}


def _as_templates(rows: Sequence[Any], open_some: Open, codec: Codec) -> Templates:
    """Turn rows of `_TEMPLATE` into arrays, by columns: a gallery has many rows."""
    if codec.key_id is not None or any(row[5] for row in rows):
        opened = list(open_some(rows, codec))
    else:
        opened = [(row[0], row[3], row[4]) for row in rows]
    owners, sources, stored = zip(*opened, strict=True) if opened else ((), (), ())
    return Templates(np.array(owners, np.int64), sources, vectors.from_bytes(stored))


def _open_all(rows: Sequence[Any], codec: Codec) -> Iterator[Opened]:
    """Open vectors. Raises StoreUnavailableError."""
    for row in rows:
        about = (row.template_id, row.modality, row.encoder_id)
        yield row[0], row[3], codec.open(row.vector, row.sealed_by, *about)


def _open_whole(left_out: set[int], rows: Sequence[Any], codec: Codec) -> Iterator[Opened]:
    """Open those vectors that are not damaged. Raises StoreUnavailableError for another key.

    The rows of the others are added to `left_out`.
    """
    for row in rows:
        try:
            yield from _open_all([row], codec)
        except DamagedError:
            log.error("a template is damaged and left out: row %d", row.key)
            left_out.add(row.key)


def _parts(keys: Sequence[int] | None) -> Iterator[dict[str, Any]]:
    """Yield what a query for everybody is given, or one for some of `keys` at a time.

    SQLite takes a limited number of variables.
    """
    if keys is None:
        yield {}
        return
    ordered = sorted(keys)
    for start in range(0, len(ordered), _MAX_VARIABLES):
        yield {prepared.SOME: ordered[start : start + _MAX_VARIABLES]}


def _whole_people(chunks: Iterator[Sequence[Row[Any]]]) -> Iterator[list[Any]]:
    """Regroup rows, ordered by person, into pieces that never split a person."""
    pending: list[Row[Any]] = []
    for chunk in chunks:
        pending.extend(chunk)
        last = pending[-1].person_key
        whole = len(pending)
        while whole and pending[whole - 1].person_key == last:
            whole -= 1
        if whole:
            yield pending[:whole]
            pending = pending[whole:]
    if pending:
        yield pending
