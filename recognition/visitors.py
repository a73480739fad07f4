"""Visitors: whom an answer is about, as the list of recent visitors keeps it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gallery.records.visits import NewVisit
from recognition.requests import IdentificationRequest
from recognition.results import Decision, Identification, Outcome
from utils.modality import Modality


@dataclass(frozen=True)
class HeardPerson:
    """Somebody who speaks in a recording.

    Attributes:
        person_id: None for somebody unknown.
        by: what it is decided by: the voice, the face that talks, or both.
    """

    person_id: str | None = None
    probability: float | None = None
    by: Modality = Modality.VOICE


def list_visits(
    request: IdentificationRequest, answer: Identification, stranger: int | None
) -> Iterator[NewVisit]:
    """List whom an answer is about: the main person, and others who were asked about.

    `stranger` is the internal number of the main person among strangers.
    """
    decisions = answer.decisions
    main = _visit(
        request, decisions.fused, str(decisions.face.outcome), str(decisions.voice.outcome)
    )
    yield replace(main, stranger=stranger)
    for other in answer.others:
        if other.decision is not None:
            yield _visit(request, other.decision, str(other.decision.outcome), "")


def _visit(request: IdentificationRequest, decision: Decision, face: str, voice: str) -> NewVisit:
    match = decision.match
    return NewVisit(
        source=request.source or request.action,
        outcome=str(decision.outcome),
        person_id=match.person_id if match else None,
        by=str(decision.modality) if match and decision.modality else None,
        probability=match.probability if match else None,
        face=face,
        voice=voice,
        group=request.group or "",
        request_id=request.request_id,
    )


def heard_visit(source: str, heard: HeardPerson) -> NewVisit:
    """Describe somebody who is heard in a recording or in a live session."""
    outcome = str(Outcome.ACCEPTED if heard.person_id else Outcome.UNKNOWN)
    return NewVisit(
        source=source,
        outcome=outcome,
        person_id=heard.person_id,
        by=str(heard.by) if heard.person_id else None,
        probability=heard.probability,
        face=outcome if heard.by is Modality.FACE else "",
        voice=outcome if heard.by is Modality.VOICE else "",
    )
