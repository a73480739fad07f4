"""Transactions on answers of the recognizer: note them, and take feedback on them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from gallery import audit
from gallery.records import clock, feedback, people, visits
from gallery.records.feedback import NamedPerson, NewFeedback
from gallery.records.visits import NewVisit
from gallery.transactions.base import Transactions
from utils.errors import BusyError
from utils.modality import Modality


class AnswerTransactions(Transactions):
    """Transactions on answers and feedback."""

    def record_answer(
        self,
        action: str,
        outcome: str,
        *,
        person_id: str | None,
        named: Sequence[NamedPerson],
        detail: audit.Detail | None = None,
        request_id: str | None = None,
        visitors: Sequence[NewVisit] = (),
        mentions: Collection[str] = (),
    ) -> None:
        """Note an identification in the audit, and when the person was last seen.

        `person_id`: who was identified. Under its `request_id` the answer is remembered
        for feedback, with all who were `named`. `visitors` are those whom it is about.
        Raises BusyError where one of all whom it `mentions` was deleted meanwhile.
        """
        with self.database.write() as connection:
            if not people.are_there(connection, mentions):
                raise BusyError("Somebody whom the answer names was deleted meanwhile.")
            key = people.find(connection, person_id) if person_id else None
            audit.append(connection, action, outcome, person_key=key, detail=detail)
            if key is not None:
                people.note_seen(connection, key)
            if request_id and self._terms.feedback_days:
                if clock.find_jump(connection) is None:
                    feedback.forget_old(connection, self._terms.feedback_days)
                feedback.remember(connection, request_id, named)
            for new in visitors if self._terms.visit_days else ():
                visits.keep(connection, self.codec, new)

    def give_feedback(
        self, request_id: str, person_id: str, same: bool, asked_by: str | None = None
    ) -> tuple[Modality, ...]:
        """Store whether the clip of an answer was of a person whom it named (`same`).

        It takes the place of earlier feedback. `asked_by`: only on an answer that this
        actor was given. Returns the modalities that named the person. Raises
        PersonNotFoundError, IdentificationNotFoundError.
        """
        with self.database.write() as connection:
            key = people.key_of(connection, person_id)
            modalities = feedback.give(connection, NewFeedback(request_id, key, same, asked_by))
            outcome = "same" if same else "different"
            detail = {"trials": len(modalities)}
            audit.append(connection, "feedback", outcome, person_key=key, detail=detail)
            return modalities

    def feedback_trials(
        self, encoder_ids: Mapping[str, str], scale_ids: Mapping[str, str]
    ) -> tuple[feedback.Trial, ...]:
        """List feedback as trials for the next calibration, oldest first.

        Only strengths of these encoders on these scales (`Calibration.scale_id`) are in
        it, both by modality.
        """
        with self.database.read() as connection:
            return feedback.trials(connection, encoder_ids, scale_ids)
