"""Transactions on sightings, and on those that are still to be sent."""

from __future__ import annotations

from datetime import datetime

from gallery.records import groups, people, sightings
from gallery.records.sightings import Delivery, Sighting
from gallery.transactions.base import Transactions


class SightingTransactions(Transactions):
    """Transactions on sightings, whose `rules` come from the settings."""

    def note_sighting(
        self, source: str, person_id: str | None, request_id: str | None = None
    ) -> int:
        """Store that a person, or somebody unknown, was seen or heard, if it is a sighting.

        Returns how many sightings it is. Nothing is written where it is none.
        """
        if not self.rules.days or (person_id is None and not self.rules.unknown):
            return 0
        with self.database.read() as connection:
            key = None if person_id is None else people.find(connection, person_id)
            if person_id is not None and (
                key is None or not groups.watched_groups_of(connection, key)
            ):
                return 0
        with self.database.write() as connection:
            return sightings.note(connection, self.rules, source, key=key, request_id=request_id)

    def list_sightings(self, after: int = 0, limit: int = 100) -> tuple[Sighting, ...]:
        """List sightings behind a number whose term is not over, oldest first."""
        with self.database.read() as connection:
            return sightings.after(connection, self.rules, after, limit)

    def list_latest_sightings(self, limit: int = 50) -> tuple[Sighting, ...]:
        """List the latest sightings whose term is not over, newest first."""
        with self.database.read() as connection:
            return sightings.latest(connection, self.rules, limit)

    def last_sighting(self) -> int:
        """Number of the latest sighting, 0 = none."""
        with self.database.read() as connection:
            return sightings.last_number(connection)

    def claim_deliveries(self, now: datetime, limit: int = 20) -> list[Delivery]:
        """Take deliveries that are due."""
        with self.database.read() as connection:
            if not sightings.has_deliveries(connection):
                return []  # which is so nearly always, and costs no write
        with self.database.write() as connection:
            return sightings.claim(connection, self.rules, now, limit)

    def finish_delivery(self, delivery: Delivery, error: str, now: datetime) -> None:
        """Note how a delivery went: taken (`error` empty), or why not."""
        with self.database.write() as connection:
            sightings.finish(connection, delivery, error, now)

    def list_deliveries(self, limit: int = 1000) -> tuple[Delivery, ...]:
        """List deliveries that wait or were given up, oldest first."""
        with self.database.read() as connection:
            return sightings.list_deliveries(connection, limit)

    def resend_deliveries(self, now: datetime) -> int:
        """Have the deliveries that were given up sent again. Returns how many there are."""
        with self.database.write() as connection:
            return sightings.resend(connection, now)
