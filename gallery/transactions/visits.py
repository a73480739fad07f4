"""Transactions on visits: keep, list and correct them."""

from __future__ import annotations

from typing import Unpack

from gallery.records import people, visits
from gallery.records.visits import NewVisit, Visit, VisitFilter
from gallery.transactions.base import Transactions


class VisitTransactions(Transactions):
    """Transactions on visits, which are kept where `DUET_VISIT_DAYS` says so."""

    @property
    def visit_days(self) -> float:
        """Days for which visits are kept, 0 = not at all."""
        return self._terms.visit_days

    def keep_visit(self, new: NewVisit) -> None:
        """Store a visit, where visits are kept."""
        if self._terms.visit_days:
            with self.database.write() as connection:
                visits.keep(connection, self.codec, new)

    def list_visits(
        self, limit: int = 50, person_id: str | None = None, **wanted: Unpack[VisitFilter]
    ) -> tuple[Visit, ...]:
        """List visits, newest first: all, or those of a person and what else is wanted.

        Raises PersonNotFoundError, InvalidNameError, InvalidRequestError.
        """
        with self.database.read() as connection:
            if person_id is not None:
                wanted["person_key"] = people.key_of(connection, person_id)
            return visits.page(connection, self.codec, limit, wanted)

    def correct_visit(self, visit_id: str, person_id: str | None) -> Visit:
        """Mark the answer of a visit as wrong: it was this person, or nobody known (None).

        Templates stay as they are. Raises VisitNotFoundError, PersonNotFoundError,
        InvalidRequestError.
        """
        with self.database.write() as connection:
            actual = None if person_id is None else people.key_of(connection, person_id)
            return visits.correct(connection, self.codec, visit_id, actual)

    def take_back_correction(self, visit_id: str) -> Visit:
        """Let the answer of a visit stand again. Raises VisitNotFoundError."""
        with self.database.write() as connection:
            return visits.take_back(connection, self.codec, visit_id)

    def count_visits(self) -> dict[str, int]:
        """Count the visits by what was said of their answers: nothing, or wrong."""
        with self.database.read() as connection:
            return visits.count(connection)
