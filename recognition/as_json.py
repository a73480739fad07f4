"""What goes out: results of the recognizer as JSON values. Figures are rounded to six
decimals and never NaN or infinite.
"""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime
from typing import Any

from flask import g

from gallery.audit import Verified
from gallery.results import Event, PeoplePage, Person, TemplateInfo
from recognition.results import (
    Decision,
    EnrollResult,
    Identification,
    Match,
    Verification,
    VerifyResult,
)
from utils.media import FaceQuality, Hint, SpeechQuality


def number(value: float | None) -> float | None:
    """Rounded to six decimals; None for what is no finite number."""
    return round(float(value), 6) if value is not None and math.isfinite(value) else None


def instant(value: datetime) -> str:
    """ISO 8601 in UTC to the second, with Z."""
    value = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


def match(value: Match | None) -> dict[str, Any] | None:
    """A person that the probe was compared with."""
    if value is None:
        return None
    return {
        "person_id": value.person_id,
        "name": value.name,
        "score": number(value.score),
        "probability": number(value.probability),
    }


def decision(value: Decision) -> dict[str, Any]:
    """Open-set answer of one modality."""
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


def verification(value: Verification) -> dict[str, Any]:
    """1:1 answer of one modality."""
    return {
        "outcome": value.outcome,
        "score": number(value.score),
        "threshold": number(value.threshold),
        "probability": number(value.probability),
    }


def quality(face: FaceQuality | None, voice: SpeechQuality | None) -> dict[str, Any]:
    """Quality of face and voice; None for what the clip lacks."""
    return {"face": _figures(face), "voice": _figures(voice)}


def _figures(value: FaceQuality | SpeechQuality | None) -> dict[str, float | None] | None:
    return None if value is None else {k: number(v) for k, v in dataclasses.asdict(value).items()}


def hints(values: tuple[Hint, ...]) -> list[dict[str, str]]:
    """Advice for the person."""
    return [{"code": h.code, "text": h.text} for h in values]


def _common(result: Identification | VerifyResult | EnrollResult) -> dict[str, Any]:
    return {
        "quality": quality(result.face_quality, result.speech_quality),
        "people_in_view": result.people_in_view,
        "hints": hints(result.hints),
        "encoders": dict(result.encoder_ids),
        "timings_ms": {stage: number(ms) for stage, ms in result.timings_ms.items()},
        "request_id": g.request_id,
    }


def identification(result: Identification) -> dict[str, Any]:
    """Body of POST /v1/identify."""
    return {
        "fused": decision(result.fused),
        "face": decision(result.face),
        "voice": decision(result.voice),
        "gallery": {"people": result.people, "fpir": number(result.fpir)},
        **_common(result),
    }


def verified(result: VerifyResult) -> dict[str, Any]:
    """Body of POST /v1/verify."""
    return {
        "fused": verification(result.fused),
        "face": verification(result.face),
        "voice": verification(result.voice),
        "fmr": number(result.fmr),
        **_common(result),
    }


def person(value: Person) -> dict[str, Any]:
    """A person."""
    times = {
        name: getattr(value, name)
        for name in ("created_at", "enrolled_at", "expires_at", "last_seen_at")
    }
    return {
        "person_id": value.person_id,
        "name": value.name,
        "note": value.note,
        "consent": value.consent,
        "retention_days": value.retention_days,
        **{name: at and instant(at) for name, at in times.items()},
        "templates": {"face": 0, "voice": 0} | {str(m): n for m, n in value.templates.items()},
        "quality": {str(m): number(value.quality.get(m)) for m in ("face", "voice")},
        "has_picture": value.has_picture,
    }


def people(page: PeoplePage) -> dict[str, Any]:
    """Body of GET /v1/people."""
    return {
        "people": [person(p) for p in page.people],
        "total": page.total,
        "offset": page.offset,
        "limit": page.limit,
    }


def template(value: TemplateInfo) -> dict[str, Any]:
    """A stored template; its vector never leaves the service."""
    return {
        "template_id": value.template_id,
        "modality": value.modality.value,
        "quality": number(value.quality),
        "encoder_id": value.encoder_id,
        "source_sha256": value.source_sha256,
        "created_at": instant(value.created_at),
    }


def enrolled(result: EnrollResult) -> dict[str, Any]:
    """Body of POST /v1/people/{person_id}/templates."""
    return {
        "person": person(result.person),
        "templates": [template(t) for t in result.templates],
        "duplicate": match(result.duplicate),
        **_common(result),
    }


def audit(events: tuple[Event, ...], limit: int) -> dict[str, Any]:
    """Body of GET /v1/audit."""
    return {
        "events": [event(e) for e in events],
        "limit": limit,
        "next_before": events[-1].event_id
        if len(events) == limit and events[-1].event_id > 1
        else None,
    }


def event(value: Event) -> dict[str, Any]:
    """A row of the audit; its time to the microsecond, so that its hash can be
    computed.
    """
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


def audit_verified(found: Verified) -> dict[str, Any]:
    """Body of GET /v1/audit/verify."""
    return {
        "whole": not found.problems,
        "events": found.events,
        "head": str(found.head),
        "problems": [{"event_id": p.event_id, "text": p.text} for p in found.problems],
    }
