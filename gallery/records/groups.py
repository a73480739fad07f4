"""Groups of people: a site, a department, a watch list.

A group with `retention_days` shortens the retention of those who are put into it, and
never lengthens it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, exists, func, insert, or_, select, update

from gallery import audit
from gallery.damage import list_whole
from gallery.names import validate_name, validate_person_id, validate_retention_days
from gallery.records import people as people_records
from gallery.tables import group_members as members
from gallery.tables import people
from gallery.tables import people_groups as groups
from utils.errors import GroupExistsError, GroupNotFoundError, InvalidNameError


@dataclass(frozen=True)
class NewGroup:
    """A group that is to be made. Fields as of `Group`."""

    group_id: str
    name: str | None = None
    watched: bool = False
    retention_days: int | None = None


@dataclass(frozen=True)
class Group:
    """A group of people.

    Attributes:
        group_id: its id, of the characters of a person id.
        name: how it is shown.
        watched: whether it is a sighting when somebody of it is recognised.
        retention_days: longest retention of those who are put into it; None = any.
        created_at: when it was made.
        people: number of people in it.
    """

    group_id: str
    name: str
    watched: bool
    retention_days: int | None
    created_at: datetime
    people: int


def create(connection: Connection, new: NewGroup) -> Group:
    """Make a group without anybody in it.

    Raises InvalidNameError, InvalidRequestError, GroupExistsError.
    """
    group_id = _validate_id(new.group_id)
    if connection.scalar(select(exists().where(groups.c.group_id == group_id))):
        raise GroupExistsError(f"The group_id must be new. Received: {group_id!r}")
    connection.execute(
        insert(groups).values(
            group_id=group_id,
            name=validate_name(group_id if new.name is None else new.name),
            watched=new.watched,
            retention_days=validate_retention_days(new.retention_days),
            created_at=datetime.now(UTC),
        )
    )
    audit.append(connection, "create_group", "created")
    return get(connection, group_id)


def _validate_id(group_id: str) -> str:
    try:
        return validate_person_id(group_id)
    except InvalidNameError as error:
        message = error.message.replace("A person_id", "A group_id")
        raise InvalidNameError(message, "Use a short name without spaces.") from None


def list_all(connection: Connection) -> tuple[Group, ...]:
    """List all groups, by id."""
    query = _select().order_by("group_id")
    return tuple(list_whole(connection, query, groups, _as_group))


def get(connection: Connection, group_id: str) -> Group:
    """Read a group. Raises GroupNotFoundError."""
    row = connection.execute(_select().where(groups.c.group_id == group_id)).one_or_none()
    if row is None:
        raise GroupNotFoundError(f"There is no group of this id. Received: {group_id[:128]!r}")
    return _as_group(row)


def key_of(connection: Connection, group_id: str) -> int:
    """Find the internal number of a group. Raises GroupNotFoundError."""
    get(connection, group_id)
    return int(connection.scalars(select(groups.c.key).where(groups.c.group_id == group_id)).one())


def remove(connection: Connection, group_id: str) -> None:
    """Delete a group, and nobody in it. Raises GroupNotFoundError."""
    remove_by_key(connection, key_of(connection, group_id))


def remove_by_key(connection: Connection, key: int) -> bool:
    """Delete the group of an internal number. Returns False where there is none."""
    removed = connection.execute(delete(groups).where(groups.c.key == key)).rowcount
    if removed:
        audit.append(connection, "delete_group", "deleted", detail={"group": key})
    return bool(removed)


def add(connection: Connection, group_id: str, person_id: str) -> bool:
    """Put a person into a group. Returns False where the person is in it.

    Raises GroupNotFoundError, PersonNotFoundError.
    """
    key = key_of(connection, group_id)
    person_key = people_records.key_of(connection, person_id)
    if connection.scalar(select(exists().where(*_membership(key, person_key)))):
        return False
    connection.execute(insert(members).values(group_key=key, person_key=person_key))
    _shorten_retention(connection, person_key, get(connection, group_id).retention_days)
    people_records.note_change(
        connection, person_key, action="add_to_group", outcome="added", detail={"group": key}
    )
    return True


def take_out(connection: Connection, group_id: str, person_id: str) -> bool:
    """Take a person out of a group. Returns False where the person is not in it.

    Raises GroupNotFoundError, PersonNotFoundError.
    """
    key = key_of(connection, group_id)
    return take_out_by_key(connection, key, people_records.key_of(connection, person_id))


def take_out_by_key(connection: Connection, key: int, person_key: int) -> bool:
    """Take a person out of a group, both by number. Returns False where they are not in it."""
    removed = connection.execute(delete(members).where(*_membership(key, person_key))).rowcount
    if removed:
        people_records.note_change(
            connection,
            person_key,
            action="take_from_group",
            outcome="removed",
            detail={"group": key},
        )
    return bool(removed)


def names_of(connection: Connection, group_id: str) -> dict[str, str]:
    """Names of the people in a group by their ids, sorted. Raises GroupNotFoundError."""
    key = key_of(connection, group_id)
    query = select(people.c.person_id, people.c.name)
    query = query.join(members, members.c.person_key == people.c.key)
    query = query.where(members.c.group_key == key)
    return dict(
        sorted(list_whole(connection, query, people, lambda row: (row.person_id, row.name)))
    )


def keys_of(connection: Connection, group_id: str) -> list[int]:
    """List the internal numbers of the people in a group. Raises GroupNotFoundError."""
    key = key_of(connection, group_id)
    query = select(members.c.person_key).where(members.c.group_key == key)
    return list(connection.scalars(query.order_by(members.c.person_key)))


def groups_of(connection: Connection, person_key: int) -> list[str]:
    """List the ids of the groups that a person is in, sorted."""
    query = select(groups.c.group_id).join(members, members.c.group_key == groups.c.key)
    return sorted(connection.scalars(query.where(members.c.person_key == person_key)))


def watched_groups_of(connection: Connection, person_key: int) -> list[int]:
    """List the internal numbers of the watched groups that a person is in."""
    query = select(groups.c.key).join(members, members.c.group_key == groups.c.key)
    mine = (members.c.person_key == person_key, groups.c.watched)
    return list(connection.scalars(query.where(*mine).order_by(groups.c.key)))


def move(connection: Connection, key: int, other: int) -> None:
    """Put the person `key` into the groups of the person `other`."""
    mine = set(connection.scalars(select(members.c.group_key).where(members.c.person_key == key)))
    theirs = connection.scalars(select(members.c.group_key).where(members.c.person_key == other))
    for group_key in set(theirs) - mine:
        connection.execute(insert(members).values(group_key=group_key, person_key=key))


def _membership(key: int, person_key: int) -> tuple[Any, ...]:
    return members.c.group_key == key, members.c.person_key == person_key


def _shorten_retention(connection: Connection, person_key: int, days: int | None) -> None:
    if days is None:
        return
    is_longer = or_(people.c.retention_days.is_(None), people.c.retention_days > days)
    mine = people.c.key == person_key
    connection.execute(update(people).where(mine, is_longer).values(retention_days=days))


def _select() -> Select[Any]:
    count = (
        select(func.count()).where(members.c.group_key == groups.c.key).correlate(groups)
    ).scalar_subquery()
    return select(groups, count.label("people"))


def _as_group(row: Row[Any]) -> Group:
    return Group(
        group_id=row.group_id,
        name=row.name,
        watched=row.watched,
        retention_days=row.retention_days,
        created_at=row.created_at,
        people=row.people,
    )
