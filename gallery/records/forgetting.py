"""What stands of somebody in the bytes of the database: pieces that must not be found
any more once it is deleted.

A deletion has two steps: the transaction, and the removal of these pieces from the
bytes of the files. `meta` notes between the two that the second is owed, so that a
process that was killed there leaves it to the next deletion or the next start.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from gallery.records import jobs
from gallery.tables import (
    feedback,
    identifications,
    job_items,
    kept_media,
    meta,
    people,
    reembedded,
    templates,
)

PIECE_BYTES = 64
OWED = "forgetting"
_TEXTS = (people.c.person_id, people.c.name, people.c.note, people.c.consent, people.c.search)
# First, some and last bytes of 2048, counted from 1; a sealed vector is a little longer
_IN_VECTOR = (1, 1000, 1985)


def texts_of(connection: Connection, key: int) -> set[bytes]:
    """Id, name, note and consent of a person, as they are stored: as text, and as in
    the results of jobs, which are JSON.
    """
    texts = connection.execute(select(*_TEXTS).where(people.c.key == key)).one()
    return {text.encode() for text in texts} | {json.dumps(text)[1:-1].encode() for text in texts}


def pieces_of(connection: Connection, which: Any) -> set[bytes]:
    """Pieces of the vectors of templates (a condition on their table), of what is kept
    with them, and the hashes of their clips.
    """
    parts = [func.substr(templates.c.vector, start, PIECE_BYTES) for start in _IN_VECTOR]
    found = {piece for row in connection.execute(select(*parts).where(which)) for piece in row}
    parts = [func.substr(reembedded.c.vector, start, PIECE_BYTES) for start in _IN_VECTOR]
    staged = select(*parts).join(templates, templates.c.key == reembedded.c.key).where(which)
    found |= {piece for row in connection.execute(staged) for piece in row}
    heads = select(func.substr(kept_media.c.data, 1, PIECE_BYTES)).join(
        templates, templates.c.key == kept_media.c.template_key
    )
    clips = connection.scalars(select(templates.c.source_sha256).where(which))
    return (
        found | set(connection.scalars(heads.where(which))) | {sha256.encode() for sha256 in clips}
    )


def all_of(connection: Connection, key: int) -> set[bytes]:
    """Everything that names or shows a person, or leads to them: answers that named
    them, and files of jobs.
    """
    person_id = connection.scalars(select(people.c.person_id).where(people.c.key == key)).one()
    queries = (
        select(identifications.c.request_id).where(identifications.c.person_key == key),
        select(feedback.c.request_id).where(feedback.c.person_key == key),
        select(job_items.c.name).where(jobs.about(key, person_id)),
        select(job_items.c.media).where(jobs.about(key, person_id)),
    )
    leading = {text.encode() for query in queries for text in connection.scalars(query)}
    return (
        texts_of(connection, key) | pieces_of(connection, templates.c.person_key == key) | leading
    )


def owe(connection: Connection) -> bool:
    """Note, in a transaction that deletes, that the second step is owed; whether that
    of an earlier one still is. Only SQLite's files are searched.
    """
    if connection.dialect.name != "sqlite":
        return False
    before = connection.execute(delete(meta).where(meta.c.name == OWED)).rowcount
    connection.execute(insert(meta).values(name=OWED, value="1"))
    return bool(before)


def settle(connection: Connection) -> None:
    """The second step is done."""
    connection.execute(delete(meta).where(meta.c.name == OWED))
