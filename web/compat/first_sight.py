"""First sight: identify a clip, and register a person who is new under an id.

The dialect of POST /Identification_Request, in terms of the three questions of the
recognizer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gallery.names import validate_person_id
from gallery.results import Person
from gallery.store import NewPerson
from recognition.probe import Probe
from recognition.recognizer import Recognizer
from recognition.requests import (
    Admit,
    ClipFile,
    EnrolmentRequest,
    IdentificationRequest,
    admit_all,
)
from recognition.results import Identification, Match
from utils.errors import ClipRefusedError, DuplicatePersonError


class _TakenError(Exception):
    """Another request registered the person first."""


@dataclass(frozen=True)
class FirstSightRequest:
    """Identify `clip`, and register it under `person_id` if nothing is stored there.

    `re_register` replaces what is stored. `force` stores a clip of somebody who is
    registered under another id, or that is not of one person. The answer is remembered
    under `request_id`. `name` is shown of a new person. `detail` is more for the audit.
    `admit` as of `IdentificationRequest`, where nothing was stored.
    """

    person_id: str
    clip: ClipFile
    re_register: bool = False
    force: bool = False
    request_id: str | None = None
    name: str | None = None
    detail: Mapping[str, str | int] = field(default_factory=dict)
    admit: Admit = admit_all


@dataclass(frozen=True)
class FirstSight:
    """Identification, and what came of the registration.

    `registered`: templates of the clip were stored under `person_id`. `duplicate`: the
    clip is somebody who is registered under another id, so only `force` stores it.
    `refusal`: why else only `force` stores it.
    """

    person_id: str
    identification: Identification
    registered: bool
    duplicate: Match | None = None
    refusal: ClipRefusedError | None = None


@dataclass(frozen=True)
class _Registration:
    """What came of a registration. Fields as of `FirstSight`."""

    registered: bool = False
    duplicate: Match | None = None
    refusal: ClipRefusedError | None = None

    @property
    def outcome(self) -> str | None:
        """Outcome in the audit. None where nothing became of it."""
        if self.registered:
            return "registered"
        if self.refusal:
            return self.refusal.code
        return "duplicate" if self.duplicate else None


def identify_on_sight(recognizer: Recognizer, request: FirstSightRequest) -> FirstSight:
    """Register the clip if it is the first one of the person, and identify it.

    Raises InvalidNameError and what `Recognizer.identify` and `Recognizer.enroll`
    raise, except DuplicatePersonError and ClipRefusedError.
    """
    validate_person_id(request.person_id)
    person = recognizer.store.find_person(request.person_id)
    is_stored = request.re_register or not _has_templates(person)
    probe = recognizer.observe(request.clip, whole=is_stored)
    registration = _Registration()
    if is_stored:
        registration = _register(recognizer, request, probe)
    identification = recognizer.identify(
        IdentificationRequest(
            clip=probe,
            request_id=request.request_id,
            action="first_sight",
            outcome=registration.outcome,
            detail=request.detail,
            # What is stored is said
            admit=admit_all if registration.registered else request.admit,
        )
    )
    return FirstSight(
        person_id=request.person_id,
        identification=identification,
        registered=registration.registered,
        duplicate=registration.duplicate,
        refusal=registration.refusal,
    )


def _register(recognizer: Recognizer, request: FirstSightRequest, probe: Probe) -> _Registration:
    """Store the clip, if nothing speaks against it."""

    def guard() -> None:
        if not request.re_register and _has_templates(
            recognizer.store.find_person(request.person_id)
        ):
            raise _TakenError

    try:
        enrolment = recognizer.enroll(
            EnrolmentRequest(
                person=NewPerson(request.person_id, request.name),
                clips=(probe,),
                replace=True,
                force=request.force,
                guard=guard,
            )
        )
    except DuplicatePersonError as error:
        details = error.details
        match = Match(
            person_id=details["person_id"],
            name=details["name"],
            score=details["score"],
            probability=details["probability"],
        )
        return _Registration(duplicate=match)
    except ClipRefusedError as error:
        return _Registration(refusal=error)
    except _TakenError:
        return _Registration()
    return _Registration(registered=True, duplicate=enrolment.duplicate)


def _has_templates(person: Person | None) -> bool:
    return person is not None and any(person.templates.values())
