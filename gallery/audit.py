"""Audit: who did what, when, and with what outcome. Append-only.

No media, vectors, ids or names are in it. People appear by their internal number only,
which says nothing once they are deleted.

The rows form a chain: each holds the SHA-256 of itself and of the hash before it, and
`meta` notes the last one. A row that is changed, missing, inserted or moved breaks the
chain, and `verify` says where. Whoever can write the database can also rewrite the
whole chain. Only a head that was noted elsewhere shows that.
"""

from __future__ import annotations

import hashlib
import json
import operator
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, TypedDict

from sqlalchemy import ColumnElement, Connection, Select, insert, select, text, update

from gallery.damage import list_whole
from gallery.results import MAX_PAGE, Event
from gallery.table_base import bound_key
from gallery.tables import events, meta
from utils.errors import InvalidRequestError

ACTOR: ContextVar[str] = ContextVar("actor", default="local")
"""Who acts in this request or program.

The web layer sets it to the id of the API key, never to the key.
"""

Detail = Mapping[str, str | int | float | bool]
"""Codes and numbers that explain an outcome."""

MAX_PROBLEMS = 100
_HEAD = "audit_head"
# In the place of the hash of a row that cannot be read
_UNREAD = "unread"


@dataclass(frozen=True)
class Head:
    """The last row of the chain.

    Numbers start at 1 and have no gaps, so `event_id` is also the number of rows.
    """

    event_id: int
    hash: str

    def __str__(self) -> str:
        return f"{self.event_id}:{self.hash}"

    @classmethod
    def parse(cls, noted: str) -> Head:
        """Parse number and hash with a colon between them, as `str` writes them.

        Raises InvalidRequestError.
        """
        number, _, digest = noted.partition(":")
        if noted != "0:" and not re.fullmatch("[0-9]{1,18}:[0-9a-f]{64}", noted):
            raise InvalidRequestError(
                "A head of the audit is a number, a colon and 64 hex digits. Received:"
                f" {noted[:80]!r}"
            )
        return cls(int(number), digest)


class EventFilter(TypedDict, total=False):
    """Which rows are asked for. What is missing or None may be any.

    Attributes:
        before: only rows of a lower number.
        since, until: only rows from this time on, and before this time.
        person_key: only rows on the person of this internal number.
    """

    before: int | None
    action: str | None
    outcome: str | None
    actor: str | None
    person_key: int | None
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True)
class Problem:
    """What is wrong at, or right before, a row."""

    event_id: int
    text: str


@dataclass(frozen=True)
class AuditReport:
    """Result of following the chain.

    Attributes:
        events: number of rows.
        head: the last row.
        problems: what is wrong, at most `MAX_PROBLEMS`; empty = the chain is whole.
    """

    events: int
    head: Head
    problems: tuple[Problem, ...]


def append(
    connection: Connection,
    action: str,
    outcome: str,
    *,
    person_key: int | None = None,
    detail: Detail | None = None,
) -> None:
    """Add one row, in the transaction of what it reports."""
    last = _lock_tail(connection)
    event = Event(
        event_id=last.event_id + 1,
        at=datetime.now(UTC),
        actor=ACTOR.get(),
        action=action,
        person_key=person_key,
        outcome=outcome,
        detail=dict(detail or {}),
    )
    head = Head(event.event_id, row_hash(last.hash, event))
    connection.execute(insert(events).values(**asdict(event) | {"hash": head.hash}))
    _note_head(connection, head)


