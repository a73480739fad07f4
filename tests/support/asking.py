"""Short ways to ask a recognizer about a clip in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gallery.store import NewPerson
from recognition.recognizer import Recognizer
from recognition.requests import (
    ClipFile,
    EnrolmentRequest,
    IdentificationRequest,
    VerificationRequest,
)
from recognition.results import Enrolment, Identification, Verification
from web.compat.first_sight import FirstSight, FirstSightRequest, identify_on_sight


def identify(recognizer: Recognizer, clip: Path, **more: Any) -> Identification:
    """Ask who is in a clip."""
    return recognizer.identify(IdentificationRequest(ClipFile(clip), **more))


def enroll(
    recognizer: Recognizer, person_id: str, clip: Path, *, create: bool = False, **more: Any
) -> Enrolment:
    """Enrol a clip for a person, who is created if need be and `create` says so."""
    person = NewPerson(person_id) if create else person_id
    return recognizer.enroll(EnrolmentRequest(person, (ClipFile(clip),), **more))


def verify_person(recognizer: Recognizer, clip: Path, person_id: str) -> Verification:
    """Compare a clip with a person of the gallery."""
    return recognizer.verify(VerificationRequest(ClipFile(clip), person_id))


def verify_clips(recognizer: Recognizer, clip: Path, reference: Path) -> Verification:
    """Compare two clips."""
    return recognizer.verify(VerificationRequest(ClipFile(clip), ClipFile(reference)))


def first_sight(recognizer: Recognizer, person_id: str, clip: Path, **more: Any) -> FirstSight:
    """Identify a clip, and register it on first sight."""
    return identify_on_sight(recognizer, FirstSightRequest(person_id, ClipFile(clip), **more))
