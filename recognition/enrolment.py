"""Enrolment: the storing of templates, and who else the clips may be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from gallery.store import Store, Stored
from recognition.enrolled_twice import find_duplicate
from recognition.identifier import Identifier
from recognition.journal import Journal
from recognition.one_person import OnePerson
from recognition.probe import Probe
from recognition.requests import EnrolmentRequest
from recognition.results import Decision, Match, Outcome
from utils.clock import timed
from utils.errors import ClipRefusedError, DuplicatePersonError, MixedPeopleError
from utils.media import Hint
from utils.modality import SINGLE, Modality, PerModality

_SURE = 0.95
"""Probability from which one half of a clip is taken for somebody of the gallery."""
UNLIKE_EARLIER = Hint(
    "unlike_earlier",
    "This clip is unlike what is stored for this person: check that it is the right one.",
)


class Enroller:
    """Stores templates, unless the clips are of several people, or of somebody else."""

    def __init__(
        self, store: Store, identifier: Identifier, one_person: OnePerson, journal: Journal
    ) -> None:
        self._store = store
        self._identifier = identifier
        self._one_person = one_person
        self._journal = journal

    def store(
        self, request: EnrolmentRequest, probes: Sequence[Probe]
    ) -> tuple[Stored, Match | None, tuple[Hint, ...]]:
        """Store the templates of the probes, all or none.

        Returns what was stored, and, when `force` let them pass, who else the clips are
        and that they are unlike earlier ones. Both are checked while no other writer can add
        the same person under yet another id, or another clip of this person. Raises what
        `Recognizer.enroll` raises.
        """
        duplicates: list[Match] = []
        unlike: list[ClipRefusedError] = []
        fault = None if request.force else self._one_person.find_fault(probes)
        if fault:
            self._note_refusal(fault)
            raise fault
        self._identifier.refresh()  # the index is read before the write lock is held

        def guard() -> None:
            request.guard()
            duplicates.extend(self._check_duplicates(request, probes))
            unlike.extend(self._check_likeness(request, probes))

        try:
            with timed(probes[0].timings_ms, "store"):
                stored = self._store.enroll(
                    request.person,
                    list(chain.from_iterable(probe.templates for probe in probes)),
                    replace=request.replace,
                    guard=guard,
                )
        except DuplicatePersonError as error:
            duplicate_id = error.details["person_id"]
            self._journal.note("enroll", "duplicate_refused", person_id=duplicate_id)
            raise
        except ClipRefusedError as error:
            self._note_refusal(error, request.person_id)
            raise
        return stored, next(iter(duplicates), None), (UNLIKE_EARLIER,) if unlike else ()

    def _check_likeness(
        self, request: EnrolmentRequest, probes: Sequence[Probe]
    ) -> Iterator[ClipRefusedError]:
        """Find out whether a clip is unlike what is stored of the person, and stays.

        Raises UnlikePersonError, unless by force.
        """
        if request.replace or self._store.find_person(request.person_id) is None:
            return
        fault = self._one_person.find_unlike(probes, request.person_id)
        if fault and not request.force:
            raise fault
        if fault:
            yield fault

    def _check_duplicates(
        self, request: EnrolmentRequest, probes: Sequence[Probe]
    ) -> Iterator[Match]:
        """Find who else the clips are, or one half of them.

        Raises DuplicatePersonError and MixedPeopleError, unless by force.
        """
        for probe in probes:
            answer = self._identifier.decide(probe)
            duplicate = find_duplicate(answer.decisions, request.person_id, answer.rule)
            if duplicate is None:
                fault = find_half_known(answer.decisions, request.person_id)
                if fault and not request.force:
                    raise fault
                continue
            match, modality = duplicate
            if not request.force:
                raise _duplicate_error(request.person_id, match, modality)
            yield match

    def _note_refusal(self, error: ClipRefusedError, person_id: str | None = None) -> None:
        self._journal.note("enroll", "refused", person_id=person_id, detail={"why": error.code})


def find_half_known(decisions: PerModality[Decision], person_id: str) -> MixedPeopleError | None:
    """Find out whether the face is somebody else's and the voice not, or the other way.

    As a duplicate does, that takes more than a name: strangers are named at the stated rate.
    """
    if decisions.fused.outcome is not Outcome.CONFLICT:
        return None
    named = {m: decisions[m].match for m in SINGLE if decisions[m].match is not None}
    if any(person_id in decisions[modality].named_ids for modality in named):
        return None
    for modality, match in named.items():
        assert match is not None
        if match.probability < _SURE:
            continue
        return MixedPeopleError(
            f"The face and the voice must be of one person. Received: by {modality} the clip is"
            f" {match.person_id!r} ({match.name}), and the rest speaks against that person",
            details={
                "modality": str(modality),
                "person_id": match.person_id,
                "name": match.name,
                "probability": match.probability,
            },
        )
    return None


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
