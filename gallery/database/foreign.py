"""Foreign values in an SQLite file: SQLite stores in any column what it is given.

Every table is read once. What is found is told by table, column and row, never by value.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Connection, Integer, Table

from gallery.damage import name_kind
from gallery.names import MAX_RETENTION_DAYS
from gallery.table_base import MAX_KEY, Checked, UtcDateTime, stored_kinds
from gallery.tables import metadata

_BOUNDS = dict.fromkeys(
    ("people.retention_days", "people_groups.retention_days"), MAX_RETENTION_DAYS
)

MOST = 5
"""Most rows of a fault that are told one by one."""


def find_foreign(connection: Connection) -> Iterator[str]:
    """Yield what is wrong with values that are none of their column."""
    for table in metadata.sorted_tables:
        rows_by_fault: dict[str, list[str]] = {}
        rows = connection.exec_driver_sql(_query(table), execution_options={"yield_per": 500})
        for number, person_id, *values in rows:
            for column, value in zip(table.columns, values, strict=True):
                fault = None if value is None else _find_fault(column, value)
                if fault:
                    what = f"{table.name}.{column.name} holds {fault}"
                    rows_by_fault.setdefault(what, []).append(_name_row(number, person_id))
        for what, named in rows_by_fault.items():
            yield _describe(what, named)


def _query(table: Table) -> str:
    """Select all values, with texts as bytes: SQLite does not see whether they are UTF-8."""
    names = ", ".join(
        f"CASE typeof(t.{name}) WHEN 'text' THEN CAST(t.{name} AS BLOB)"
        f" WHEN 'blob' THEN '' ELSE t.{name} END"
        for name in table.columns.keys()  # noqa: SIM118 - an iteration yields columns
    )
    owner = {"people": "key"}.get(table.name, "person_key")
    person = "NULL"
    if owner in table.columns:
        person = f"(SELECT CAST(p.person_id AS BLOB) FROM people AS p WHERE p.key = t.{owner})"  # noqa: S608 - names of our own
    return f"SELECT t.rowid, {person}, {names} FROM {table.name} AS t"  # noqa: S608


def _find_fault(column: Column[Any], value: Any) -> str | None:
    """Say what is wrong with a value: a text comes as bytes, and bytes as an empty text."""
    checked = column.type
    assert isinstance(checked, Checked)
    kinds, kind = stored_kinds(checked.impl)
    # Of bytes only the kind was read
    stored: object = b"" if value == "" else "" if isinstance(value, bytes) else value
    if type(stored) not in kinds:
        return f"{name_kind(stored)} in the place of {kind}"
    if isinstance(stored, str):
        return _find_fault_of_text(checked, value)
    return _find_fault_of_number(checked, value) if isinstance(stored, int | float) else None


def _find_fault_of_number(checked: Checked, value: float) -> str | None:
    if isinstance(checked.impl, Boolean):
        return None if value in (0, 1) else "a number in the place of yes or no"
    if not math.isfinite(value):
        return "a number without end"
    if isinstance(checked.impl, Integer) and not abs(value) <= _BOUNDS.get(checked.place, MAX_KEY):
        return "a number that is too large"
    return None


def _find_fault_of_text(checked: Checked, value: bytes) -> str | None:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return "a text that is not UTF-8"
    try:
        if isinstance(checked.impl, JSON):
            json.loads(text)
        elif isinstance(checked.impl, UtcDateTime):
            datetime.fromisoformat(text)
    except ValueError:
        return f"a text in the place of {stored_kinds(checked.impl)[1]}"
    if checked.words and text not in checked.words:
        return "a word that is none of those known"
    return None


def _name_row(number: int, person_id: bytes | None) -> str:
    if person_id is None:
        return f"row {number}"
    return f"row {number} of {person_id.decode(errors='replace')[:128]!r}"


def _describe(what: str, named: list[str]) -> str:
    listed = ", ".join(named[:MOST])
    more = f", and {len(named) - MOST} more" if len(named) > MOST else ""
    return f"{what}: {listed}{more}."
