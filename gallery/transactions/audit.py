"""Transactions on the audit: list and verify its rows."""

from __future__ import annotations

from typing import Unpack

from gallery import audit
from gallery.audit import EventFilter
from gallery.records import people
from gallery.results import Event
from gallery.transactions.base import Transactions


class AuditTransactions(Transactions):
    """Transactions on the audit."""

    def events(
        self, limit: int = 100, *, person_id: str | None = None, **wanted: Unpack[EventFilter]
    ) -> tuple[Event, ...]:
        """List the rows of the audit that are `wanted`, newest first.

        `person_id`: only rows on this person. Raises InvalidRequestError,
        InvalidNameError, PersonNotFoundError.
        """
        with self.database.read() as connection:
            if person_id is not None:
                wanted["person_key"] = people.key_of(connection, person_id)
            return audit.page(connection, limit, wanted)

    def verify_audit(self, noted: audit.Head | None = None) -> audit.AuditReport:
        """Check whether the audit is whole (`gallery.audit.verify`)."""
        with self.database.read() as connection:
            return audit.verify(connection, noted)
