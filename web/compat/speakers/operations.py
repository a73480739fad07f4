"""Operations of the voice API, on one request or on one item of a batch."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from flask import g

from gallery.names import validate_name, validate_note
from gallery.results import Person
from gallery.store import NewPerson
from recognition import voice_confidence
from recognition.requests import EnrolmentRequest
from utils.errors import InvalidRequestError
from utils.modality import Modality
from web.compat.speakers.answers import (
    read_metadata,
    show_deletion,
    show_enrolment,
    show_identification,
)
from web.compat.speakers.requests import Fields, VoiceRequest, read_speaker_id, read_threshold
from web.guard import rejections
from web.guard.auth import staff_only
from web.state import recognizer, store
from web.wire import parse
from web.wire.hanging_up import unless_gone


def register(voice_request: VoiceRequest) -> dict[str, Any]:
    """Store voice templates of a speaker, who is created if need be."""
    speaker_id = read_speaker_id(voice_request.values)
    force = parse.boolean(voice_request.values.get("force", False), "force")
    name = validate_name(voice_request.values["name"]) if voice_request.values.get("name") else None
    note = _merge_note(voice_request.values.get("metadata"), store().find_person(speaker_id))

    def guard() -> None:
        _refuse_changes(speaker_id, name=name, note=note, force=force)

    # Before the recordings are read, and again when they are stored: another kiosk may
    # have been faster
    guard()
    enrolment = recognizer().enroll(
        EnrolmentRequest(
            person=NewPerson(speaker_id, name, note or ""),
            clips=tuple(upload.clip for upload in voice_request.clips),
            modality=Modality.VOICE,
            force=force,
            guard=guard,
        )
    )
    _update_person(enrolment.person, name=name, note=note)
    return show_enrolment(enrolment)


def _refuse_changes(speaker_id: str, *, name: str | None, note: str | None, force: bool) -> None:
    """Raise RoleForbiddenError where a kiosk would change a person who is there."""
    person = store().find_person(speaker_id)
    if force or (person and any(person.templates.values())):
        staff_only("To force, or to register more of a person who is enrolled")
    if person and (name not in (None, person.name) or note not in (None, person.note)):
        staff_only("To change name or metadata of a person who is there")


def _update_person(person: Person, *, name: str | None, note: str | None) -> None:
    """Change name and note of a person who was there before the enrolment."""
    changes: dict[str, Any] = {}
    if name not in (None, person.name):
        changes["name"] = name
    if note not in (None, person.note):
        changes["note"] = note
    if changes:
        store().update_person(person.person_id, **changes)


def _merge_note(metadata: dict[str, Any] | None, person: Person | None) -> str | None:
    """Add `metadata` to the note that is stored. None = nothing to store.

    Raises InvalidNameError.
    """
    if not metadata:
        return None
    stored = read_metadata(person.note) if person else {}
    return validate_note(json.dumps(stored | metadata, ensure_ascii=False), "`metadata` as JSON")


def identify(voice_request: VoiceRequest) -> dict[str, Any]:
    """Say who speaks in the recording."""
    if len(voice_request.clips) != 1:
        raise InvalidRequestError(
            "One recording is identified; POST /batch takes several. Received:"
            f" {len(voice_request.clips)}"
        )
    threshold = read_threshold(voice_request.values)
    request_id = voice_request.request_id or g.request_id
    with rejections.limit(), unless_gone():
        asked = voice_confidence.ask_by_voice(voice_request.clips[0].clip, threshold, request_id)
        answer = recognizer().identify(replace(asked, admit=rejections.count))
    return show_identification(answer, threshold, request_id)


def delete(voice_request: VoiceRequest) -> dict[str, Any]:
    """Forget a speaker."""
    speaker_id = read_speaker_id(voice_request.values)
    store().delete_person(speaker_id)
    return show_deletion(speaker_id)


@dataclass(frozen=True)
class Operation:
    """What a request may ask for, and the fields it may have.

    `needs_recording`: an item of a batch must hold `audioData`.
    """

    run: Callable[[VoiceRequest], dict[str, Any]]
    fields: Fields
    needs_recording: bool = True


_IDS: Fields = {"speaker_id": str, "anonymousId": str}
_CONTEXT: Fields = {"metaverseContext": dict}
"""What clients of the voice API send along everywhere. It is accepted and ignored."""
OPERATIONS = {
    "register": Operation(
        register,
        {**_IDS, **_CONTEXT, "audioData": str, "name": str, "metadata": dict, "force": bool},
    ),
    "identify": Operation(identify, {**_CONTEXT, "audioData": str, "threshold": (int, float)}),
    "delete": Operation(delete, {**_IDS, **_CONTEXT}, needs_recording=False),
}
