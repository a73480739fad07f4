"""The one serialiser: results as JSON values, the same for HTTP, jobs and terminal.

Figures are rounded to six decimals. What is not finite becomes null.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from gallery.audit import AuditReport
from gallery.records.strangers import Stranger
from gallery.records.visits import Visit
from gallery.results import Event, PeoplePage, Person, TemplateInfo
from liveness.judgement import Judge, Judgement, Liveness
from liveness.spoken_digits import SpokenDigit
from recognition.observation import Observation
from recognition.results import (
    Decision,
    Enrolment,
    Identification,
    Match,
    OtherPerson,
    Verdict,
    Verification,
)
from recognition.suspects import Look
from utils.media import FaceQuality, Hint, SpeechQuality
from utils.modality import SINGLE


def number(value: float | None) -> float | None:
    """Round to six decimals. What is not finite becomes null."""
    return round(float(value), 6) if value is not None and math.isfinite(value) else None


def instant(value: datetime) -> str:
    """Format as ISO 8601 in UTC to the second, with Z."""
    value = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


def match(value: Match | None) -> dict[str, Any] | None:
    """Match with a person of the gallery."""
    if value is None:
        return None
    return {
        "person_id": value.person_id,
        "name": value.name,
        "score": number(value.score),
        "probability": number(value.probability),
    }


def decision(value: Decision) -> dict[str, Any]:
    """Open-set decision by one modality."""
    return {
        "outcome": value.outcome.value,
        "match": match(value.match),
        "runner_up": match(value.runner_up),
        "threshold": number(value.threshold),
        "margin": number(value.margin),
        "reason": value.reason,
        "decided_by": value.modality.value if value.modality else None,
        "extrapolated": value.extrapolated,
    }


def other_person(value: OtherPerson) -> dict[str, Any]:
    """Somebody else in view. Outcome and match are null where nobody asked."""
    by_face = value.decision
    return {
        "box_xyxy": [number(edge) for edge in value.box_xyxy],
        "outcome": by_face.outcome.value if by_face else None,
        "match": match(by_face.match) if by_face else None,
    }


def verdict(value: Verdict) -> dict[str, Any]:
    """1:1 verdict by one modality."""
    return {
        "outcome": value.outcome,
        "score": number(value.score),
        "threshold": number(value.threshold),
        "probability": number(value.probability),
        "decided_by": value.modality.value if value.modality else None,
    }


def _quality(value: FaceQuality | SpeechQuality | None) -> dict[str, float | None] | None:
    if value is None:
        return None
    return {name: number(figure) for name, figure in dataclasses.asdict(value).items()}


def hints(values: Iterable[Hint]) -> list[dict[str, str]]:
    """Advice for the person in front of the camera."""
    return [{"code": hint.code, "text": hint.text} for hint in values]


def liveness(value: Liveness | None) -> dict[str, Any] | None:
    """What each check for liveness says. Null for a check that is off or was not asked."""
    if value is None:
        return None
    judgements = {str(judge): _judgement(value.judgements.get(judge)) for judge in Judge}
    challenge = value.judgements.get(Judge.CHALLENGE)
    digits = [_spoken_digit(digit) for digit in challenge.digits] if challenge else []
    return {**judgements, "digits": digits, "outcome": value.outcome.value}


def _spoken_digit(value: SpokenDigit) -> dict[str, Any]:
    return {
        "digit": value.digit,
        "start_s": number(value.start_s),
        "end_s": number(value.end_s),
    }


def _judgement(value: Judgement | None) -> dict[str, Any] | None:
    if value is None:
        return None
    return {
        "outcome": value.outcome.value,
        "score": number(value.score),
        "threshold": number(value.threshold),
        "reason": value.reason,
        "code": value.code or None,
        "model_id": value.model_id,
        "lag_ms": value.lag_ms,
    }


def observation(value: Observation) -> dict[str, Any]:
    """What was seen and heard in a clip: part of every answer about one."""
    return {
        "quality": {
            "face": _quality(value.face_quality),
            "voice": _quality(value.speech_quality),
        },
        "people_in_view": value.people_in_view,
        "hints": hints(value.hints),
        "liveness": liveness(value.liveness),
        "encoders": value.encoder_ids.to_dict(),
        "timings_ms": {stage: number(ms) for stage, ms in value.timings_ms.items()},
    }


def identification(result: Identification, request_id: str | None = None) -> dict[str, Any]:
    """Who is in a clip. `request_id` is what feedback on the answer refers to."""
    return {
        **result.decisions.map(decision).to_dict(),
        "others": [other_person(other) for other in result.others],
        "duplicates": list(result.duplicates),
        "gallery": {"people": result.people, "fpir": number(result.fpir)},
        **observation(result.observation),
        "request_id": request_id,
    }


def verification(result: Verification, request_id: str | None = None) -> dict[str, Any]:
    """Whether a clip is of a person, or of the person in another clip."""
    return {
        **result.verdicts.map(verdict).to_dict(),
        "fmr": number(result.fmr),
        **observation(result.observation),
        "request_id": request_id,
    }


def enrolment(result: Enrolment, request_id: str | None = None) -> dict[str, Any]:
    """What the enrolment of a clip stored."""
    return {
        "person": person(result.person),
        "templates": [template(t) for t in result.templates],
        "duplicate": match(result.duplicate),
        **observation(result.observations[0]),
        "request_id": request_id,
    }


def person(value: Person) -> dict[str, Any]:
    """A person of the gallery."""
    return {
        "person_id": value.person_id,
        "name": value.name,
        "note": value.note,
        "consent": value.consent,
        "retention_days": value.retention_days,
        "created_at": instant(value.created_at),
        "enrolled_at": _instant_or_none(value.enrolled_at),
        "expires_at": _instant_or_none(value.expires_at),
        "last_seen_at": _instant_or_none(value.last_seen_at),
        "templates": {"face": 0, "voice": 0} | {str(m): n for m, n in value.templates.items()},
        "quality": {str(m): number(value.quality.get(m)) for m in SINGLE},
        "has_picture": value.has_picture,
    }


def _instant_or_none(value: datetime | None) -> str | None:
    return None if value is None else instant(value)


def people(page: PeoplePage) -> dict[str, Any]:
    """Part of the list of people."""
    return {
        "people": [person(p) for p in page.people],
        "total": page.total,
        "offset": page.offset,
        "limit": page.limit,
    }


def look(value: Look) -> dict[str, Any]:
    """How far the gallery is checked for suspects, and whether that goes on."""
    latest = value.latest
    return {
        "checked_at": instant(latest.at) if latest else None,
        "people": latest.people if latest else 0,
        "total": latest.total if latest else 0,
        "is_checking": value.is_checking,
        "remaining_s": number(latest.remaining_s) if latest else None,
    }


def template(value: TemplateInfo) -> dict[str, Any]:
    """A stored template. Its vector never leaves the service."""
    return {
        "template_id": value.template_id,
        "modality": value.modality.value,
        "quality": number(value.quality),
        "encoder_id": value.encoder_id,
        "source_sha256": value.source_sha256,
        "created_at": instant(value.created_at),
    }


def audit(events: tuple[Event, ...], limit: int) -> dict[str, Any]:
    """Part of the audit, newest first."""
    return {
        "events": [event(e) for e in events],
        "limit": limit,
        "next_before": events[-1].event_id
        if len(events) == limit and events[-1].event_id > 1
        else None,
    }


def event(value: Event) -> dict[str, Any]:
    """Row of the audit, with its time to the microsecond, as its hash needs it."""
    return {
        "event_id": value.event_id,
        "at": value.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": value.actor,
        "action": value.action,
        "person_key": value.person_key,
        "outcome": value.outcome,
        "detail": value.detail,
        "hash": value.hash,
    }


def visits(values: Sequence[Visit], limit: int, days: float) -> dict[str, Any]:
    """Part of the list of recent visitors, newest first."""
    is_last = len(values) < limit or values[-1].number == 1
    return {
        "visits": [visit(one) for one in values],
        "days": number(days),
        "limit": limit,
        "next_before": None if is_last else values[-1].number,
    }


def visit(value: Visit) -> dict[str, Any]:
    """Whom an answer was about, how sure it was and by what."""
    asked = value.asked
    return {
        "number": value.number,
        "visit_id": value.visit_id,
        "at": value.at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "source": asked.source,
        "outcome": asked.outcome,
        "person_id": asked.person_id,
        "name": value.name,
        "by": asked.by,
        "probability": number(asked.probability),
        "face": asked.face,
        "voice": asked.voice,
        "group": asked.group,
        "request_id": asked.request_id,
        "actor": value.actor,
        "label": value.label,
        "stranger_id": value.stranger_id,
        "correction": _correction(value),
    }


def _correction(value: Visit) -> dict[str, Any] | None:
    if value.corrected_at is None:
        return None
    at = instant(value.corrected_at)
    return {"at": at, "person_id": value.actual_id, "name": value.actual_name}


def stranger(value: Stranger) -> dict[str, Any]:
    """An unknown visitor."""
    return {
        "stranger_id": value.stranger_id,
        "first_at": instant(value.first_at),
        "last_at": instant(value.last_at),
        "times": value.times,
        "hidden": value.is_hidden,
        "clips": {str(m): value.clips.get(m, 0) for m in SINGLE},
        "has_picture": value.has_picture,
    }


def audit_verified(value: AuditReport) -> dict[str, Any]:
    """Whether the audit is whole."""
    return {
        "whole": not value.problems,
        "events": value.events,
        "head": str(value.head),
        "problems": [{"event_id": p.event_id, "text": p.text} for p in value.problems],
    }
