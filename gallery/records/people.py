"""People in the database: functions on a connection, in their caller's transaction.

Ids, names, notes and retention periods are checked here, so that nothing is stored
unchecked that came another way than through the web.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypedDict

from sqlalchemy import (
    Connection,
    Row,
    Select,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from gallery import audit
from gallery.damage import damage_error, read_whole
from gallery.names import (
    search_key,
    validate_name,
    validate_note,
    validate_person_id,
    validate_retention_days,
)
from gallery.records import clock, job_files, transcripts
from gallery.records.stored_media import THUMBNAIL
from gallery.results import Person
from gallery.tables import changes, kept_media, people, templates
from utils.errors import (
    NameTakenError,
    PersonExistsError,
    PersonNotFoundError,
)
from utils.modality import Modality

log = logging.getLogger("duet.gallery")

_HAS_TERM = people.c.retention_days.is_not(None)


@dataclass(frozen=True)
class NewPerson:
    """A person to be created.

    `name` None = the id. `retention_days` None = no end. `unique_name`: only if nobody
    else has the name.
    """

    person_id: str
    name: str | None = None
    note: str = ""
    consent: str = ""
    retention_days: int | None = None
    unique_name: bool = False


@dataclass(frozen=True)
class Stock:
    """What is stored of a person besides the row in `people`.

    Number of templates and their mean quality, both by modality, and whether there is a
    picture.
    """

    counts: dict[str, int] = field(default_factory=dict)
    quality: dict[str, float] = field(default_factory=dict)
    has_picture: bool = False


class PersonChanges(TypedDict, total=False):
    """Changes of a person. What is not in it stays."""

    name: str
    note: str
    consent: str
    retention_days: int | None


def create(connection: Connection, new: NewPerson) -> int:
    """Create a person, and return the internal number.

    Raises InvalidNameError, InvalidRequestError, PersonExistsError, NameTakenError.
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
    if find(connection, person_id) is not None:
        raise PersonExistsError(f"The person_id must be new. Received: {person_id!r}")
    _refuse_confusable(connection, person_id)
    if new.unique_name:
        _refuse_namesake(connection, values["name"])
    inserted = connection.execute(
        insert(people).values(
            person_id=person_id, created_at=clock.now_for_terms(connection), **values
        )
    ).inserted_primary_key
    assert inserted is not None
    key = int(inserted[0])
    note_change(connection, key, action="create_person", outcome="created")
    return key


def _refuse_confusable(connection: Connection, person_id: str) -> None:
    """Raise PersonExistsError for an id that differs from another in case only."""
    same = func.lower(people.c.person_id) == person_id.lower()
    other = connection.scalar(select(people.c.person_id).where(same))
    if other is not None:
        raise PersonExistsError(
            "The person_id must differ from others in more than upper and lower case."
            f" Received: {person_id!r}, beside {other!r}"
        )


def _refuse_namesake(connection: Connection, name: str) -> None:
    """Raise NameTakenError for a name that somebody has, in any case."""
    # The name is what comes after the id in `search`
    same = people.c.search.endswith("\n" + search_key(name), autoescape=True)
    if connection.scalar(select(exists().where(same))):
        raise NameTakenError(
            f"Somebody has this name already. Received: {name!r}", details={"name": name}
        )


def list_ids(connection: Connection) -> list[str]:
    """List the ids of all people, in no order."""
    return list(connection.scalars(select(people.c.person_id)))


def change(connection: Connection, key: int, new_values: PersonChanges) -> None:
    """Change a person. Raises InvalidNameError, InvalidRequestError."""
    connection.execute(
        update(people)
        .where(people.c.key == key)
        .values(columns(id_of(connection, key), new_values))
    )
    note_change(connection, key, action="update_person", outcome="changed")


def remove(connection: Connection, key: int) -> list[str]:
    """Delete a person with everything that belongs to them.

    That is templates and their media, answers that named them, feedback, what they say
    in transcripts, and what jobs hold. Returns the uploads of jobs to remove (paths
    below the media root).
    """
    uploads = job_files.forget_person(connection, key, id_of(connection, key))
    transcripts.forget_person(connection, key)
    connection.execute(delete(people).where(people.c.key == key))
    return uploads


def note_change(
    connection: Connection,
    key: int,
    *,
    action: str,
    outcome: str,
    detail: audit.Detail | None = None,
) -> None:
    """Note a change for the indexes of all processes and for the audit.

    Call it in the transaction of the change.
    """
    connection.execute(insert(changes).values(person_key=key))
    audit.append(connection, action, outcome, person_key=key, detail=detail)


def note_enrolment(connection: Connection, key: int) -> None:
    """Start the retention period now."""
    connection.execute(
        update(people)
        .where(people.c.key == key)
        .values(enrolled_at=clock.now_for_terms(connection))
    )


