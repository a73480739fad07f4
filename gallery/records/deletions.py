"""What the audit tells of deletions, in internal numbers that name nobody.

A gallery that is restored from a backup is a gallery of the past. These rows say what was
deleted since, so that it can be deleted again (`replay`). Numbers are never given twice,
and the first row of the audit is the same in all copies of a gallery.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, exists, or_, select

from gallery.records import groups, merging, people, strangers, templates, transcripts
from gallery.tables import events, people_groups
from gallery.tables import people as people_table
from gallery.tables import strangers as strangers_table
from gallery.tables import templates as templates_table
from gallery.tables import transcripts as transcripts_table

_PERSON = ("delete_person", "forget_expired")
_TEMPLATE = ("delete_template", "move_template")
_GROUP = ("delete_group", "take_from_group")
_DELETES = or_(
    events.c.action.in_(
        (*_PERSON, *_TEMPLATE, *_GROUP, "merge_people", "delete_transcript", "delete_stranger")
    ),
    and_(events.c.action == "enroll", events.c.outcome == "replaced"),
)
NUMBERS = ("template", "transcript", "stranger", "group", "into", "other")
"""Parts of a detail that are internal numbers."""


@dataclass(frozen=True)
class Deletion:
    """A row of the audit that took something out of the gallery.

    `hash` is that of the row, which no other row of any copy of the gallery has.
    """

    event_id: int
    at: datetime
    action: str
    person_key: int | None
    detail: dict[str, Any]
    hash: str


def after(connection: Connection, event_id: int) -> tuple[Deletion, ...]:
    """Read the deletions behind a row of the audit, oldest first."""
    c = events.c
    columns = (c.event_id, c.at, c.action, c.person_key, c.detail, c.hash)
    later = and_(c.event_id > event_id, _DELETES)
    rows = connection.execute(select(*columns).where(later).order_by(c.event_id))
    return tuple(Deletion(**row._mapping) for row in rows)


def lineage_of(connection: Connection) -> str:
    """Hash of the first row of the audit, which all copies of a gallery share ("" = no row)."""
    return connection.scalar(select(events.c.hash).where(events.c.event_id == 1)) or ""


def is_known(connection: Connection, deletion: Deletion) -> bool:
    """Whether the gallery holds the row of a deletion, so that it is done there."""
    c = events.c
    query = select(c.event_id).where(c.event_id == deletion.event_id, c.hash == deletion.hash)
    return connection.scalar(query) is not None


def replay(connection: Connection, deletion: Deletion) -> None:
    """Do a deletion again. What is not there is left out.

    A template that was given to somebody else is deleted: whoever got it may be gone, too.
    """
    key = deletion.person_key
    if deletion.action == "delete_transcript":
        _remove_transcript(connection, deletion.detail.get("transcript", 0))
    elif deletion.action == "delete_stranger":
        strangers.remove(connection, deletion.detail.get("stranger", 0), "deleted")
    elif deletion.action == "delete_group":
        groups.remove_by_key(connection, deletion.detail.get("group", 0))
    elif key is None or not _is_there(connection, key):
        return
    elif deletion.action in _PERSON:
        people.remove(connection, key)
        people.note_change(connection, key, action=deletion.action, outcome="deleted")
    elif deletion.action == "merge_people":
        _merge_again(connection, key, deletion.detail)
    elif deletion.action == "take_from_group":
        groups.take_out_by_key(connection, deletion.detail.get("group", 0), key)
    elif deletion.action in _TEMPLATE:
        _remove_template(connection, key, deletion.detail.get("template", 0))
    else:
        templates.remove(connection, key)
        people.note_change(connection, key, action="delete_template", outcome="deleted")


def numbers_in(deletions: Iterable[Deletion]) -> dict[str, int]:
    """Highest internal numbers that deletions name, by table."""
    tables = (people_table, templates_table, transcripts_table, strangers_table, people_groups)
    highest = {table.name: 0 for table in tables}
    for deletion in deletions:
        named = {
            people_table.name: deletion.person_key or 0,
            templates_table.name: deletion.detail.get("template", 0),
            transcripts_table.name: deletion.detail.get("transcript", 0),
            strangers_table.name: deletion.detail.get("stranger", 0),
            people_groups.name: deletion.detail.get("group", 0),
        }
        highest = {table: max(highest[table], named[table]) for table in highest}
    return highest


def _is_there(connection: Connection, key: int) -> bool:
    return bool(connection.scalar(select(exists().where(people_table.c.key == key))))


def _merge_again(connection: Connection, key: int, detail: dict[str, Any]) -> None:
    """Merge the entry of the row into the other one, or the reverse: two rows tell of it."""
    into = detail.get("into")
    other = detail.get("other")
    if into is not None and _is_there(connection, into):
        merging.merge(connection, into, key)
    elif other is not None and _is_there(connection, other):
        merging.merge(connection, key, other)


def _remove_transcript(connection: Connection, number: int) -> None:
    c = transcripts_table.c
    transcript_id = connection.scalar(select(c.transcript_id).where(c.key == number))
    if transcript_id is not None:
        transcripts.remove(connection, transcript_id)


def _remove_template(connection: Connection, key: int, number: int) -> None:
    c = templates_table.c
    mine = and_(c.key == number, c.person_key == key)
    if connection.execute(delete(templates_table).where(mine)).rowcount:
        people.note_change(
            connection,
            key,
            action="delete_template",
            outcome="deleted",
            detail={"template": number},
        )
