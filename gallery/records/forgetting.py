"""Byte fragments of a person's data that must not remain in the database file.

A deletion has two steps: the transaction, and the removal of these fragments from the
bytes of the files. `meta` notes between the two that the second is pending. Where a
process is killed there, the next deletion or the next start does it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    delete,
    insert,
    select,
)

from gallery.records import people as people_records
from gallery.records import transcripts, visits
from gallery.records.clock import now
from gallery.records.fragments import part_of
from gallery.records.job_files import files_about
from gallery.tables import (
    feedback,
    identifications,
    job_items,
    kept_media,
    meta,
    people,
    reembedded,
    sightings,
    templates,
)

PENDING = "forgetting"
_TEXTS = (people.c.person_id, people.c.name, people.c.note, people.c.consent, people.c.search)
# First, some and last bytes of 2048, counted from 1. A sealed vector is a little
# longer.
_STARTS = (1, 1000, 1985)


def texts_of(connection: Connection, key: int) -> set[bytes]:
    """Id, name, note and consent of a person, as they are stored.

    They stand as text, and as in the results of jobs, which are JSON.
    """
    texts = connection.execute(select(*_TEXTS).where(people.c.key == key)).one()
    return _as_stored(texts)


def _as_stored(texts: Iterable[str]) -> set[bytes]:
    """Texts as they stand in columns, and in columns of JSON."""
    given = {text for text in texts if text}
    as_json = {json.dumps(text)[1:-1].encode() for text in given}
    return as_json | {text.encode() for text in given}


def fragments_of(connection: Connection, which: ColumnElement[bool]) -> set[bytes]:
    """Fragments of templates that meet a condition.

    That is of their vectors and media, and the hashes of their clips.
    """
    staged = _fragments(reembedded.c.vector).join(templates, templates.c.key == reembedded.c.key)
    media = select(part_of(kept_media.c.data)).join(
        templates, templates.c.key == kept_media.c.template_key
    )
    fragments = set[bytes]()
    for query in (_fragments(templates.c.vector), staged, media):
        fragments.update(_values(connection, query.where(which)))
    clips = connection.scalars(select(templates.c.source_sha256).where(which))
    return fragments | {sha256.encode() for sha256 in clips}


def all_of(connection: Connection, key: int) -> set[bytes]:
    """Everything that names or shows a person, or leads to them.

    Answers that named them and files of jobs lead to them. Their turns in transcripts
    hold what they said.
    """
    about = files_about(key, people_records.id_of(connection, key))
    has_request = sightings.c.request_id.is_not(None)
    queries = (
        select(identifications.c.request_id).where(identifications.c.person_key == key),
        select(feedback.c.request_id).where(feedback.c.person_key == key),
        select(sightings.c.request_id).where(sightings.c.person_key == key, has_request),
        select(job_items.c.name).where(about),
        select(job_items.c.media).where(about),
    )
    leads = set[bytes]()
    for query in queries:
        leads.update(text.encode() for text in connection.scalars(query))
    for facts in connection.scalars(select(job_items.c.facts).where(about)):
        leads |= _as_stored(map(str, (facts or {}).values()))
    mine = templates.c.person_key == key
    leads |= transcripts.fragments_of(connection, key)
    leads |= visits.fragments_of(connection, key)
    return texts_of(connection, key) | fragments_of(connection, mine) | leads


def mark_cleanup_pending(connection: Connection) -> bool:
    """Note, in a transaction that deletes, that its second step is pending.

    Returns whether that of an earlier deletion still is. Only SQLite's files are
    searched.
    """
    if connection.dialect.name != "sqlite":
        return False
    earlier = connection.execute(delete(meta).where(meta.c.name == PENDING)).rowcount
    connection.execute(insert(meta).values(name=PENDING, value=now().isoformat()))
    return bool(earlier)


def is_cleanup_pending(connection: Connection, longer_than: timedelta | None = None) -> bool:
    """Whether the second step of a deletion is pending, or is for longer than that.

    A moment that nobody can read, or that is to come, is long ago.
    """
    query = select(meta.c.value).where(meta.c.name == PENDING)
    noted = connection.scalar(query)
    if noted is None or longer_than is None:
        return noted is not None
    with suppress(ValueError, TypeError):
        return not timedelta(0) <= now() - datetime.fromisoformat(noted) <= longer_than
    return True


def clear_cleanup_pending(connection: Connection) -> None:
    """Note that the second step is done."""
    connection.execute(delete(meta).where(meta.c.name == PENDING))


def _fragments(vector: ColumnElement[bytes]) -> Select[tuple[bytes, ...]]:
    return select(*(part_of(vector, start) for start in _STARTS))


def _values(connection: Connection, query: Select[tuple[bytes, ...]]) -> Iterator[bytes]:
    for row in connection.execute(query):
        yield from row
