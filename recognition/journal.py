"""What the recognizer writes into the audit, and remembers for feedback."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from gallery.records.feedback import NamedPerson
from gallery.records.visits import NewVisit
from gallery.store import Store
from recognition.observation import Observation
from recognition.requests import EVALUATE, IdentificationRequest
from recognition.results import Identification, Outcome, Verification
from recognition.visitors import list_visits
from utils.errors import StorageFullError, StoreUnavailableError
from utils.modality import Modality

log = logging.getLogger("duet.recognition")


class Journal:
    """Notes answers in the gallery.

    A store that takes no writes does not keep people from being recognised: what could
    not be noted is logged.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def note_identification(
        self,
        request: IdentificationRequest,
        answer: Identification,
        stranger: int | None = None,
    ) -> None:
        """Note an identification in the audit, for feedback, and as a visit.

        `stranger` is the internal number of somebody unknown. Raises BusyError where
        somebody whom the answer names was deleted meanwhile.
        """
        fused = answer.decisions.fused
        outcome = request.outcome or str(fused.outcome)
        detail: dict[str, str | int] = {
            "people": answer.people,
            **_found_of(answer.observation),
            **request.detail,
        }
        counts = request.action != EVALUATE
        seen = fused.match if counts else None
        if request.action == "identify":
            detail = {
                "face": str(answer.decisions.face.outcome),
                "voice": str(answer.decisions.voice.outcome),
                **detail,
            }
        if request.all_faces:
            named = [other for other in answer.others if other.decision and other.decision.match]
            detail["others_named"] = len(named)
        self._write(
            request.action,
            outcome,
            lambda: self._store.record_answer(
                request.action,
                outcome,
                person_id=seen.person_id if seen else None,
                named=named_people(answer),
                detail=detail,
                request_id=request.request_id,
                visitors=tuple(list_visits(request, answer, stranger)) if counts else (),
                mentions=answer.named_ids,
            ),
        )
        if counts:
            self._sight_people(request, answer)

    def sight(self, source: str, person_id: str | None, request_id: str | None = None) -> None:
        """Note that a person, or somebody unknown, was seen or heard."""
        self._write(
            "sighting",
            source,
            lambda: self._store.note_sighting(source, person_id, request_id),
        )

    def note_visit(self, visit: NewVisit) -> None:
        """Note somebody who is heard, for the list of recent visitors."""
        self._write("visit", visit.source, lambda: self._store.keep_visit(visit))

    def _sight_people(self, request: IdentificationRequest, answer: Identification) -> None:
        """Note who is a sighting. Of a group alone nobody is known to be unknown."""
        fused = answer.decisions.fused
        others = [other.decision for other in answer.others if other.decision]
        for decision in (fused, *others):
            if decision.match:
                self.sight(request.action, decision.match.person_id, request.request_id)
            elif decision.outcome is Outcome.UNKNOWN and request.group is None:
                self.sight(request.action, None, request.request_id)

    def note_verification(self, answer: Verification, person_id: str | None) -> None:
        """Note a verification with a person of the gallery, or with another clip.

        Raises PersonNotFoundError where the person was deleted meanwhile.
        """
        verdicts = answer.verdicts
        self.note(
            "verify_clips" if person_id is None else "verify",
            verdicts.fused.outcome,
            person_id=person_id,
            detail={
                "face": verdicts.face.outcome,
                "voice": verdicts.voice.outcome,
                **_found_of(answer.observation),
            },
            is_needed=True,
        )

    def note(
        self,
        action: str,
        outcome: str,
        *,
        person_id: str | None = None,
        detail: Mapping[str, str | int] | None = None,
        is_needed: bool = False,
    ) -> None:
        """Add a row to the audit.

        Raises PersonNotFoundError where the person `is_needed` and not there.
        """
        self._write(
            action,
            outcome,
            lambda: self._store.record(action, outcome, person_id, detail, is_needed=is_needed),
        )

    def _write(self, action: str, outcome: str, write: Callable[[], object]) -> None:
        try:
            write()
        except (StoreUnavailableError, StorageFullError) as error:
            log.error("the audit missed %s %s: %s", action, outcome, error.code)


def _found_of(observation: Observation) -> dict[str, str]:
    """What the checks for liveness came to, by the name of each."""
    judgements = observation.liveness.judgements if observation.liveness else {}
    return {str(judge): str(judgement.outcome) for judge, judgement in judgements.items()}


def named_people(answer: Identification) -> tuple[NamedPerson, ...]:
    """List the comparisons behind an answer, for feedback: one for each modality.

    A fused decision that rests on one modality is that modality's comparison.
    """
    speech_s = answer.observation.speech_s
    named = []
    for modality, decision in answer.decisions.items():
        match = decision.match
        if match is None or match.strength is None or decision.modality != modality:
            continue
        named.append(
            NamedPerson(
                person_id=match.person_id,
                modality=Modality(modality),
                score=match.score,
                strength=match.strength,
                speech_s=speech_s,
                encoder_id=answer.observation.encoder_ids[modality],
                scale_id=answer.scale_ids[modality],
            )
        )
    return tuple(named)