def page(connection: Connection, limit: int, wanted: EventFilter) -> tuple[Event, ...]:
    """List at most `limit` of the rows that are `wanted`, newest first.

    Raises InvalidRequestError.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidRequestError(f"limit must be 1 to {MAX_PAGE}. Received: limit={limit}")
    query: Select[Any] = select(events).order_by(events.c.event_id.desc()).limit(limit)
    query = query.where(*_conditions(wanted))
    return tuple(list_whole(connection, query, events, lambda row: Event(**row._mapping)))


def _conditions(wanted: EventFilter) -> list[ColumnElement[bool]]:
    c = events.c
    compare = {"before": (operator.lt, c.event_id), "since": (operator.ge, c.at)}
    compare["until"] = (operator.lt, c.at)
    conditions = []
    for name, value in dict[str, Any](wanted).items():
        if value is not None:
            compares, column = compare.get(name) or (operator.eq, c[name])
            operand = bound_key(value) if name == "before" else value
            conditions.append(compares(column, operand))
    return conditions


def verify(connection: Connection, noted: Head | None = None) -> AuditReport:
    """Follow the chain from its first row to its last, in one state of the database.

    `noted` is a head that was written down earlier: its row must still be the same.
    """
    last = Head(0, "")
    problems = []
    for number, event in _read_all(connection):
        if event is None:
            problems.append(Problem(number, f"row {number} is damaged: it cannot be read"))
            last = Head(number, _UNREAD)
            continue
        problems += _problems_of_row(last, event)
        if noted is not None and noted.event_id == event.event_id and noted.hash != event.hash:
            message = f"row {event.event_id} is not the one that was noted: the chain was rewritten"
            problems.append(Problem(event.event_id, message))
        last = Head(event.event_id, event.hash)
    problems += _problems_of_end(last, _head(connection), noted)
    return AuditReport(events=last.event_id, head=last, problems=tuple(problems[:MAX_PROBLEMS]))


def _read_all(connection: Connection) -> Iterator[tuple[int, Event | None]]:
    """Yield all rows by number, and None for one that is damaged."""
    query = select(events.c.event_id).order_by(events.c.event_id)
    numbers = connection.scalars(query, execution_options={"yield_per": MAX_PAGE})
    for part in numbers.partitions():
        rows = select(events).where(events.c.event_id.between(part[0], part[-1]))
        read = list_whole(connection, rows, events, lambda row: Event(**row._mapping))
        by_number = {event.event_id: event for event in read}
        yield from ((number, by_number.get(number)) for number in part)


def row_hash(previous: str, event: Event) -> str:
    """Hash a row and the hash before it ("" for the first): SHA-256 in hex.

    Hashed is the JSON list [previous, event_id, at, actor, action, person_key, outcome,
    detail]: without spaces, keys in order, ASCII only, `at` in UTC to the microsecond.
    """
    at = event.at.astimezone(UTC).isoformat(timespec="microseconds")
    fields = [
        previous,
        event.event_id,
        at,
        event.actor,
        event.action,
        event.person_key,
        event.outcome,
        event.detail,
    ]
    document = json.dumps(fields, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(document.encode()).hexdigest()


def start_chain(connection: Connection) -> Head:
    """Hash the rows from before the chain, and note the last row.

    Where the last row is noted already, nothing happens.
    """
    head = _head(connection)
    if head is not None:
        return head
    rows = connection.execute(select(events).order_by(events.c.event_id)).all()
    last = Head(0, "")
    with _writable(connection) if any(not row.hash for row in rows) else nullcontext():
        for row in rows:
            last = Head(row.event_id, row.hash or row_hash(last.hash, Event(**row._mapping)))
            if not row.hash:
                connection.execute(
                    update(events).where(events.c.event_id == row.event_id).values(hash=last.hash)
                )
    connection.execute(insert(meta).values(name=_HEAD, value=str(last)))
    return last


def take_over(connection: Connection, head: Head) -> None:
    """Continue the chain after rows copied from another database up to `head`."""
    start_chain(connection)
    _note_head(connection, head)


def _note_head(connection: Connection, head: Head) -> None:
    connection.execute(update(meta).where(meta.c.name == _HEAD).values(value=str(head)))


def _lock_tail(connection: Connection) -> Head:
    """Read the last row, and keep other transactions from appending.

    SQLite has one writer at a time. Other databases lock the note of the head.
    """
    return _head(connection, lock=True) or start_chain(connection)


def _head(connection: Connection, *, lock: bool = False) -> Head | None:
    query = select(meta.c.value).where(meta.c.name == _HEAD)
    # SQLite's dialect leaves FOR UPDATE out.
    noted = connection.scalar(query.with_for_update() if lock else query)
    return None if noted is None else Head.parse(noted)


def _problems_of_row(last: Head, event: Event) -> list[Problem]:
    """Compare a row with the one before it. Returns nothing, or one problem.

    After a gap the row itself cannot be checked: the hash that it was chained to is
    gone.
    """
    first = last.event_id + 1
    number = event.event_id
    if number == first + 1:
        return [Problem(first, f"row {first} is missing")]
    if number > first:
        return [Problem(first, f"rows {first} to {number - 1} are missing")]
    if not event.hash:
        return [Problem(number, f"row {number} has no hash: it was not written by the service")]
    if last.hash == _UNREAD:
        return []
    if event.hash != row_hash(last.hash, event):
        message = f"row {number} was changed, or it was not written after the row before it"
        return [Problem(number, message)]
    return []


def _problems_of_end(last: Head, head: Head | None, noted: Head | None) -> list[Problem]:
    """Compare the last row with the note of it, and with a head noted earlier."""
    if head is None:
        missing = Problem(last.event_id, "the note of the last row is missing")
        return [missing] if last.event_id else []
    end = max(head.event_id, noted.event_id if noted else 0)
    if end > last.event_id:
        first = last.event_id + 1
        return [Problem(first, f"rows {first} to {end} are missing at the end")]
    if head != last and last.hash != _UNREAD:
        message = (
            f"the last row should be {head}, but is {last}: rows were added, or the last one was"
            " exchanged"
        )
        return [Problem(last.event_id, message)]
    return []


@contextmanager
def _writable(connection: Connection) -> Iterator[None]:
    """Lift the triggers that keep the audit append-only, for a while."""
    if connection.dialect.name != "sqlite":
        connection.execute(text("ALTER TABLE events DISABLE TRIGGER USER"))
        yield
        connection.execute(text("ALTER TABLE events ENABLE TRIGGER USER"))
        return
    triggers = connection.execute(
        text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'events'")
    ).all()
    for name, _ in triggers:
        connection.execute(text(f"DROP TRIGGER {name}"))
    yield
    for _, statement in triggers:
        connection.execute(text(statement))
