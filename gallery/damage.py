"""Values of a row that cannot be read, as after a fault of the disk."""

from __future__ import annotations

from utils.errors import StoreUnavailableError

HINT = "Keep the file, and restore a backup (docs/backup.md)."


def damage_error(what: str) -> StoreUnavailableError:
    """Make the error of a damaged value. `what` says its kind, such as "a time"."""
    return StoreUnavailableError(f"A row of the database is damaged: it holds {what}.", HINT)
