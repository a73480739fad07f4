"""Copies a gallery to another database, of whatever kind.

People, groups, templates, kept media, feedback, visitors, keys and the audit are copied.
One transaction reads the source and one writes the target, so a copy that is stopped at
any moment leaves the target empty. Internal numbers stay, and so do those that were used
once: the audit goes on to refer to the same people, and its chain stays whole.

Batch jobs are not copied: their clips lie in the media folder, and two services must
not do them twice. Nor are sightings, which a receiver must not get twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select
from sqlalchemy.exc import StatementError

from gallery import audit, tables
from gallery.damage import damage_error
from gallery.store import Store
from utils.errors import InvalidRequestError, StorageFullError, StoreUnavailableError

BATCH = 500
LEFT_OUT = frozenset(
    {
        "meta",
        "jobs",
        "job_items",
        "job_mentions",
        "reembedded",
        "challenges",  # which last for a minute
        "rejections",
        "sightings",
        "deliveries",
    }
)
TABLES = tuple(t for t in tables.metadata.sorted_tables if t.name not in LEFT_OUT)

Progress = Callable[[str, int], object]
"""Called with the name of a table, and how many more of its rows were copied."""


def copy_gallery(
    source: Store,
    target: Store,
    progress: Progress = lambda _table, _rows: None,
    *,
    action: str = "copy_gallery",
) -> dict[str, int]:
    """Copy `source` into the empty `target`, and return the number of rows by table.

    Sealed values stay as they are, so both must have the same key. The audit of both
    notes the copy under the name `action`.

    Raises InvalidRequestError for a target that is not empty, StoreUnavailableError and
    StorageFullError. Raises StoreUnavailableError, too, when what arrived is not what
    was sent: the target is left empty then.
    """
    if source.codec.key_id != target.codec.key_id:
        raise ValueError("Both galleries must be sealed with the same key.")
    with writing_copy(), source.database.read() as read, target.database.write() as write:
        _refuse_filled(write)
        copied = {table.name: _copy(table, read, write, progress) for table in TABLES}
        last_keys = source.database.last_keys(read)
        target.database.set_last_keys(
            write, {table: key for table, key in last_keys.items() if table in copied}
        )
        head = audit.verify(read).head
        audit.take_over(write, head)
        _check(write, copied, head)
        detail = {"people": copied["people"], "templates": copied["templates"]}
        audit.append(write, action, "arrived", detail=detail)
    source.record(action, "copied", detail=detail)
    return copied


@contextmanager
def writing_copy() -> Iterator[None]:
    """Say of a full disk that it is the one of the copy, not that of the gallery."""
    try:
        yield
    except StorageFullError as error:
        raise StorageFullError("The disk that the copy is written to is full.") from error


def count_rows(store: Store) -> int:
    """Count the rows to copy."""
    with store.database.read() as connection:
        return sum(_rows_in(connection, table) for table in TABLES)


def _rows_in(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _refuse_filled(connection: Connection) -> None:
    filled = [table.name for table in TABLES if _rows_in(connection, table)]
    if filled:
        raise InvalidRequestError(
            f"The database is not empty: it has rows in {', '.join(filled)}.",
            "Name an empty folder, or another database.",
        )


def _copy(table: Table, read: Connection, write: Connection, progress: Progress) -> int:
    count = 0
    for rows in _batches(table, read):
        _insert(table, write, rows)
        count += len(rows)
        progress(table.name, len(rows))
    return count


def _insert(table: Table, write: Connection, rows: list[dict[str, Any]]) -> None:
    try:
        write.execute(insert(table), rows)
    except StatementError as error:
        if isinstance(error.orig, TypeError | ValueError):  # no value of its column
            raise damage_error("a value of another kind") from error
        raise


def _batches(table: Table, connection: Connection) -> Iterator[list[dict[str, Any]]]:
    query = select(table).order_by(*table.primary_key.columns)
    with connection.execute(query, execution_options={"yield_per": BATCH}) as result:
        for part in result.partitions(BATCH):
            yield [dict(row._mapping) for row in part]


def _check(connection: Connection, copied: Mapping[str, int], head: audit.Head) -> None:
    """Raise StoreUnavailableError unless the target holds what was sent."""
    for table in TABLES:
        arrived = _rows_in(connection, table)
        if arrived != copied[table.name]:
            raise StoreUnavailableError(
                f"Only {arrived} of {copied[table.name]} rows of {table.name} arrived."
            )
    last = audit.verify(connection, head).head
    if last != head:
        raise StoreUnavailableError(
            f"The audit did not arrive as it was sent: its last row is {last}, not {head}."
        )
