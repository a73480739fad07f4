"""Visits: whom each answer was about, kept for a term (DUET_VISIT_DAYS).

A visit refers to people by internal number, so a new name shows everywhere, and whoever is
deleted takes theirs along. How sure the answer was, by what, and who asked are sealed by
the codec of the gallery, bound to the row. A correction marks an answer as wrong and may
say who it was. It changes no template.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypedDict

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from gallery import audit
from gallery.damage import list_whole, read_object
from gallery.encryption.sealing import Codec
from gallery.records import clock, feedback, keys, people
from gallery.records.feedback import NewFeedback
from gallery.records.fragments import part_of
from gallery.results import MAX_PAGE
from gallery.table_base import bound_key
from gallery.tables import people as people_table
from gallery.tables import strangers, visits
from utils.errors import (
    IdentificationNotFoundError,
    InvalidRequestError,
    VisitNotFoundError,
)

WRONG = "wrong"
"""Asks for the answers that were corrected, whatever their outcome."""
OUTCOMES = ("accepted", "unknown", "conflict", "rejected", WRONG)
_FACTS = ("source", "actor", "by", "probability", "face", "voice", "group", "request_id")
_Actual = people_table.alias("actual")


@dataclass(frozen=True)
class NewVisit:
    """An answer about somebody.

    Attributes:
        source: what was asked: identify, job, transcribe, live, ...
        outcome: outcome of the answer.
        person_id: who was named; None = nobody.
        by: what named the person: fused, face or voice.
        probability: calibrated, in [0, 1]; None where nobody is named.
        face, voice: outcomes by each ("" = was not asked).
        group: the group that was searched alone ("" = everybody).
        request_id: id of the answer, for feedback.
        stranger: internal number of the stranger who it is; None = not known.
    """

    source: str
    outcome: str
    person_id: str | None = None
    by: str | None = None
    probability: float | None = None
    face: str = ""
    voice: str = ""
    group: str = ""
    request_id: str | None = None
    stranger: int | None = None


@dataclass(frozen=True)
class Visit:
    """A stored visit with the present names. What is not known is None.

    Attributes:
        number: its internal number, rising.
        asked: the visit as it was stored.
        actor: who asked, `label` of the key.
        name: present name of the person.
        corrected_at: when the answer was said to be wrong.
        actual_id, actual_name: who it was; None = nobody known.
    """

    number: int
    visit_id: str
    at: datetime
    asked: NewVisit
    actor: str
    label: str | None
    name: str | None
    stranger_id: str | None
    corrected_at: datetime | None
    actual_id: str | None
    actual_name: str | None


class VisitFilter(TypedDict, total=False):
    """Which visits are asked for. What is missing or None may be any.

    Attributes:
        before: only visits of a lower number.
        outcome: one of `OUTCOMES`.
        since, until: only visits from this time on, and before this time.
        person_key: only visits that named this person, or that were of this person.
    """

    before: int | None
    outcome: str | None
    since: datetime | None
    until: datetime | None
    person_key: int | None


def keep(connection: Connection, codec: Codec, new: NewVisit) -> str:
    """Store a visit, and return its id."""
    visit_id = uuid.uuid4().hex
    facts = {
        # First, so that the bytes of a row are unlike those of any other
        "id": visit_id,
        "source": new.source,
        "actor": audit.ACTOR.get(),
        "by": new.by,
        "probability": new.probability,
        "face": new.face,
        "voice": new.voice,
        "group": new.group,
        "request_id": new.request_id,
    }
    key = people.find(connection, new.person_id) if new.person_id else None
    # The stranger may have been enrolled or deleted since the clip was kept
    still_there = select(strangers.c.key).where(strangers.c.key == new.stranger)
    connection.execute(
        insert(visits).values(
            visit_id=visit_id,
            at=clock.now_for_terms(connection),
            outcome=new.outcome,
            person_key=key,
            stranger_key=still_there.scalar_subquery(),
            data=codec.seal(json.dumps(facts).encode(), visit_id),
            sealed_by=codec.key_id,
        )
    )
    return visit_id


def page(
    connection: Connection, codec: Codec, limit: int, wanted: VisitFilter
) -> tuple[Visit, ...]:
    """List at most `limit` of the visits that are `wanted`, newest first.

    Raises InvalidRequestError, StoreUnavailableError.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidRequestError(f"limit must be 1 to {MAX_PAGE}. Received: {limit}")
    query = _select().where(*_conditions(wanted)).order_by(visits.c.key.desc()).limit(limit)
    labels = keys.labels_of(connection)
    return tuple(list_whole(connection, query, visits, lambda row: _as_visit(codec, row, labels)))


