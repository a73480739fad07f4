"""Entries that look like one person and are two, in the operator's word.

Each pair is stored once, the smaller internal number first.
"""

from __future__ import annotations

from sqlalchemy import Connection, insert, or_, select

from gallery.tables import distinct_people as table

_PAIRS = select(table.c.person_key, table.c.other_key)  # made once, for every search

Pair = tuple[int, int]
"""Internal numbers of two people, the smaller one first."""


def remember(connection: Connection, key: int, other: int) -> bool:
    """Store that two entries are two people. Returns False where it was stored before."""
    pair = (min(key, other), max(key, other))
    if pair in read(connection):
        return False
    connection.execute(insert(table).values(person_key=pair[0], other_key=pair[1]))
    return True


def read(connection: Connection) -> frozenset[Pair]:
    """Read all pairs."""
    rows = connection.execute(_PAIRS)
    return frozenset((row.person_key, row.other_key) for row in rows)


def move(connection: Connection, key: int, other: int) -> None:
    """Store of the person `key` whom the person `other` is not."""
    is_of_other = or_(table.c.person_key == other, table.c.other_key == other)
    rows = connection.execute(_PAIRS.where(is_of_other))
    for one, two in rows.all():
        third = two if one == other else one
        if third != key:
            remember(connection, key, third)
