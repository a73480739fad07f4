"""Open the database of a gallery, whichever kind its URL names."""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from gallery.database.base import BUSY_TIMEOUT_S, Database
from gallery.database.postgres import PostgresDatabase
from gallery.database.sqlite import SqliteDatabase
from utils.errors import ConfigError

_EXAMPLES = "For example sqlite:////folder/duet.db or postgresql+psycopg://user@host/duet"


def open_database(url: str, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Database:
    """Open a database, and create it or bring it up to date where needed.

    `url` is an SQLite file (`sqlite:////folder/duet.db`) or PostgreSQL
    (`postgresql+psycopg://user:password@host/database`). Open it after a fork, never
    before. Raises ConfigError, StoreUnavailableError, StorageFullError.
    """
    parsed = _parse(url)
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        return SqliteDatabase(parsed, busy_timeout_s)
    if kind in ("postgresql", "postgres"):
        return PostgresDatabase(parsed)
    raise ConfigError(f"The gallery is kept in SQLite or PostgreSQL. {_EXAMPLES}. Received: {kind}")


def _parse(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError:  # the URL is not repeated: it may hold a password
        raise ConfigError(
            f"The URL of the database (DUET_DATABASE_URL) cannot be read. {_EXAMPLES}."
        ) from None
