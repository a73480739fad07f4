"""Somebody of a live session becomes a person of the gallery, by what was said alone."""

from __future__ import annotations

from collections.abc import Callable

from gallery.store import NewPerson
from recognition.requests import EnrolmentRequest
from recognition.results import Enrolment
from speech.events import Event, SpeakerEnrolled
from speech.live_speech import ENROLLED_S, capture_speech
from speech.session import LiveSession
from utils.arrays import RATE_HZ
from utils.errors import NoBiometricError

Enroll = Callable[[EnrolmentRequest], Enrolment]


def enroll_speaker(
    session: LiveSession, turn_id: int, person: NewPerson, enroll: Enroll
) -> list[Event]:
    """Enrol the voice of a turn as a new person, and name all turns of the voice.

    Raises InvalidRequestError, NoBiometricError, and what `Recognizer.enroll` raises.
    """
    samples = session.speech_of(turn_id)
    speech_s = len(samples) / RATE_HZ
    if speech_s < ENROLLED_S:
        raise NoBiometricError(
            f"An enrolment needs {ENROLLED_S:g} s in which the person speaks alone. Received:"
            f" {speech_s:.1f} s",
            "Let the person speak on, then enrol again.",
        )
    enrolled = enroll(EnrolmentRequest(person, (capture_speech(samples),))).person
    done = SpeakerEnrolled(
        turn_id=turn_id, speaker=enrolled.name, person_id=enrolled.person_id, speech_s=speech_s
    )
    return [done, *session.tell(turn_id, enrolled.name, enrolled.person_id)]
