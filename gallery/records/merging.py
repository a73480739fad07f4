"""Merging two entries of one person, and moving a template to the right person.

The operator decides both: nothing is compared here.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update

from gallery.records import (
    distinct,
    feedback,
    groups,
    people,
    templates,
    transcripts,
    visits,
)
from gallery.records.people import NewPerson
from gallery.tables import people as table
from utils.errors import PersonExistsError


def merge(connection: Connection, key: int, other: int) -> list[str]:
    """Give everything of `other` to `key`, and delete `other`.

    The first keeps id and name. Where it has no name of its own (its name is its id),
    no note or no consent, it takes those of the other. The earlier of two ends of
    retention holds, as a merge must not lengthen what was promised to somebody.

    Returns what `people.remove` returns. Raises EncoderMismatchError when the two are
    of two models.
    """
    first = _row(connection, key)
    second = _row(connection, other)
    moved = templates.move_all(connection, other, key)
    feedback.move(connection, key, other)
    distinct.move(connection, key, other)
    transcripts.move(connection, key, other)
    visits.move(connection, key, other)
    groups.move(connection, key, other)
    uploads = people.remove(connection, other)
    connection.execute(update(table).where(table.c.key == key).values(_merge(first, second)))
    details = {other: {"into": key}, key: {"other": other, "templates": moved}}
    _note(connection, "merge_people", "merged", details)
    return uploads


def split(connection: Connection, key: int, template_id: str, to: int | NewPerson) -> int:
    """Give a template of `key` to another person, who is created where `to` is new.

    A new person is kept as long as the first. Returns the internal number of the other
    person. Raises TemplateNotFoundError, LastTemplateError, EncoderMismatchError,
    PersonExistsError, InvalidNameError.
    """
    target = to if isinstance(to, int) else _create(connection, to)
    number = templates.number_of(connection, key, template_id)
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
    details = {key: {"to": target, "template": number}, target: {"from": key}}
    _note(connection, "move_template", "moved", details)
    return target


def _create(connection: Connection, new: NewPerson) -> int:
    """Create who gets a template. Raises PersonExistsError, with what to do about it here."""
    try:
        return people.create(connection, new)
    except PersonExistsError as error:
        raise PersonExistsError(
            error.message,
            "Leave `create` out, and write the id as it is there, to give it to that person, or"
            " choose another id.",
        ) from error


def _note(
    connection: Connection, action: str, outcome: str, details: dict[int, dict[str, int]]
) -> None:
    """Note a change of several people, by their internal numbers."""
    for key, detail in details.items():
        people.note_change(connection, key, action=action, outcome=outcome, detail=detail)


def _row(connection: Connection, key: int) -> Row[Any]:
    return connection.execute(select(table).where(table.c.key == key)).one()


def _merge(first: Row[Any], second: Row[Any]) -> dict[str, Any]:
    """Columns of the first entry after a merge."""
    values: dict[str, Any] = {
        "note": first.note or second.note,
        "consent": first.consent or second.consent,
        "last_seen_at": max(_present(first.last_seen_at, second.last_seen_at), default=None),
        "enrolled_at": min(_present(first.enrolled_at, second.enrolled_at), default=None),
    }
    if first.name == first.person_id and second.name != second.person_id:
        values |= people.columns(first.person_id, {"name": second.name})
    start = values["enrolled_at"] or first.created_at
    return values | {"retention_days": _retention_days(first, second, start)}


def _retention_days(first: Row[Any], second: Row[Any], start: datetime) -> int | None:
    """Whole days (1 or more) from `start` to the earlier end of retention, if any."""
    ends = _present(people.as_person(first).expires_at, people.as_person(second).expires_at)
    return max((min(ends) - start) // timedelta(days=1), 1) if ends else None


def _present(*times: datetime | None) -> list[datetime]:
    return [time for time in times if time is not None]
