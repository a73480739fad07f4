"""A gallery from one database to another, of whatever kind: people, templates, kept
media, feedback, keys and the audit.

One transaction reads the source and one writes the target, so that a copy that is
stopped at any moment leaves the target empty. Internal numbers stay, and so do those
that were used once: the audit goes on to refer to whom it referred to, and its chain
stays whole.

Batch jobs are not copied: their clips lie in the media folder, and two services must
not do them twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select

from gallery import audit, tables
from gallery.store import Store
from utils.errors import InvalidRequestError, StoreUnavailableError

BATCH = 500
LEFT_OUT = frozenset({"meta", "jobs", "job_items", "job_mentions", "reembedded"})
TABLES = tuple(t for t in tables.metadata.sorted_tables if t.name not in LEFT_OUT)

Progress = Callable[[str, int], object]
"""Told the name of a table and how many rows of it were copied more."""


def copy_gallery(
    source: Store, target: Store, progress: Progress = lambda _table, _rows: None
) -> dict[str, int]:
    """Copy all of `source` into the empty `target`; returns how many rows of which
    table. Sealed values stay as they are, so that both must have the same key.

    Raises InvalidRequestError for a target that is not empty, StoreUnavailableError,
    StorageFullError, and StoreUnavailableError when what arrived is not what was sent:
    the target is left empty then.
    """
    if source.codec.key_id != target.codec.key_id:
        raise ValueError("Both galleries must be sealed with the same key. Received: two keys")
    with source.database.read() as read, target.database.write() as write:
        _refuse_filled(write)
        copied = {table.name: _copy(table, read, write, progress) for table in TABLES}
        target.database.set_last_keys(
            write, {t: n for t, n in source.database.last_keys(read).items() if t in copied}
        )
        head = audit.verify(read).head
        audit.take_over(write, head)
        _check(write, copied, head)
        audit.append(
            write,
            "copy_gallery",
            "arrived",
            None,
            {"people": copied["people"], "templates": copied["templates"]},
        )
    source.record(
        "copy_gallery",
        "copied",
        None,
        {"people": copied["people"], "templates": copied["templates"]},
    )
    return copied


def count_rows(store: Store) -> int:
    """How many rows there are to copy."""
    with store.database.read() as connection:
        return sum(_rows_in(connection, table) for table in TABLES)


def _rows_in(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _refuse_filled(connection: Connection) -> None:
    filled = [table.name for table in TABLES if _rows_in(connection, table)]
    if filled:
        raise InvalidRequestError(
            "A gallery is copied into an empty database. Received: one with rows in"
            f" {', '.join(filled)}",
            "Name another database with --to.",
        )


def _copy(table: Table, read: Connection, write: Connection, progress: Progress) -> int:
    count = 0
    for rows in _batches(table, read):
        write.execute(insert(table), rows)
        count += len(rows)
        progress(table.name, len(rows))
    return count


def _batches(table: Table, connection: Connection) -> Iterator[list[dict[str, Any]]]:
    query = select(table).order_by(*table.primary_key.columns)
    with connection.execute(query, execution_options={"yield_per": BATCH}) as result:
        for part in result.partitions(BATCH):
            yield [dict(row._mapping) for row in part]


def _check(connection: Connection, copied: Mapping[str, int], head: audit.Head) -> None:
    for table in TABLES:
        found = _rows_in(connection, table)
        if found != copied[table.name]:
            raise StoreUnavailableError(
                f"Every row must arrive. Received: {found} of {copied[table.name]} in {table.name}"
            )
    verified = audit.verify(connection, head)
    if verified.head != head:
        raise StoreUnavailableError(
            f"The audit must arrive as it was. Received: its last row is {verified.head}, not"
            f" {head}"
        )
