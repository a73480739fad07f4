"""Values of a row that cannot be read, as after a fault of the disk."""

from __future__ import annotations

from utils.errors import StoreUnavailableError


class DamagedError(StoreUnavailableError):
    """The database holds what cannot be read."""


HINT = "Keep the file, and restore a backup (docs/backup.md)."


def damage_error(what: str) -> DamagedError:
    """Make the error of a damaged value. `what` says its kind, such as "a time"."""
    return DamagedError(f"A row of the database is damaged: it holds {what}.", HINT)
