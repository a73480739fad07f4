"""The audit: who did what, when, with what outcome; append-only, without media, vectors, ids or names.

People appear by their internal number only, which says nothing once they are deleted.
"""
from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select

from gallery.results import Event
from gallery.tables import events

ACTOR: ContextVar[str] = ContextVar("actor", default="local")
"""Who acts in this request or program: the web layer sets it to the id of the key, never to the key."""

Detail = Mapping[str, str | int | float | bool]


def append(connection: Connection, action: str, outcome: str, person_key: int | None = None, detail: Detail | None = None) -> None:
    """Add one row in the transaction of what it tells about. `detail` holds codes and numbers only."""
    connection.execute(insert(events).values(at=datetime.now(UTC), actor=ACTOR.get(), action=action, person_key=person_key,
                                             outcome=outcome, detail=dict(detail or {})))


def latest(connection: Connection, limit: int) -> tuple[Event, ...]:
    """The `limit` latest rows, newest first."""
    rows = connection.execute(select(events).order_by(events.c.event_id.desc()).limit(limit))
    return tuple(Event(**row._mapping) for row in rows)
