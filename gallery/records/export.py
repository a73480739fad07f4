"""Everything that is stored on one person, as one JSON document: what a person may ask
for (GDPR, article 15).
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from gallery import vectors
from gallery.encryption.sealing import Codec
from gallery.records import feedback, jobs, kept, people
from gallery.tables import events, job_items, templates
from gallery.tables import jobs as jobs_table

FORMAT = "duet-person-1"
_EVENT = ("event_id", "at", "actor", "action", "outcome", "detail")


def document(connection: Connection, codec: Codec, key: int) -> dict[str, Any]:
    """Values that JSON knows: times in ISO 8601, vectors as lists of 512 numbers, kept
    media in base64. Raises StoreUnavailableError.
    """
    person = people.person_of(connection, key)
    found: dict[str, Any] = {
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
        "templates": [
            _template(connection, codec, row)
            for row in connection.execute(
                select(templates).where(templates.c.person_key == key).order_by(templates.c.key)
            )
        ],
        **feedback.of_person(connection, key),
        "jobs": _jobs(connection, key, person.person_id),
        "events": _events(connection, key),
    }
    readable: dict[str, Any] = _readable(found)
    return readable


def _template(connection: Connection, codec: Codec, row: Any) -> dict[str, Any]:
    vector = vectors.from_bytes(
        [codec.open(row.vector, row.sealed_by, row.template_id, row.modality, row.encoder_id)]
    )[0]
    media = {
        kind: {"content_type": kept.CONTENT_TYPES[kind], "base64": base64.b64encode(data).decode()}
        for kind, data in kept.read(connection, codec, row.template_id).items()
    }
    about = {
        name: getattr(row, name)
        for name in (
            "template_id",
            "modality",
            "quality",
            "encoder_id",
            "source_sha256",
            "created_at",
        )
    }
    # The shortest figures that are the same float32
    return {**about, "vector": [float(str(v)) for v in vector], "media": media}


def _jobs(connection: Connection, key: int, person_id: str) -> list[dict[str, Any]]:
    """Files of batch jobs that were about the person, or whose answer names them."""
    c = job_items.c
    of_job = jobs_table.c
    query = select(of_job.job_id, of_job.action, c.name, c.state, c.result).join(
        jobs_table, of_job.key == c.job_key
    )
    return [
        dict(row._mapping)
        for row in connection.execute(query.where(jobs.about(key, person_id)).order_by(c.key))
    ]


def _events(connection: Connection, key: int) -> list[dict[str, Any]]:
    """The rows of the audit on the person, and on the entries that were merged into
    theirs.
    """
    found: dict[int, dict[str, Any]] = {}
    look_up = {key}
    seen = set()
    while look_up:
        rows = connection.execute(select(events).where(events.c.person_key.in_(look_up))).all()
        seen |= look_up
        found |= {row.event_id: {name: getattr(row, name) for name in _EVENT} for row in rows}
        look_up = {
            row.detail["other"]
            for row in rows
            if row.action == "merge_people" and "other" in row.detail
        } - seen
    return [found[number] for number in sorted(found)]


def _readable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _readable(v) for name, v in value.items()}
    if isinstance(value, list):
        return [_readable(v) for v in value]
    return value.isoformat() if isinstance(value, datetime) else value
