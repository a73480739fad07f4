"""Sightings: somebody of a watched group, or somebody unknown, was seen or heard.

They hold internal numbers and no names. A person who is deleted takes theirs along, with
what was still to be sent of them. Each sighting waits for every receiver by itself
(`deliveries`), so that one that is down keeps nothing from the others.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from gallery.damage import list_whole, read_whole
from gallery.records import clock, groups
from gallery.table_base import bound_key
from gallery.tables import deliveries, people, people_groups, sightings

log = logging.getLogger("duet.gallery")

QUIET = timedelta(seconds=60)
"""A person of a group who is seen again so soon is the same sighting."""
LEASE = timedelta(seconds=60)
"""Time that a process has for a delivery before another one may send it."""
BACK_OFF_S = (5, 15, 60, 300, 1800, 7200, 21600)
"""Seconds between the attempts of a delivery, which is given up after the last one."""
MOST_WAITING = 10_000
"""Sightings beyond so many waiting deliveries are stored, and not sent."""


@dataclass(frozen=True)
class Rules:
    """What is a sighting, and who is told.

    Attributes:
        unknown: whether somebody unknown is one.
        days: how long sightings are kept; 0 = none are stored.
        receivers: ids of the receivers.
    """

    unknown: bool = False
    days: float = 7.0
    receivers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sighting:
    """A sighting with the present names. All but `number`, `at` and `source` may be None."""

    number: int
    at: datetime
    source: str
    request_id: str | None = None
    person_id: str | None = None
    name: str | None = None
    group_id: str | None = None


@dataclass(frozen=True)
class Delivery:
    """A sighting that a receiver has not taken yet. `next_at` None: it was given up."""

    number: int
    receiver: str
    attempts: int
    next_at: datetime | None
    error: str
    sighting: Sighting


def note(
    connection: Connection, rules: Rules, source: str, *, key: int | None, request_id: str | None
) -> int:
    """Store the sightings of a person, or of somebody unknown (`key` None).

    Returns how many there are: one for each watched group that the person is in.
    """
    at = clock.now()
    if clock.find_jump(connection) is None:
        forget_old(connection, rules)
    where: Sequence[int | None] = [None] if rules.unknown else []
    if key is not None:
        watched = groups.watched_groups_of(connection, key)
        where = [group for group in watched if not _is_recent(connection, key, group, at)]
    for group in where:
        values = {"person_key": key, "group_key": group, "request_id": request_id}
        _store(connection, rules, {"at": at, "source": source, **values})
    return len(where)


def forget_old(connection: Connection, rules: Rules) -> None:
    """Delete sightings whose term is over, with what was still to be sent of them."""
    connection.execute(delete(sightings).where(~_is_kept(rules)))


def _is_kept(rules: Rules) -> ColumnElement[bool]:
    return sightings.c.at > clock.now() - timedelta(days=rules.days)


def _is_recent(connection: Connection, key: int, group: int, at: datetime) -> bool:
    mine = (sightings.c.person_key == key, sightings.c.group_key == group)
    recent = sightings.c.at.between(at - QUIET, at + QUIET)
    return bool(connection.scalar(select(exists().where(*mine, recent))))


def _store(connection: Connection, rules: Rules, values: dict[str, Any]) -> None:
    inserted = connection.execute(insert(sightings).values(**values)).inserted_primary_key
    assert inserted is not None
    waiting = connection.scalar(select(func.count()).select_from(deliveries)) or 0
    for receiver in rules.receivers if waiting < MOST_WAITING else ():
        connection.execute(
            insert(deliveries).values(
                sighting_key=inserted[0],
                receiver=receiver,
                attempts=0,
                next_at=values["at"],
                error="",
            )
        )


def after(connection: Connection, rules: Rules, number: int, limit: int) -> tuple[Sighting, ...]:
    """List sightings behind a number whose term is not over, oldest first."""
    is_behind = sightings.c.key > bound_key(number)
    query = _select().where(is_behind, _is_kept(rules)).order_by(sightings.c.key).limit(limit)
    return tuple(list_whole(connection, query, sightings, _as_sighting))


def latest(connection: Connection, rules: Rules, limit: int) -> tuple[Sighting, ...]:
    """List the latest sightings whose term is not over, newest first."""
    query = _select().where(_is_kept(rules)).order_by(sightings.c.key.desc()).limit(limit)
    return tuple(list_whole(connection, query, sightings, _as_sighting))


def of_person(connection: Connection, key: int) -> list[dict[str, Any]]:
    """List when a person was sighted, by what and of which group, oldest first."""
    query = _select().where(sightings.c.person_key == key).order_by(sightings.c.key)
    rows = connection.execute(query)
    return [{"at": row.at, "source": row.source, "group_id": row.group_id} for row in rows]


def last_number(connection: Connection) -> int:
    """Number of the latest sighting, 0 = none."""
    return connection.scalar(select(func.max(sightings.c.key))) or 0


def claim(connection: Connection, rules: Rules, now: datetime, limit: int) -> list[Delivery]:
    """Take deliveries that are due, for `LEASE`. Those of receivers that are gone go."""
    gone = deliveries.c.receiver.not_in(rules.receivers)
    connection.execute(delete(deliveries).where(gone))
    # What is due later than any pause lasts was put off before the clock was set back
    is_far = deliveries.c.next_at > now + timedelta(seconds=BACK_OFF_S[-1]) + clock.SKEW
    is_due = or_(deliveries.c.next_at <= now, is_far)
    due = select(deliveries.c.key).where(is_due).order_by(deliveries.c.next_at).limit(limit)
    numbers = list(connection.scalars(due))
    mine = deliveries.c.key.in_(numbers)
    connection.execute(update(deliveries).where(mine).values(next_at=now + LEASE))
    read = partial(_read_deliveries, connection)
    return read_whole(numbers, read, partial(_give_up, connection))


def _read_deliveries(connection: Connection, numbers: Sequence[int]) -> list[Delivery]:
    query = _deliveries().where(deliveries.c.key.in_(numbers)).order_by(deliveries.c.key)
    return [_as_delivery(row) for row in connection.execute(query)]


def _give_up(connection: Connection, number: int) -> None:
    """Give a delivery up that is damaged, or is of a damaged person."""
    log.error("an event is damaged and not sent: delivery %d (`cli.py check`)", number)
    mine = deliveries.c.key == number
    connection.execute(update(deliveries).where(mine).values(next_at=None, error="It is damaged."))


def has_deliveries(connection: Connection) -> bool:
    """Whether deliveries wait or were given up."""
    return bool(connection.scalar(select(exists().select_from(deliveries))))


def finish(connection: Connection, delivery: Delivery, error: str, now: datetime) -> None:
    """Note how a delivery went: taken (`error` empty), tried again later, or given up."""
    mine = deliveries.c.key == delivery.number
    if not error:
        connection.execute(delete(deliveries).where(mine))
        return
    attempts = delivery.attempts + 1
    is_over = attempts > len(BACK_OFF_S)
    next_at = None if is_over else now + timedelta(seconds=BACK_OFF_S[attempts - 1])
    values = {"attempts": attempts, "next_at": next_at, "error": error[:200]}
    connection.execute(update(deliveries).where(mine).values(**values))


def list_deliveries(connection: Connection, limit: int) -> tuple[Delivery, ...]:
    """List deliveries that wait or were given up, oldest first."""
    query = _deliveries().order_by(deliveries.c.key).limit(limit)
    return tuple(list_whole(connection, query, deliveries, _as_delivery))


def resend(connection: Connection, now: datetime) -> int:
    """Have the deliveries that were given up sent again. Returns how many there are."""
    given_up = deliveries.c.next_at.is_(None)
    values = {"attempts": 0, "next_at": now, "error": ""}
    return connection.execute(update(deliveries).where(given_up).values(**values)).rowcount


def _select(*more: Any) -> Select[Any]:
    c = sightings.c
    columns = (c.key, c.at, c.source, c.request_id, people.c.person_id, people.c.name)
    return (
        select(*columns, people_groups.c.group_id, *more)
        .select_from(sightings)
        .outerjoin(people, people.c.key == c.person_key)
        .outerjoin(people_groups, people_groups.c.key == c.group_key)
    )


def _deliveries() -> Select[Any]:
    c = deliveries.c
    more = (c.key.label("number"), c.receiver, c.attempts, c.next_at, c.error)
    return _select(*more).join(deliveries, c.sighting_key == sightings.c.key)


def _as_sighting(row: Row[Any]) -> Sighting:
    return Sighting(
        number=row.key,
        at=row.at,
        source=row.source,
        request_id=row.request_id,
        person_id=row.person_id,
        name=row.name,
        group_id=row.group_id,
    )


def _as_delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        number=row.number,
        receiver=row.receiver,
        attempts=row.attempts,
        next_at=row.next_at,
        error=row.error,
        sighting=_as_sighting(row),
    )
