"""Queries of every search, worked out once as the driver takes them.

SQLAlchemy writes the text of a query with a list anew each time. Behind a scan of a large
gallery, which leaves nothing of that in the processor's caches, it takes a quarter of the
time of the query itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Select

SOME = "some"
"""Name of the list of a query: `bindparam(SOME, expanding=True)`."""
_ROUNDED_UP = 64
_Prepared = tuple[str, dict[str, Any], Sequence[str], Sequence[str] | None]


def ask(connection: Connection, query: Select[Any], some: Sequence[int]) -> Sequence[Any]:
    """Ask for `some`, one number at least. Rows hold what the driver gives, unchecked.

    The last number fills the list up, so that few texts are prepared. It gives no row twice.
    """
    count = -(-len(some) // _ROUNDED_UP) * _ROUNDED_UP
    text, values, names, order = _prepare(query, connection.dialect, count)
    filled = [*some, *[some[-1]] * (count - len(some))]
    named = values | dict(zip(names, filled, strict=True))
    parameters: Any = named if order is None else tuple(named[name] for name in order)
    return connection.exec_driver_sql(text, parameters).all()


@lru_cache(64)
def _prepare(query: Select[Any], dialect: Dialect, count: int) -> _Prepared:
    """Text of a query with a list of this length, its values, names of the list, and order."""
    compiled: Any = query.compile(dialect=dialect)
    state = compiled.construct_expanded_state({SOME: [0] * count})
    return (
        state.statement,
        dict(state.parameters),
        state.parameter_expansion[SOME],
        state.positiontup,
    )