def get(connection: Connection, codec: Codec, visit_id: str) -> Visit:
    """Read a visit. Raises VisitNotFoundError, StoreUnavailableError."""
    row = connection.execute(_select().where(visits.c.visit_id == visit_id)).one_or_none()
    if row is None:
        raise VisitNotFoundError(f"No visit of this id is kept. Received: {visit_id[:40]!r}")
    return _as_visit(codec, row, keys.labels_of(connection))


def correct(connection: Connection, codec: Codec, visit_id: str, actual: int | None) -> Visit:
    """Mark an answer as wrong: it was the person `actual`, or nobody known (None).

    What was said before is replaced. Where the answer is remembered for feedback, the
    comparison becomes a trial. Raises VisitNotFoundError, InvalidRequestError.
    """
    visit = get(connection, codec, visit_id)
    key = _person_key(connection, visit)
    if actual == key:
        whom = "nobody" if key is None else f"{visit.asked.person_id!r}"
        raise InvalidRequestError(
            f"A correction must differ from the answer. Received: {whom}, as the answer says"
        )
    values = {"corrected_at": clock.now(), "actual_key": actual}
    connection.execute(update(visits).where(visits.c.key == visit.number).values(**values))
    if key is not None and visit.asked.request_id:
        with suppress(IdentificationNotFoundError):
            feedback.give(connection, NewFeedback(visit.asked.request_id, key, same=False))
    _note(connection, visit, WRONG, {key, actual})
    return get(connection, codec, visit_id)


def take_back(connection: Connection, codec: Codec, visit_id: str) -> Visit:
    """Let an answer stand that was marked as wrong. Raises VisitNotFoundError."""
    visit = get(connection, codec, visit_id)
    if visit.corrected_at is None:
        return visit
    key = _person_key(connection, visit)
    values = {"corrected_at": None, "actual_key": None}
    connection.execute(update(visits).where(visits.c.key == visit.number).values(**values))
    if key is not None and visit.asked.request_id:
        feedback.take_back(connection, visit.asked.request_id, key)
    _note(connection, visit, "taken_back", {key})
    return get(connection, codec, visit_id)


def _note(connection: Connection, visit: Visit, outcome: str, keys: set[int | None]) -> None:
    """Note a correction in the audit: a row for each person that it is about."""
    for key in keys - {None} or {None}:
        detail = {"visit": visit.number}
        audit.append(connection, "correct_visit", outcome, person_key=key, detail=detail)


def _person_key(connection: Connection, visit: Visit) -> int | None:
    query = select(visits.c.person_key).where(visits.c.key == visit.number)
    return connection.scalar(query)


def count(connection: Connection) -> dict[str, int]:
    """Count the visits by what was said of their answers: nothing, or wrong."""
    c = visits.c
    total, wrong = connection.execute(select(func.count(c.key), func.count(c.corrected_at))).one()
    return {"nothing": total - wrong, WRONG: wrong}


def forget_old(connection: Connection, days: float, now: datetime) -> set[bytes]:
    """Delete visits that are `days` days old or more, and return fragments of them.

    0 days leave none.
    """
    return _remove(connection, visits.c.at <= now - timedelta(days=days))


def _remove(connection: Connection, which: ColumnElement[bool]) -> set[bytes]:
    fragments = _fragments(connection, which)
    if fragments:
        connection.execute(delete(visits).where(which))
    return fragments


def fragments_of(connection: Connection, person_key: int) -> set[bytes]:
    """Fragments of the visits that go with a person."""
    return _fragments(connection, visits.c.person_key == person_key)


def _fragments(connection: Connection, which: ColumnElement[bool]) -> set[bytes]:
    return set(connection.scalars(select(part_of(visits.c.data)).where(which)))


