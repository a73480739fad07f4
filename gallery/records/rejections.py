"""Clips that a check for liveness refused, so that whoever sends many of them must wait.

They lie in the database, so that all replicas count together. Each is deleted when it
counts no more.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, or_, select

from gallery.database.base import Database
from gallery.records.clock import SKEW
from gallery.tables import rejections

MOST = 5
WINDOW_S = 180.0
"""After `MOST` rejected clips in so many seconds, their sender must wait."""


class Rejections:
    """The rejected clips of a gallery. Shared by all threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, asker: str, now: datetime | None = None) -> int:
        """Count a clip of `asker`, and say how many count now.

        Raises StorageFullError, StoreUnavailableError.
        """
        now = now or datetime.now(UTC)
        own = select(func.count()).where(rejections.c.asker == _hash(asker))
        with self._database.write() as connection:
            sweep(connection, now)
            connection.execute(insert(rejections).values(asker=_hash(asker), at=now))
            return int(connection.scalar(own) or 0)

    def wait_s(self, asker: str, now: datetime | None = None) -> float:
        """Compute how long `asker` must wait, in seconds. Raises StoreUnavailableError."""
        now = now or datetime.now(UTC)
        latest = (
            select(rejections.c.at)
            .where(rejections.c.asker == _hash(asker), rejections.c.at <= now + SKEW)
            .order_by(rejections.c.at.desc())
            .limit(MOST)
        )
        with self._database.read() as connection:
            moments = connection.scalars(latest).all()
        if len(moments) < MOST:
            return 0.0
        waited: timedelta = now - moments[-1]
        return min(max(0.0, WINDOW_S - waited.total_seconds()), WINDOW_S)


def sweep(connection: Connection, now: datetime) -> None:
    """Delete what counts no more, and what came before the clock was set back."""
    old = rejections.c.at <= now - timedelta(seconds=WINDOW_S)
    connection.execute(delete(rejections).where(or_(old, rejections.c.at > now + SKEW)))


def _hash(asker: str) -> str:
    return hashlib.sha256(asker.encode()).hexdigest()
