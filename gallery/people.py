"""People in the database: functions on a connection, in the transaction of their caller.

Ids, names and notes are checked here, so that nothing that came another way than the web is stored unchecked.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, exists, func, insert, select, update

from gallery import audit
from gallery.names import search_key, validate_name, validate_note, validate_person_id
from gallery.results import PeoplePage
from gallery.tables import changes, people, templates
from utils.errors import InvalidRequestError, PersonExistsError, PersonNotFoundError
from utils.types import Modality, Person

MAX_PAGE = 1000


@dataclass(frozen=True)
class NewPerson:
    """Someone to be created; `name` None = the id."""

    person_id: str
    name: str | None = None
    note: str = ""


def create(connection: Connection, new: NewPerson) -> int:
    """Returns the internal number. Raises InvalidNameError, PersonExistsError."""
    person_id = validate_person_id(new.person_id)
    name = validate_name(person_id if new.name is None else new.name)
    if connection.scalar(select(exists().where(people.c.person_id == person_id))):
        raise PersonExistsError(f"The person_id must be new. Received: {person_id!r}")
    key = connection.execute(insert(people).values(
        person_id=person_id, name=name, note=validate_note(new.note), search=search_text(person_id, name), created_at=datetime.now(UTC),
    )).inserted_primary_key
    assert key is not None
    changed(connection, key[0], "create_person", "created")
    return int(key[0])


def search_text(person_id: str, name: str) -> str:
    """What a search looks in."""
    return search_key(f"{person_id}\n{name}")


def changed(connection: Connection, key: int, action: str, outcome: str, detail: audit.Detail | None = None) -> None:
    """Tell the indexes of all processes, and the audit, in the transaction of the change."""
    connection.execute(insert(changes).values(person_key=key))
    audit.append(connection, action, outcome, key, detail)


def find(connection: Connection, person_id: str) -> int | None:
    """Internal number of a person; None = nobody of this id."""
    return connection.scalar(select(people.c.key).where(people.c.person_id == person_id))


def key_of(connection: Connection, person_id: str) -> int:
    """Internal number of a person. Raises InvalidNameError, PersonNotFoundError."""
    key = find(connection, validate_person_id(person_id))
    if key is None:
        raise PersonNotFoundError(f"Nobody is enrolled under this person_id. Received: {person_id!r}")
    return key


def person_of(connection: Connection, key: int) -> Person:
    """The person of an internal number who is there."""
    return as_person(connection.execute(select(people).where(people.c.key == key)).one(), counts_of(connection, [key]).get(key, {}))


def as_person(row: Row[Any], counts: dict[str, int]) -> Person:
    """A row of `people` and the number of templates by modality → the person."""
    return Person(row.person_id, row.name, row.created_at, row.note, {str(m): counts.get(m, 0) for m in (Modality.FACE, Modality.VOICE)})


def counts_of(connection: Connection, keys: Sequence[int]) -> dict[int, dict[str, int]]:
    """How many templates of each modality people have."""
    found: dict[int, dict[str, int]] = {}
    query: Select[Any] = select(templates.c.person_key, templates.c.modality, func.count()).where(templates.c.person_key.in_(keys))
    for key, modality, count in connection.execute(query.group_by(templates.c.person_key, templates.c.modality)):
        found.setdefault(key, {})[modality] = count
    return found


def page_of(connection: Connection, search: str, offset: int, limit: int) -> PeoplePage:
    """People whose id or name holds `search` in any case, by id. Raises InvalidRequestError."""
    if offset < 0 or not 1 <= limit <= MAX_PAGE:
        raise InvalidRequestError(f"offset must be 0 or more and limit 1 to {MAX_PAGE}. Received: offset={offset}, limit={limit}")
    fits = people.c.search.contains(search_key(search), autoescape=True)
    total = connection.scalar(select(func.count()).select_from(people).where(fits)) or 0
    rows = connection.execute(select(people).where(fits).order_by(people.c.person_id).offset(offset).limit(limit)).all()
    counts = counts_of(connection, [row.key for row in rows])
    return PeoplePage(tuple(as_person(row, counts.get(row.key, {})) for row in rows), total, offset, limit)


def change(connection: Connection, key: int, values: Mapping[str, Any]) -> None:
    """Write columns of a person."""
    connection.execute(update(people).where(people.c.key == key).values(values))
    changed(connection, key, "update_person", "changed")


def delete_key(connection: Connection, key: int) -> None:
    """Delete a person with all that hangs on them."""
    connection.execute(delete(people).where(people.c.key == key))
    changed(connection, key, "delete_person", "deleted")


def count(connection: Connection) -> int:
    """How many people there are."""
    return connection.scalar(select(func.count()).select_from(people)) or 0
