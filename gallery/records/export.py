"""Export of everything that is stored on one person, as one JSON document.

A person may ask for it (GDPR, article 15).
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from gallery import vectors
from gallery.damage import damage_error
from gallery.encryption.sealing import Codec
from gallery.records import (
    feedback,
    groups,
    people,
    sightings,
    stored_media,
    transcripts,
    visits,
)
from gallery.records.job_files import files_about
from gallery.tables import events, job_items, jobs, templates

FORMAT = "duet-person-1"
_EVENT = ("event_id", "at", "actor", "action", "outcome", "detail")
_TEMPLATE = (
    "template_id",
    "modality",
    "quality",
    "encoder_id",
    "source_sha256",
    "created_at",
)


def document(connection: Connection, codec: Codec, key: int) -> dict[str, Any]:
    """Make the document of a person, of values that JSON knows.

    Times are in ISO 8601, vectors lists of 512 numbers, media in base64. Raises
    StoreUnavailableError.
    """
    person = people.person_of(connection, key)
    rows = connection.execute(
        select(templates).where(templates.c.person_key == key).order_by(templates.c.key)
    )
    content: dict[str, Any] = {
        "format": FORMAT,
        "exported_at": datetime.now(UTC),
        "person": {
            "person_id": person.person_id,
            "name": person.name,
            "note": person.note,
            "consent": person.consent,
            "retention_days": person.retention_days,
            "created_at": person.created_at,
            "enrolled_at": person.enrolled_at,
            "expires_at": person.expires_at,
            "last_seen_at": person.last_seen_at,
        },
        "groups": groups.groups_of(connection, key),
        "sightings": sightings.of_person(connection, key),
        "visits": visits.of_person(connection, codec, key),
        "templates": [_template(connection, codec, row) for row in rows],
        **feedback.of_person(connection, key),
        "transcripts": transcripts.of_person(connection, codec, key),
        "jobs": _jobs(connection, key, person.person_id),
        "events": _events(connection, key),
    }
    readable: dict[str, Any] = _readable(content)
    return readable


def _template(connection: Connection, codec: Codec, row: Row[Any]) -> dict[str, Any]:
    about = (row.template_id, row.modality, row.encoder_id)
    vector = vectors.from_bytes([codec.open(row.vector, row.sealed_by, *about)])[0]
    media = stored_media.read(connection, codec, row.template_id)
    return {
        **{name: getattr(row, name) for name in _TEMPLATE},
        # The shortest figures that are the same float32.
        "vector": [float(str(number)) for number in vector],
        "media": {kind: _medium(kind, data) for kind, data in media.items()},
    }


def _medium(kind: str, data: bytes) -> dict[str, str]:
    if kind not in stored_media.CONTENT_TYPES:
        raise damage_error("a word that is none of those known", "kept_media.kind")
    return {
        "content_type": stored_media.CONTENT_TYPES[kind],
        "base64": base64.b64encode(data).decode(),
    }


def _jobs(connection: Connection, key: int, person_id: str) -> list[dict[str, Any]]:
    """Files of batch jobs that were about the person, or whose answer names them."""
    item = job_items.c
    columns = (jobs.c.job_id, jobs.c.action, item.name, item.state, item.facts, item.result)
    query = (
        select(*columns)
        .join(jobs, jobs.c.key == item.job_key)
        .where(files_about(key, person_id))
        .order_by(item.key)
    )
    return [dict(row._mapping) for row in connection.execute(query)]


def _events(connection: Connection, key: int) -> list[dict[str, Any]]:
    """Rows of the audit on the person, and on the entries merged into theirs."""
    events_by_id: dict[int, dict[str, Any]] = {}
    pending = {key}
    seen = set[int]()
    while pending:
        rows = connection.execute(select(events).where(events.c.person_key.in_(pending))).all()
        seen |= pending
        pending = set[int]()
        for row in rows:
            events_by_id[row.event_id] = {name: getattr(row, name) for name in _EVENT}
            if row.action == "merge_people" and "other" in row.detail:
                pending.add(row.detail["other"])
        pending -= seen
    return [events_by_id[number] for number in sorted(events_by_id)]


def _readable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _readable(v) for name, v in value.items()}
    if isinstance(value, list):
        return [_readable(v) for v in value]
    if isinstance(value, bytes):  # in a column of texts
        raise damage_error("bytes in the place of a text")
    return value.isoformat() if isinstance(value, datetime) else value
