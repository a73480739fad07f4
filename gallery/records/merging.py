"""Two entries of one person become one, and a template that was enrolled for the wrong
person goes to the right one.

Both are the operator's word: nothing is compared with anything here.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update

from gallery.records import feedback, people, templates
from gallery.records.people import NewPerson
from gallery.results import Person
from gallery.tables import people as table


def merge(connection: Connection, key: int, other: int) -> list[str]:
    """Give everything of `other` to `key` and delete `other`; returns what
    `people.remove` returns.

    The first keeps id and name. Where it has no name of its own (its name is its id),
    no note or no consent, it takes those of the other. Of two ends of retention the
    earlier holds: a merge never lengthens what was promised to somebody. Raises
    EncoderMismatchError when the two are of two models.
    """
    first = _row(connection, key)
    second = _row(connection, other)
    moved = templates.move_all(connection, other, key)
    feedback.move(connection, key, other)
    uploads = people.remove(connection, other)
    connection.execute(update(table).where(table.c.key == key).values(_joined(first, second)))
    people.changed(connection, other, "merge_people", "merged", {"into": key})
    people.changed(connection, key, "merge_people", "merged", {"other": other, "templates": moved})
    return uploads


def split(connection: Connection, key: int, template_id: str, to: int | NewPerson) -> int:
    """Give a template of `key` to another person, or to one who is made for it and is
    kept as long as the first. Returns whom it was given to. Raises
    TemplateNotFoundError, LastTemplateError, EncoderMismatchError, PersonExistsError,
    InvalidNameError.
    """
    target = to if isinstance(to, int) else people.create(connection, to)
    templates.move(connection, key, template_id, target)
    if target is not to:
        source = _row(connection, key)
        connection.execute(
            update(table)
            .where(table.c.key == target)
            .values(retention_days=source.retention_days, enrolled_at=source.enrolled_at)
        )
    elif _row(connection, target).enrolled_at is None:
        people.note_enrolment(connection, target)
    people.changed(connection, key, "move_template", "moved", {"to": target})
    people.changed(connection, target, "move_template", "moved", {"from": key})
    return target


def _row(connection: Connection, key: int) -> Row[Any]:
    return connection.execute(select(table).where(table.c.key == key)).one()


def _joined(first: Row[Any], second: Row[Any]) -> dict[str, Any]:
    """The columns of the first after a merge."""
    values: dict[str, Any] = {
        "note": first.note or second.note,
        "consent": first.consent or second.consent,
        "last_seen_at": max(_those(first.last_seen_at, second.last_seen_at), default=None),
    }
    if first.name == first.person_id and second.name != second.person_id:
        values |= people.columns(first.person_id, {"name": second.name})
    start = min(_those(first.enrolled_at, second.enrolled_at), default=None)
    ends = _those(_person(first).expires_at, _person(second).expires_at)
    days = (min(ends) - (start or first.created_at)) // timedelta(days=1) if ends else None
    return values | {"enrolled_at": start, "retention_days": None if days is None else max(days, 1)}


def _person(row: Row[Any]) -> Person:
    return people.as_person(row)


def _those(*times: datetime | None) -> list[datetime]:
    return [time for time in times if time is not None]
