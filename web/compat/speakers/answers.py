"""Answers of the voice API: what goes out."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from flask import g

from gallery.results import Person
from recognition import as_json, voice_confidence
from recognition.results import Enrolment, Identification
from utils.errors import InvalidRequestError
from utils.wording import count_noun
from web.state import store
from web.wire.json_text import parse_json


def show_speaker(person: Person) -> dict[str, Any]:
    """Show a person as a speaker."""
    return {
        **_ids(person.person_id),
        "name": person.name,
        "audioCount": person.templates["voice"],
        "registeredAt": as_json.instant(person.enrolled_at or person.created_at),
        "metadata": read_metadata(person.note),
    }


def show_enrolment(enrolment: Enrolment) -> dict[str, Any]:
    """Show what was stored of a speaker."""
    person = enrolment.person
    message = f"Registered: {count_noun(enrolment.additions, 'recording')} of {person.person_id}."
    if enrolment.stored_before:
        message += f" Already there: {enrolment.stored_before}."
    return {
        "status": "success",
        **_ids(person.person_id),
        "message": message,
        "audioCount": person.templates["voice"],
        "duplicate": as_json.match(enrolment.duplicate),
        "hints": as_json.hints(enrolment.hints),
        **stamp(),
        "request_id": g.request_id,
    }


def show_identification(
    answer: Identification, threshold: float, request_id: str
) -> dict[str, Any]:
    """Show who speaks. An unknown speaker is not given any name."""
    voice = answer.decisions.voice
    match = voice.match
    person = store().find_person(match.person_id) if match else None
    return {
        "status": "success",
        "identified": match is not None,
        "isKnownSpeaker": match is not None,
        **_ids(match.person_id if match else None),
        "name": match.name if match else None,
        "confidence": as_json.number(voice_confidence.confidence(voice, threshold)),
        "threshold": threshold,
        "reason": voice.reason,
        "metadata": read_metadata(person.note) if person else {},
        "hints": as_json.hints(answer.observation.hints),
        **stamp(),
        "request_id": request_id,
    }


def show_deletion(speaker_id: str) -> dict[str, Any]:
    """Show that a speaker is forgotten."""
    return {
        "status": "success",
        **_ids(speaker_id),
        "message": f"Deleted: {speaker_id}, with everything that was stored.",
        "timestamp": stamp()["timestamp"],
        "request_id": g.request_id,
    }


def stamp() -> dict[str, Any]:
    """Give the time that the request took, in seconds, and the time of the answer."""
    return {
        "processingTime": round(time.perf_counter() - g.started, 6),
        "timestamp": as_json.instant(datetime.now(UTC)),
    }


def read_metadata(note: str) -> dict[str, Any]:
    """Read the note of a person as the object that was sent, or as a text under `note`."""
    try:
        value = parse_json(note)
    except (ValueError, InvalidRequestError):
        value = None
    if isinstance(value, dict):
        return value
    return {"note": note} if note else {}


def _ids(speaker_id: str | None) -> dict[str, str | None]:
    return {"speaker_id": speaker_id, "anonymousId": speaker_id}
