"""Enrolment: the checks before templates are stored, and the storing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from gallery.store import Store, Stored
from recognition import decision
from recognition.analysis import Probe
from recognition.identifier import Identifier
from recognition.journal import Journal
from recognition.requests import EnrolmentRequest
from recognition.results import Match
from recognition.verifier import Verifier
from utils.clock import timed
from utils.errors import DuplicatePersonError
from utils.media import Hint
from utils.modality import Modality

UNLIKE_EARLIER = Hint(
    "unlike_earlier",
    "This clip is unlike what is stored for this person: check that it is the right one.",
)
ALREADY_ENROLLED = Hint(
    "already_enrolled",
    "This file was enrolled for this person before; nothing was added.",
)


class Enroller:
    """Stores templates, unless the clips are somebody else of the gallery."""

    def __init__(
        self, store: Store, identifier: Identifier, verifier: Verifier, journal: Journal
    ) -> None:
        self._store = store
        self._identifier = identifier
        self._verifier = verifier
        self._journal = journal

    def warnings(self, person_id: str, probe: Probe) -> tuple[Hint, ...]:
        """Warn of a clip that is unlike what is stored of the person."""
        return (UNLIKE_EARLIER,) if self._verifier.is_unlike(probe, person_id) else ()

    def store(
        self, request: EnrolmentRequest, probes: Sequence[Probe]
    ) -> tuple[Stored, Match | None]:
        """Store the templates of the probes, all or none.

        Returns what was stored, and who else the clips are when `force` let them pass.
        The check for duplicates runs while no other writer can add the same person
        under yet another id. Raises what `Recognizer.enroll` raises.
        """
        duplicates: list[Match] = []
        self._identifier.refresh()  # what takes long is read before the write lock is held

        def guard() -> None:
            request.guard()
            for probe in probes:
                duplicate = self._find_duplicate(probe, request.person_id)
                if duplicate is None:
                    continue
                match, modality = duplicate
                duplicates.append(match)
                if not request.force:
                    raise _duplicate_error(request.person_id, match, modality)

        try:
            with timed(probes[0].timings_ms, "store"):
                stored = self._store.enroll(
                    request.person,
                    list(chain.from_iterable(probe.templates for probe in probes)),
                    replace=request.replace,
                    guard=guard,
                )
        except DuplicatePersonError:
            self._journal.note("enroll", "duplicate_refused", person_id=duplicates[0].person_id)
            raise
        return stored, duplicates[0] if duplicates else None

    def _find_duplicate(self, probe: Probe, person_id: str) -> tuple[Match, Modality] | None:
        answer = self._identifier.decide(probe)
        return decision.find_duplicate(answer.decisions, person_id, answer.rule)


def _duplicate_error(person_id: str, match: Match, modality: Modality) -> DuplicatePersonError:
    by = "face and voice" if modality == Modality.FUSED else str(modality)
    return DuplicatePersonError(
        f"A person is enrolled under one person_id. Received: person_id={person_id!r}, but by {by}"
        f" the clip is {match.person_id!r} ({match.name}), with a probability of"
        f" {match.probability:.3f}",
        details={
            "person_id": match.person_id,
            "name": match.name,
            "score": match.score,
            "probability": match.probability,
            "modality": str(modality),
        },
    )