def move(connection: Connection, key: int, other: int) -> None:
    """Give the visits of the person `other` to the person `key`, who is the same."""
    for column in (visits.c.person_key, visits.c.actual_key):
        connection.execute(update(visits).where(column == other).values({column: key}))
    _end_corrections(connection, key)


def give_to_person(connection: Connection, stranger: int, key: int) -> None:
    """Give the visits of a stranger to the person `key`, who was enrolled from it."""
    mine = visits.c.stranger_key == stranger
    connection.execute(update(visits).where(mine).values(person_key=key))
    _end_corrections(connection, key)


def _end_corrections(connection: Connection, key: int) -> None:
    """Let answers of the person `key` stand that a correction says are of this person."""
    is_right = (visits.c.person_key == key, visits.c.actual_key == key)
    stands = {"corrected_at": None, "actual_key": None}
    connection.execute(update(visits).where(*is_right).values(**stands))


def of_person(connection: Connection, codec: Codec, key: int) -> list[dict[str, Any]]:
    """List the visits of a person and those that named the person, for an export."""
    query = _select().where(_is_of(key)).order_by(visits.c.key)
    rows = connection.execute(query).all()
    return [_as_row_of_export(_as_visit(codec, row, {})) for row in rows]


def _as_row_of_export(visit: Visit) -> dict[str, Any]:
    asked = visit.asked
    return {
        "visit_id": visit.visit_id,
        "at": visit.at,
        "source": asked.source,
        "actor": visit.actor,
        "outcome": asked.outcome,
        "by": asked.by,
        "probability": asked.probability,
        "corrected_at": visit.corrected_at,
    }


def _is_of(key: int) -> ColumnElement[bool]:
    return or_(visits.c.person_key == key, visits.c.actual_key == key)


def _conditions(wanted: VisitFilter) -> list[ColumnElement[bool]]:
    """Make the conditions of a filter. Raises InvalidRequestError."""
    c = visits.c
    outcome = wanted.get("outcome")
    if outcome is not None and outcome not in OUTCOMES:
        raise InvalidRequestError(
            f"outcome must be one of {', '.join(OUTCOMES)}. Received: {outcome[:40]!r}"
        )
    of_outcome = c.corrected_at.is_not(None) if outcome == WRONG else c.outcome == outcome
    asked = {
        "before": lambda value: c.key < bound_key(value),
        "outcome": lambda _: of_outcome,
        "since": lambda value: c.at >= value,
        "until": lambda value: c.at < value,
        "person_key": _is_of,
    }
    given: Mapping[str, Any] = {k: v for k, v in wanted.items() if v is not None}
    return [asked[name](value) for name, value in given.items()]


def _select() -> Select[Any]:
    named = (people_table.c.person_id, people_table.c.name)
    actual = (_Actual.c.person_id.label("actual_id"), _Actual.c.name.label("actual_name"))
    return (
        select(visits, *named, *actual, strangers.c.stranger_id)
        .select_from(visits)
        .outerjoin(people_table, people_table.c.key == visits.c.person_key)
        .outerjoin(_Actual, _Actual.c.key == visits.c.actual_key)
        .outerjoin(strangers, strangers.c.key == visits.c.stranger_key)
    )


def _as_visit(codec: Codec, row: Row[Any], labels: Mapping[str, str]) -> Visit:
    data = codec.open(row.data, row.sealed_by, row.visit_id)
    facts = read_object(data, _FACTS, "visits.data")
    asked = NewVisit(
        source=facts["source"],
        outcome=row.outcome,
        person_id=row.person_id,
        by=facts["by"],
        probability=facts["probability"],
        face=facts["face"],
        voice=facts["voice"],
        group=facts["group"],
        request_id=facts["request_id"],
        stranger=row.stranger_key,
    )
    return Visit(
        number=row.key,
        visit_id=row.visit_id,
        at=row.at,
        asked=asked,
        actor=facts["actor"],
        label=labels.get(facts["actor"]),
        name=row.name,
        stranger_id=row.stranger_id,
        corrected_at=row.corrected_at,
        actual_id=row.actual_id,
        actual_name=row.actual_name,
    )
