"""The list of people: searched, filtered, sorted, and read a page at a time."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypedDict

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    Select,
    cast,
    exists,
    extract,
    func,
    select,
)

from gallery.damage import list_whole, read_whole
from gallery.names import search_key
from gallery.records import clock
from gallery.records.people import Stock, as_person, stock_of
from gallery.results import MAX_PAGE, SUSPECTS, Kind, Order, PeoplePage
from gallery.tables import people, templates
from utils.errors import InvalidRequestError
from utils.modality import Modality

log = logging.getLogger("duet.gallery")
POOR = 0.4
"""Mean quality, from 0 to 1, of the templates of a modality below which they are poor."""
MOST_SUSPECTS = 30_000
"""Most people whom a statement names one by one: SQLite takes 32,766 values."""
ENDING = timedelta(days=30)
"""Time before the end of their retention at which people are listed as ending."""
_DAY_S = 86_400
_JULIAN_EPOCH = 2_440_587.5


class PeopleQuery(TypedDict, total=False):
    """A part of the list. What is missing has a default.

    Attributes:
        search: part of the id or name, in any case.
        kind: whom the list holds.
        suspects: internal numbers of those whom a comparison of templates found, for the
            kinds that it finds.
        order: what it is sorted by. Who has none of it comes last.
        newest_first: the other way round.
        offset: people who are left out before.
        limit: at most so many, 1 to `MAX_PAGE`.
    """

    search: str
    kind: Kind
    suspects: Collection[int]
    order: Order
    newest_first: bool
    offset: int
    limit: int


@dataclass(frozen=True)
class _Query:
    """A part of the list, with what was left out."""

    search: str = ""
    kind: Kind = Kind.ALL
    suspects: Collection[int] = ()
    order: Order = Order.ID
    newest_first: bool = False
    offset: int = 0
    limit: int = 50


def page_of(connection: Connection, part: PeopleQuery) -> PeoplePage:
    """Read a part of the list: by default the first 50 people by id.

    Raises InvalidRequestError.
    """
    query = _Query(**part)
    _check(query)
    wanted = (_matches(query.search), *_condition(connection, query))
    total = connection.scalar(select(func.count()).select_from(people).where(*wanted)) or 0
    matching = _sort(select(people).where(*wanted), connection, query)
    rows = list_whole(connection, matching, people, lambda row: row)
    stock = _count(connection, [row.key for row in rows])
    return PeoplePage(
        people=tuple(as_person(row, stock.get(row.key)) for row in rows),
        total=total,
        offset=query.offset,
        limit=query.limit,
    )


def _count(connection: Connection, keys: Sequence[int]) -> dict[int, Stock]:
    """Count templates. Where some are damaged, nothing is told of whose they are."""
    stocks = read_whole(keys, lambda part: stock_of(connection, part).items(), _tell_uncounted)
    return dict(stocks)


def _tell_uncounted(key: int) -> None:
    log.error("templates are damaged and not counted: row %d (`cli.py check`)", key)


def list_keys(connection: Connection, search: str, limit: int | None) -> list[int]:
    """List the internal numbers of people by id: of at most so many."""
    matching = select(people.c.key).where(_matches(search))
    return list(connection.scalars(matching.order_by(people.c.person_id).limit(limit)))


def _matches(search: str) -> ColumnElement[bool]:
    return people.c.search.contains(search_key(search), autoescape=True)


def _check(query: _Query) -> None:
    if query.offset < 0 or not 1 <= query.limit <= MAX_PAGE:
        raise InvalidRequestError(
            f"offset must be 0 or more and limit 1 to {MAX_PAGE}. Received: offset={query.offset},"
            f" limit={query.limit}"
        )
    if "\0" in query.search:
        raise InvalidRequestError(
            f"search must not contain NUL characters. Received: {query.search[:40]!r}"
        )


def _condition(connection: Connection, query: _Query) -> tuple[ColumnElement[bool], ...]:
    kind = query.kind
    if kind in SUSPECTS:
        return (people.c.key.in_(sorted(query.suspects)[:MOST_SUSPECTS]),)
    if kind is Kind.ENDING:
        limit = (clock.now() + ENDING).timestamp() / _DAY_S
        return people.c.retention_days.is_not(None), _end_day(connection) <= limit
    conditions: Mapping[Kind, tuple[ColumnElement[bool], ...]] = {
        Kind.ALL: (),
        Kind.NO_FACE: (~_has(Modality.FACE),),
        Kind.NO_VOICE: (~_has(Modality.VOICE),),
        Kind.POOR_QUALITY: (people.c.key.in_(_poor()),),
        Kind.NEVER_SEEN: (people.c.last_seen_at.is_(None),),
    }
    return conditions[kind]


def _has(modality: Modality) -> ColumnElement[bool]:
    return exists().where(templates.c.person_key == people.c.key, templates.c.modality == modality)


def _poor() -> Select[Any]:
    """Internal numbers of people with poor templates of a modality."""
    by_modality = (templates.c.person_key, templates.c.modality)
    is_poor = func.avg(templates.c.quality) < POOR
    return select(templates.c.person_key).group_by(*by_modality).having(is_poor)


def _sort(rows: Select[Any], connection: Connection, query: _Query) -> Select[Any]:
    by: ColumnElement[Any] = people.c.person_id
    if query.order is Order.EXPIRES:
        by = _end_day(connection)
    elif query.order is Order.NAME:
        by = func.lower(people.c.name)
    elif query.order is not Order.ID:
        by = people.c[query.order]
    way = by.desc() if query.newest_first else by.asc()
    rows = rows.order_by(way.nulls_last(), people.c.person_id)
    return rows.offset(query.offset).limit(query.limit)


def _end_day(connection: Connection) -> ColumnElement[float]:
    """When the person is deleted, in days since 1970 (NULL = never)."""
    start = func.coalesce(people.c.enrolled_at, people.c.created_at)
    if connection.dialect.name == "sqlite":
        day: ColumnElement[Any] = func.julianday(start, type_=Float) - _JULIAN_EPOCH
    else:
        day = cast(extract("epoch", start), Float) / _DAY_S
    return day + people.c.retention_days
