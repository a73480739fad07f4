"""Feedback: whether people whom an answer named agree with it.

An answer is remembered for some days (DUET_FEEDBACK_DAYS) by its request id: one row
for each modality that named somebody. Feedback ("this is me", "not this person") turns
these rows into trials for the next calibration. Trials stay until the person is
deleted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Table, delete, insert, select

from gallery import audit
from gallery.records import clock, people
from gallery.tables import feedback, identifications
from utils.errors import IdentificationNotFoundError
from utils.modality import Modality


class Trial(NamedTuple):
    """A comparison whose truth is known from feedback.

    `strength` is of a clip and a person (`scoring/calibration.py`). `same`: the clip is
    of this person.
    """

    modality: Modality
    strength: float
    same: bool


@dataclass(frozen=True)
class NamedPerson:
    """The comparison that named a person in an answer, by one modality.

    Attributes:
        score: cosine in [-1, 1].
        strength: of the clip and the person (`scoring/calibration.py`).
        speech_s: seconds of speech in the clip.
        scale_id: scale of the strength (`Calibration.scale_id`).
    """

    person_id: str
    modality: Modality
    score: float
    strength: float
    speech_s: float
    encoder_id: str
    scale_id: str


def remember(connection: Connection, request_id: str, named: Sequence[NamedPerson]) -> None:
    """Remember who is named in an answer, and who asked.

    Of two answers under one request id the later counts.
    """
    connection.execute(delete(identifications).where(identifications.c.request_id == request_id))
    ids = {person.person_id for person in named}
    keys = {person_id: people.find(connection, person_id) for person_id in ids}
    there = [person for person in named if keys[person.person_id] is not None]
    if not there:  # deleted since
        return
    shared = {
        "request_id": request_id,
        "at": clock.now_for_terms(connection),
        "actor": audit.ACTOR.get(),
    }
    rows = [_values_of(person) | {"person_key": keys[person.person_id]} for person in there]
    connection.execute(insert(identifications), [shared | row for row in rows])


def _values_of(person: NamedPerson) -> dict[str, Any]:
    return {name: value for name, value in asdict(person).items() if name != "person_id"}


def forget_old(connection: Connection, days: float) -> None:
    """Forget answers that are more than `days` days old."""
    connection.execute(
        delete(identifications).where(identifications.c.at < clock.now() - timedelta(days=days))
    )


@dataclass(frozen=True)
class NewFeedback:
    """What somebody says of an answer: its clip is (`same`) or is not of the person.

    `asked_by`: take it only where this actor was given the answer; None = whoever was.
    """

    request_id: str
    person_key: int
    same: bool
    asked_by: str | None = None


def give(connection: Connection, new: NewFeedback) -> tuple[Modality, ...]:
    """Store feedback on a remembered answer, in place of earlier feedback.

    Returns the modalities that named the person. Raises IdentificationNotFoundError.
    """
    rows = _read_named(connection, new)
    if not rows:
        raise IdentificationNotFoundError(
            "No remembered answer of this request names the person. Received:"
            f" request_id={new.request_id[:64]!r}"
        )
    connection.execute(
        delete(feedback).where(
            feedback.c.request_id == new.request_id, feedback.c.person_key == new.person_key
        )
    )
    connection.execute(insert(feedback), [_trial_values(row, new) for row in rows])
    return tuple(Modality(row.modality) for row in rows)


def take_back(connection: Connection, request_id: str, person_key: int) -> None:
    """Forget what somebody said of an answer about a person."""
    mine = (feedback.c.request_id == request_id, feedback.c.person_key == person_key)
    connection.execute(delete(feedback).where(*mine))


def _read_named(connection: Connection, new: NewFeedback) -> Sequence[Row[Any]]:
    """Rows of the answer that name the person."""
    query = select(identifications).where(
        identifications.c.request_id == new.request_id,
        identifications.c.person_key == new.person_key,
    )
    if new.asked_by is not None:
        query = query.where(identifications.c.actor == new.asked_by)
    return connection.execute(query.order_by(identifications.c.modality)).all()


def _trial_values(row: Row[Any], new: NewFeedback) -> dict[str, Any]:
    return {
        "at": datetime.now(UTC),
        "request_id": new.request_id,
        "person_key": new.person_key,
        "modality": row.modality,
        "score": row.score,
        "speech_s": row.speech_s,
        "same": new.same,
        "encoder_id": row.encoder_id,
        "strength": row.strength,
        "scale_id": row.scale_id,
    }


def trials(
    connection: Connection, encoder_ids: Mapping[str, str], scale_ids: Mapping[str, str]
) -> tuple[Trial, ...]:
    """List the trials of these encoders and scales (ids by modality), oldest first.

    Strengths of others mean something else.
    """
    rows = connection.execute(
        select(feedback).where(feedback.c.strength.is_not(None)).order_by(feedback.c.key)
    )
    return tuple(
        Trial(Modality(row.modality), row.strength, row.same)
        for row in rows
        if (row.encoder_id, row.scale_id)
        == (encoder_ids.get(row.modality), scale_ids.get(row.modality))
    )


def move(connection: Connection, key: int, other: int) -> None:
    """Give what is remembered of the person `other` to the person `key`."""
    mine = select(feedback.c.request_id).where(feedback.c.person_key == key)
    connection.execute(
        delete(feedback).where(feedback.c.person_key == other, feedback.c.request_id.in_(mine))
    )
    for table in (feedback, identifications):
        connection.execute(table.update().where(table.c.person_key == other).values(person_key=key))


def of_person(connection: Connection, key: int) -> dict[str, list[dict[str, Any]]]:
    """Answers that named a person and feedback on them, for an export."""
    return {
        "identifications": _rows(connection, identifications, key),
        "feedback": _rows(connection, feedback, key),
    }


def _rows(connection: Connection, table: Table, key: int) -> list[dict[str, Any]]:
    columns = [c for c in table.c if c.name not in ("key", "person_key")]
    query = select(*columns).where(table.c.person_key == key).order_by(table.c.at)
    return [dict(row._mapping) for row in connection.execute(query)]
