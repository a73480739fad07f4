"""Values of a row that cannot be read, as after a fault of the disk."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Select, Table
from sqlalchemy.exc import OperationalError

from utils.errors import StoreUnavailableError

log = logging.getLogger("duet.gallery")
_T = TypeVar("_T")


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


def is_undecodable(error: BaseException) -> bool:
    """Whether the driver met a text that is not UTF-8. It tells no column, and no code."""
    return "Could not decode" in str(error)


def is_damage(error: BaseException) -> bool:
    """Whether a value is damaged, and not the database locked or its disk at fault."""
    return isinstance(error, DamagedError) or is_undecodable(error)


def read_whole(
    keys: Sequence[int],
    read: Callable[[Sequence[int]], Iterable[_T]],
    leave_out: Callable[[int], object],
) -> list[_T]:
    """Read rows by their keys. Where one is damaged, each half is read by itself.

    `leave_out` is told the key of each damaged row. Other errors are raised.
    """
    if not keys:
        return []
    try:
        return list(read(keys))
    except (DamagedError, OperationalError) as error:
        if not is_damage(error):
            raise
    if len(keys) == 1:
        leave_out(keys[0])
        return []
    middle = len(keys) // 2
    first = read_whole(keys[:middle], read, leave_out)
    return first + read_whole(keys[middle:], read, leave_out)


def list_whole(
    connection: Connection,
    query: Select[Any],
    table: Table,
    make: Callable[[Row[Any]], _T],
    *,
    number: ColumnElement[int] | None = None,
) -> list[_T]:
    """Make something of each row of a query, in its order.

    Damaged rows of `table` are passed over, and the log says which. All are read at once as
    long as none is damaged. `number` tells rows apart: the key of the table by default.
    """
    try:
        return [make(row) for row in connection.execute(query)]
    except (DamagedError, OperationalError) as error:
        if not is_damage(error):
            raise
    number = table.primary_key.columns[0] if number is None else number
    numbers = list(connection.scalars(query.with_only_columns(number)))

    def read(part: Sequence[int]) -> list[_T]:
        some = query.where(number.in_(part)).offset(None)
        return [make(row) for row in connection.execute(some)]

    return read_whole(numbers, read, partial(tell_passed_over, table.name))


def tell_passed_over(table: str, number: int) -> None:
    """Log that a row is damaged, so that it counts for nothing."""
    log.error("a row of %s is damaged and passed over: row %d (`cli.py check`)", table, number)


def read_object(data: bytes, names: Collection[str], place: str) -> dict[str, Any]:
    """Read a JSON object with these fields out of a column. Raises DamagedError."""
    try:
        facts: dict[str, Any] = json.loads(data)
        if set(names) <= set(facts):
            return facts
    except (ValueError, TypeError):
        pass
    raise damage_error("JSON that cannot be read", place)


def name_kind(value: object) -> str:
    """Say what a value is that is none of its column. The value is not told."""
    kinds = {bytes: "bytes", str: "a text", bool: "a number", int: "a number", float: "a number"}
    return kinds.get(type(value), "something else")