def note_seen(connection: Connection, key: int) -> None:
    """Note that the person was recognised now.

    The gallery does not change by it, so no index reads anything again.
    """
    connection.execute(
        update(people).where(people.c.key == key).values(last_seen_at=datetime.now(UTC))
    )


def find(connection: Connection, person_id: str) -> int | None:
    """Internal number of a person (None = nobody has this id)."""
    return connection.scalar(select(people.c.key).where(people.c.person_id == person_id))


def are_there(connection: Connection, person_ids: Collection[str]) -> bool:
    """Whether all these ids are somebody's."""
    asked = set(person_ids)
    there = select(func.count()).where(people.c.person_id.in_(asked))
    return not asked or connection.scalar(there) == len(asked)


def key_of(connection: Connection, person_id: str) -> int:
    """Internal number of a person. Raises InvalidNameError, PersonNotFoundError."""
    key = find(connection, validate_person_id(person_id))
    if key is None:
        raise PersonNotFoundError(
            f"Nobody is enrolled under this person_id. Received: {person_id!r}"
        )
    return key


def id_of(connection: Connection, key: int) -> str:
    """Id of the person of an internal number."""
    person_id: str = connection.scalars(select(people.c.person_id).where(people.c.key == key)).one()
    return person_id


def person_of(connection: Connection, key: int) -> Person:
    """Person of an internal number."""
    row = connection.execute(select(people).where(people.c.key == key)).one()
    return as_person(row, stock_of(connection, [key]).get(key))


def as_person(row: Row[Any], stock: Stock | None = None) -> Person:
    """Make a person of a row of `people` and what else is stored of them."""
    stock = stock or Stock()
    counts = {str(m): stock.counts.get(m, 0) for m in (Modality.FACE, Modality.VOICE)}
    return Person(
        person_id=row.person_id,
        name=row.name,
        created_at=row.created_at,
        note=row.note,
        templates=counts,
        consent=row.consent,
        retention_days=row.retention_days,
        enrolled_at=row.enrolled_at,
        last_seen_at=row.last_seen_at,
        quality=stock.quality,
        has_picture=stock.has_picture,
    )


def stock_of(connection: Connection, keys: Sequence[int]) -> dict[int, Stock]:
    """What is stored of those of `keys` who have templates."""
    stocks: dict[int, Stock] = {}
    for row in connection.execute(_count_templates(keys)):
        stock = stocks.setdefault(row.person_key, Stock())
        stock.counts[row.modality] = row.templates
        stock.quality[row.modality] = float(row.quality)
        has_picture = stock.has_picture or row.pictures > 0
        stocks[row.person_key] = replace(stock, has_picture=has_picture)
    return stocks


def _count_templates(keys: Sequence[int]) -> Select[Any]:
    """One row for each person and modality."""
    c = templates.c
    is_picture = (kept_media.c.template_key == c.key) & (kept_media.c.kind == THUMBNAIL)
    counts = (
        c.person_key,
        c.modality,
        func.count().label("templates"),
        func.avg(c.quality).label("quality"),
        func.count(kept_media.c.key).label("pictures"),
    )
    return (
        select(*counts)
        .outerjoin(kept_media, is_picture)
        .where(c.person_key.in_(keys))
        .group_by(c.person_key, c.modality)
    )


def count(connection: Connection) -> int:
    """Count the people."""
    return connection.scalar(select(func.count()).select_from(people)) or 0


def with_end(connection: Connection) -> list[tuple[int, datetime]]:
    """Internal number and time of deletion of everybody with a retention period.

    Whose row is damaged is left out, so that the terms of all others are kept.
    """
    keys = connection.scalars(select(people.c.key).where(_HAS_TERM).order_by(people.c.key))
    return read_whole(list(keys), partial(_read_ends, connection), _tell_kept)


def _read_ends(connection: Connection, keys: Sequence[int]) -> Iterator[tuple[int, datetime]]:
    """Read the ends of people by rising number."""
    query = select(people).where(_HAS_TERM, people.c.key.between(keys[0], keys[-1]))
    for row in connection.execute(query):
        try:
            end = as_person(row).expires_at
        except OverflowError:
            raise damage_error("a number that is too large", "people.retention_days") from None
        if end is not None:
            yield row.key, end


def _tell_kept(key: int) -> None:
    log.error("a person is damaged and kept beyond any term: row %d (`cli.py check`)", key)


def columns(person_id: str, values: PersonChanges) -> dict[str, Any]:
    """Columns to write for these values.

    Raises InvalidNameError, InvalidRequestError.
    """
    written: dict[str, Any] = {}
    if "name" in values:
        written["name"] = validate_name(values["name"])
        written["search"] = search_key(f"{person_id}\n{written['name']}")
    if "note" in values:
        written["note"] = validate_note(values["note"])
    if "consent" in values:
        written["consent"] = validate_note(values["consent"], "A consent")
    if "retention_days" in values:
        written["retention_days"] = validate_retention_days(values["retention_days"])
    return written
