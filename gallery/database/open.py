"""Open the database of a gallery, whichever kind its URL names."""

from __future__ import annotations

from sqlalchemy import create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError

from gallery.database.base import BUSY_TIMEOUT_S, Database
from gallery.database.file import check_writable, is_there, path_of, refuse_emptied
from gallery.database.postgres import (
    PostgresDatabase,
    create_pgvector,
    lacks_pgvector,
    make_engine,
    meaning_of,
)
from gallery.database.sqlite import SqliteDatabase
from gallery.migrations.upgrade import version_of
from utils.errors import ConfigError, StoreUnavailableError

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


def read_schema(url: str) -> str | None:
    """Read the schema of a database, and change nothing (None = it is empty).

    Raises ConfigError for the database of another program, one that cannot have
    pgvector, or a file that this user may not use, StoreUnavailableError, and
    DamagedError for a file that was emptied.
    """
    parsed = _parse(url)
    path = path_of(parsed) if parsed.get_backend_name() == "sqlite" else None
    if path is not None:
        if not is_there(path):
            check_writable(path)
            return None
        refuse_emptied(path)
    engine = make_engine(parsed) if path is None else create_engine(parsed)
    try:
        with engine.connect() as connection:
            schema = version_of(connection)
            if path is None and lacks_pgvector(connection):
                create_pgvector(connection)  # it is undone
            return schema
    except SQLAlchemyError as error:  # its text may hold the password
        if path is None and isinstance(error, DBAPIError):
            raise meaning_of(error.orig) from None
        if path is not None and isinstance(error, OperationalError):
            check_writable(path)
        raise StoreUnavailableError(
            f"The database cannot be read: {type(error).__name__}."
        ) from None
    finally:
        engine.dispose()


def _parse(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError:  # the URL is not repeated: it may hold a password
        raise ConfigError(
            f"The URL of the database (DUET_DATABASE_URL) cannot be read. {_EXAMPLES}."
        ) from None
