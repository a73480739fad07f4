"""Values of a row that cannot be read, as after a fault of the disk."""

from __future__ import annotations

from utils.errors import StoreUnavailableError


class DamagedError(StoreUnavailableError):
    """The database holds what cannot be read: `what` says of which kind it is."""

    what = ""


HINT = (
    "Run `cli.py check`, which says in which rows. Keep the file, and restore a backup"
    " (docs/backup.md). Others can be asked about meanwhile."
)


def damage_error(what: str, place: str = "the database") -> DamagedError:
    """Make the error of a damaged value.

    `what` says its kind, such as "a time". `place` is a table, or a column of one.
    """
    error = DamagedError(f"A row of {place} is damaged: it holds {what}.", HINT)
    error.what = what
    return error


def name_kind(value: object) -> str:
    """Say what a value is that is none of its column. The value is not told."""
    kinds = {bytes: "bytes", str: "a text", bool: "a number", int: "a number", float: "a number"}
    return kinds.get(type(value), "something else")
