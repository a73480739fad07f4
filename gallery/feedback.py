"""Who was named in the latest answers, and what people said of it: "this is me", "not this person".

An answer is remembered for some days (DUET_FEEDBACK_DAYS) by its request id: one row for each modality that named somebody. What is said of
it turns its rows into trials for the next calibration, which stay until the person is deleted.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, insert, select

from gallery import people
from gallery.tables import feedback, identifications
from utils.errors import IdentificationNotFoundError
from utils.types import Identification, Modality


class Named(NamedTuple):
    """One modality's answer: who was named, by which `score` (cosine) of which encoder, with how much speech heard, in seconds."""

    modality: Modality
    person_id: str
    score: float
    speech_s: float
    encoder_id: str


class Trial(NamedTuple):
    """A comparison of which somebody said what is true. `score` = cosine of a clip and a person; `same`: the clip is of this person."""

    modality: Modality
    score: float
    same: bool
    speech_s: float


def named_in(answer: Identification) -> list[Named]:
    """Who is named in an answer. A fused answer that rests on one modality is that modality's comparison, and no other."""
    heard = answer.speech_quality.speech_s if answer.speech_quality else 0.0
    decisions = {Modality.FUSED: answer.fused, Modality.FACE: answer.face, Modality.VOICE: answer.voice}
    return [Named(m, d.match.person_id, d.match.score, heard, answer.encoder_ids[m]) for m, d in decisions.items()
            if d.match is not None and d.modality == m]


def remember(connection: Connection, request_id: str, named: Sequence[Named]) -> None:
    """Remember an answer; of two answers under one request id the later counts."""
    connection.execute(delete(identifications).where(identifications.c.request_id == request_id))
    for answer in named:
        key = people.find(connection, answer.person_id)
        if key is not None:  # else deleted since
            connection.execute(insert(identifications).values(
                request_id=request_id, at=datetime.now(UTC), modality=answer.modality, person_key=key, score=answer.score,
                speech_s=answer.speech_s, encoder_id=answer.encoder_id))


def forget_old(connection: Connection, days: float) -> None:
    """Forget answers of more than so many days ago."""
    connection.execute(delete(identifications).where(identifications.c.at < datetime.now(UTC) - timedelta(days=days)))


def give(connection: Connection, request_id: str, person_key: int, same: bool) -> tuple[Modality, ...]:
    """Keep what is true of a remembered answer; what was said of it before is replaced. Returns the modalities that named the person.
    Raises IdentificationNotFoundError."""
    of = (identifications.c.request_id == request_id, identifications.c.person_key == person_key)
    rows = connection.execute(select(identifications).where(*of).order_by(identifications.c.modality)).all()
    if not rows:
        raise IdentificationNotFoundError(f"Feedback is on a person who was named in an answer. Received: request_id={request_id[:64]!a}")
    connection.execute(delete(feedback).where(feedback.c.request_id == request_id, feedback.c.person_key == person_key))
    connection.execute(insert(feedback), [
        {"at": datetime.now(UTC), "request_id": request_id, "person_key": person_key, "modality": row.modality, "score": row.score,
         "speech_s": row.speech_s, "same": same, "encoder_id": row.encoder_id} for row in rows])
    return tuple(Modality(row.modality) for row in rows)


def trials(connection: Connection, encoder_ids: Mapping[str, str]) -> tuple[Trial, ...]:
    """What was said of scores of these encoders (ids by modality), oldest first: those of another model mean something else."""
    rows = connection.execute(select(feedback).order_by(feedback.c.key))
    return tuple(Trial(Modality(row.modality), row.score, row.same, row.speech_s) for row in rows
                 if row.encoder_id is not None and row.encoder_id == encoder_ids.get(row.modality))


def move(connection: Connection, key: int, other: int) -> None:
    """Let what is remembered of the person `other` be of the person `key`."""
    mine = select(feedback.c.request_id).where(feedback.c.person_key == key)
    connection.execute(delete(feedback).where(feedback.c.person_key == other, feedback.c.request_id.in_(mine)))
    for table in (feedback, identifications):
        connection.execute(table.update().where(table.c.person_key == other).values(person_key=key))


def of_person(connection: Connection, key: int) -> dict[str, list[dict[str, Any]]]:
    """Answers that named a person and what was said of them, for an export."""
    return {"identifications": _rows(connection, identifications, key), "feedback": _rows(connection, feedback, key)}


def _rows(connection: Connection, table: Any, key: int) -> list[dict[str, Any]]:
    columns = [c for c in table.c if c.name not in ("key", "person_key")]
    return [dict(row._mapping) for row in connection.execute(select(*columns).where(table.c.person_key == key).order_by(table.c.at))]
