"""Transactions on the audit: list and verify its rows."""

from __future__ import annotations

from gallery import audit
from gallery.results import Event
from gallery.transactions.base import Transactions


class AuditTransactions(Transactions):
    """Transactions on the audit."""

    def events(
        self, limit: int = 100, before: int | None = None, action: str | None = None
    ) -> tuple[Event, ...]:
        """List rows of the audit, newest first.

        `before`: only rows of a lower number. `action`: only rows of this action.
        Raises InvalidRequestError.
        """
        with self.database.read() as connection:
            return audit.page(connection, limit, before, action)

    def verify_audit(self, noted: audit.Head | None = None) -> audit.AuditReport:
        """Check whether the audit is whole (`gallery.audit.verify`)."""
        with self.database.read() as connection:
            return audit.verify(connection, noted)
