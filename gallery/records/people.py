"""People in the database: functions on a connection, in the transaction of their
caller.

Ids, names, notes and terms are checked here, so that nothing that came another way than
the web is stored unchecked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypedDict

from sqlalchemy import Connection, Row, Select, delete, exists, func, insert, select, update

from gallery import audit
from gallery.names import (
    search_key,
    validate_name,
    validate_note,
    validate_person_id,
    validate_retention_days,
)
from gallery.records import jobs
from gallery.records.kept import THUMBNAIL
from gallery.results import MAX_PAGE, PeoplePage, Person
from gallery.tables import changes, kept_media, people, templates
from utils.errors import InvalidRequestError, PersonExistsError, PersonNotFoundError
from utils.modality import Modality


@dataclass(frozen=True)
class NewPerson:
    """Someone to be created; `name` None = the id; `retention_days` None = no end."""

    person_id: str
    name: str | None = None
    note: str = ""
    consent: str = ""
    retention_days: int | None = None


@dataclass(frozen=True)
class Stock:
    """What is stored of a person: templates and their mean quality by modality, and
    whether a picture is kept.
    """

    counts: dict[str, int] = field(default_factory=dict)
    quality: dict[str, float] = field(default_factory=dict)
    has_picture: bool = False


class PersonChanges(TypedDict, total=False):
    """What is to be changed of a person; what is not in it stays."""

    name: str
    note: str
    consent: str
    retention_days: int | None


def create(connection: Connection, new: NewPerson) -> int:
    """Returns the internal number. Raises InvalidNameError, InvalidRequestError,
    PersonExistsError.
    """
    person_id = validate_person_id(new.person_id)
    values = columns(
        person_id,
        {
            "name": person_id if new.name is None else new.name,
            "note": new.note,
            "consent": new.consent,
            "retention_days": new.retention_days,
        },
    )
    if connection.scalar(select(exists().where(people.c.person_id == person_id))):
        raise PersonExistsError(f"The person_id must be new. Received: {person_id!r}")
    key = connection.execute(
        insert(people).values(person_id=person_id, created_at=datetime.now(UTC), **values)
    ).inserted_primary_key
    assert key is not None
    changed(connection, key[0], "create_person", "created")
    return int(key[0])


def change(connection: Connection, key: int, changes_: PersonChanges) -> None:
    """Raises InvalidNameError, InvalidRequestError."""
    person_id = connection.scalars(select(people.c.person_id).where(people.c.key == key)).one()
    connection.execute(
        update(people).where(people.c.key == key).values(columns(person_id, changes_))
    )
    changed(connection, key, "update_person", "changed")


def remove(connection: Connection, key: int) -> list[str]:
    """Delete a person with all that hangs on them: templates and kept media, answers
    that named them, feedback, and what jobs hold. Returns the uploads of jobs that are
    to be removed (paths below the media root).
    """
    person_id = connection.scalars(select(people.c.person_id).where(people.c.key == key)).one()
    uploads = jobs.forget(connection, key, person_id)
    connection.execute(delete(people).where(people.c.key == key))
    return uploads


def changed(
    connection: Connection, key: int, action: str, outcome: str, detail: audit.Detail | None = None
) -> None:
    """Tell the indexes of all processes, and the audit, in the transaction of the
    change.
    """
    connection.execute(insert(changes).values(person_key=key))
    audit.append(connection, action, outcome, key, detail)


def note_enrolment(connection: Connection, key: int) -> None:
    """From now on retention counts."""
    connection.execute(
        update(people).where(people.c.key == key).values(enrolled_at=datetime.now(UTC))
    )


def note_seen(connection: Connection, key: int) -> None:
    """The person was recognised now. No change of the gallery: no index reads anything
    again.
    """
    connection.execute(
        update(people).where(people.c.key == key).values(last_seen_at=datetime.now(UTC))
    )


def find(connection: Connection, person_id: str) -> int | None:
    """Internal number of a person; None = nobody of this id."""
    return connection.scalar(select(people.c.key).where(people.c.person_id == person_id))


def key_of(connection: Connection, person_id: str) -> int:
    """Internal number of a person. Raises InvalidNameError, PersonNotFoundError."""
    key = find(connection, validate_person_id(person_id))
    if key is None:
        raise PersonNotFoundError(
            f"Nobody is enrolled under this person_id. Received: {person_id!r}"
        )
    return key


def person_of(connection: Connection, key: int) -> Person:
    """The person of an internal number who is there."""
    return as_person(
        connection.execute(select(people).where(people.c.key == key)).one(),
        stock_of(connection, [key]).get(key),
    )


def as_person(row: Row[Any], stock: Stock | None = None) -> Person:
    """A row of `people` and what is stored of them → the person."""
    stock = stock or Stock()
    counts = {str(m): stock.counts.get(m, 0) for m in (Modality.FACE, Modality.VOICE)}
    return Person(
        row.person_id,
        row.name,
        row.created_at,
        row.note,
        counts,
        row.consent,
        row.retention_days,
        row.enrolled_at,
        row.last_seen_at,
        stock.quality,
        stock.has_picture,
    )


def stock_of(connection: Connection, keys: Sequence[int]) -> dict[int, Stock]:
    """What is stored of people who have templates."""
    found: dict[int, Stock] = {}
    c = templates.c
    pictured = func.count(kept_media.c.key)
    pictures = (kept_media.c.template_key == templates.c.key) & (kept_media.c.kind == THUMBNAIL)
    query: Select[Any] = select(
        c.person_key, c.modality, func.count(), func.avg(c.quality), pictured
    ).outerjoin(kept_media, pictures)
    for key, modality, count, quality, pictures_kept in connection.execute(
        query.where(c.person_key.in_(keys)).group_by(c.person_key, c.modality)
    ):
        stock = found.setdefault(key, Stock())
        stock.counts[modality] = count
        stock.quality[modality] = float(quality)
        found[key] = replace(stock, has_picture=stock.has_picture or pictures_kept > 0)
    return found


def page_of(connection: Connection, search: str, offset: int, limit: int) -> PeoplePage:
    """People whose id or name holds `search` in any case, by id. Raises
    InvalidRequestError.
    """
    if offset < 0 or not 1 <= limit <= MAX_PAGE:
        raise InvalidRequestError(
            f"offset must be 0 or more and limit 1 to {MAX_PAGE}. Received: offset={offset},"
            f" limit={limit}"
        )
    if "\0" in search:
        raise InvalidRequestError(
            f"search is text without NUL characters. Received: {search[:40]!a}"
        )
    fits = people.c.search.contains(search_key(search), autoescape=True)
    total = connection.scalar(select(func.count()).select_from(people).where(fits)) or 0
    rows = connection.execute(
        select(people).where(fits).order_by(people.c.person_id).offset(offset).limit(limit)
    ).all()
    stock = stock_of(connection, [row.key for row in rows])
    return PeoplePage(
        tuple(as_person(row, stock.get(row.key)) for row in rows), total, offset, limit
    )


def count(connection: Connection) -> int:
    """How many people there are."""
    return connection.scalar(select(func.count()).select_from(people)) or 0


def with_end(connection: Connection) -> list[tuple[int, datetime]]:
    """(internal number, when they expire) of all people who are not kept for ever."""
    rows = connection.execute(select(people).where(people.c.retention_days.is_not(None)))
    return [(row.key, end) for row in rows if (end := as_person(row).expires_at) is not None]


def columns(person_id: str, given: PersonChanges) -> dict[str, Any]:
    """The columns to write for these changes. Raises InvalidNameError,
    InvalidRequestError.
    """
    values: dict[str, Any] = {}
    if "name" in given:
        values["name"] = validate_name(given["name"])
        values["search"] = search_key(f"{person_id}\n{values['name']}")
    if "note" in given:
        values["note"] = validate_note(given["note"])
    if "consent" in given:
        values["consent"] = validate_note(given["consent"], "A consent")
    if "retention_days" in given:
        values["retention_days"] = validate_retention_days(given["retention_days"])
    return values
