"""Parts of stored values, by which the bytes of a file are searched for what was deleted."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, cast, func

FRAGMENT_BYTES = 64
"""So many bytes are unlike those of any other value, as values are vectors, media or sealed."""


def part_of(column: ColumnElement[Any], start: int = 1) -> ColumnElement[Any]:
    """Select some bytes of a value, from `start` on, which counts from 1."""
    # SQLite holds what it is given, also a text in a column of bytes
    return func.substr(cast(column, LargeBinary), start, FRAGMENT_BYTES)
