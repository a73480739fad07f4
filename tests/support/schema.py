"""The tables of an empty database, made by Alembic once a process and repeated after that.

Alembic takes a tenth of a second for its revisions, and hundreds of tests open a new
gallery. What the revisions sent to the database is noted the first time, by kind of
database, and sent again in the transaction of the next one. A database that holds
anything goes the way of the product. So do those of a module that defines
`quick_schema` anew.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event

from gallery.migrations.upgrade import version_of

_LOOKS = ("SELECT", "PRAGMA")
_migrate = command.upgrade


def migrate(config: Config, revision: str) -> None:
    """Do what `alembic.command.upgrade` does."""
    connection = config.attributes["connection"]
    if revision != "head" or version_of(connection) is not None:
        _migrate(config, revision)
        return
    statements = _noted(connection.dialect.name)
    if statements:
        for statement, values in statements:
            connection.exec_driver_sql(statement, values)
        return
    statements += _note(connection, config, revision)


@cache
def _noted(_kind: str) -> list[tuple[str, Any]]:
    return []


def _note(connection: Connection, config: Config, revision: str) -> list[tuple[str, Any]]:
    """Send the revisions, and return the statements that change something."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_about: Any) -> None:
        if not statement.lstrip().upper().startswith(_LOOKS):
            sent.append((statement, values or None))

    event.listen(connection, "before_cursor_execute", note)
    try:
        _migrate(config, revision)
    finally:
        event.remove(connection, "before_cursor_execute", note)
    return sent
