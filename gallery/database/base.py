"""A database of a gallery: what the store asks of it, whichever it is. `open_database`
picks the kind by the URL.

One transaction writes at a time, in all processes together: what a writer read cannot
change before it commits, numbers of changes are in the order of commits, and the audit
is one chain. Readers never wait for the writer.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy import exc as sa
from sqlalchemy.engine import make_url

from gallery.migrations import upgrade
from utils.errors import ConfigError, DuetError, StoreUnavailableError

log = logging.getLogger("duet.gallery")

BUSY_TIMEOUT_S = 5.0
WRITE_TURN_S = 30.0
UPGRADE_WAIT_S = 600.0  # a start waits so long for another process that changes the schema


class LockedError(StoreUnavailableError):
    """Somebody else writes; it may be over in a moment."""


def open_database(url: str, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Database:
    """An SQLite file (`sqlite:////folder/duet.db`) or PostgreSQL
    (`postgresql+psycopg://user:password@host/database`), created or brought up to date.
    Open it after a fork, never before. Raises ConfigError, StoreUnavailableError,
    StorageFullError.
    """
    try:
        parsed = make_url(url)
    except sa.ArgumentError:
        raise ConfigError(
            f"A database is named by a URL, also in DUET_DATABASE_URL. {_KINDS}. Received:"
            " something else"
        ) from None
    if parsed.get_backend_name() == "sqlite":
        from gallery.database.sqlite import SqliteDatabase

        return SqliteDatabase(parsed, busy_timeout_s)
    if parsed.get_backend_name() in ("postgresql", "postgres"):
        from gallery.database.postgres import PostgresDatabase

        return PostgresDatabase(parsed)
    raise ConfigError(
        f"The gallery is kept in SQLite or PostgreSQL. {_KINDS}. Received:"
        f" {parsed.get_backend_name()}"
    )


_KINDS = "For example sqlite:////folder/duet.db or postgresql+psycopg://user@host/duet"


class Database(ABC):
    """Shared by all threads of the process."""

    searches = False
    """Whether vectors can be searched inside the database."""
    _raw_errors: tuple[type[Exception], ...] = (OSError,)
    """Errors of the driver that come another way than through SQLAlchemy."""

    def __init__(self, reader: Engine, writer: Engine) -> None:
        self._engine = reader
        self._writer = writer
        self._turn = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database throughout. Raises
        StoreUnavailableError.
        """
        with self._translated(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """The one writer: commits at the end, or leaves no trace. Raises
        StorageFullError, StoreUnavailableError.
        """
        if not self._turn.acquire(timeout=WRITE_TURN_S):
            raise StoreUnavailableError(f"The database took no write for {WRITE_TURN_S:g} s.")
        try:
            with self._translated(), self._writer.connect() as connection, connection.begin():
                yield connection
        finally:
            self._turn.release()

    @abstractmethod
    def file_id(self, connection: Connection) -> str:
        """Changes when another database takes the place of this one (a restored
        backup).
        """

    @abstractmethod
    def scrub(self) -> bool:
        """Remove what was deleted from the log of the database. False if that must wait
        for a later call.
        """

    @abstractmethod
    def forget(self, traces: Collection[bytes], *, earlier: bool = False) -> bool:
        """See to it that none of `traces`, pieces of what was deleted, is left in the
        files; `earlier`: nor what an earlier deletion may have left. False if that must
        wait for a later call.
        """

    @abstractmethod
    def compact(self) -> bool:
        """Write the files anew, without space in which earlier values may still stand.
        False if that must wait for a later call.
        """

    @abstractmethod
    def last_keys(self, connection: Connection) -> dict[str, int]:
        """The highest number that each table with numbered rows ever gave, also to rows
        that are gone.
        """

    @abstractmethod
    def set_last_keys(self, connection: Connection, numbers: Mapping[str, int]) -> None:
        """Give higher numbers than these from now on."""

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _closed_on_failure(self) -> Iterator[None]:
        """Around what opens the database."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        """Two processes that start on an old database at once: one changes it, the
        other waits for that.
        """
        with self.read() as connection:
            if upgrade.is_current(connection):
                return
        deadline = time.monotonic() + UPGRADE_WAIT_S
        while True:
            try:
                with self.write() as connection:
                    upgrade.upgrade(connection)
                return
            except LockedError:
                if time.monotonic() > deadline:
                    raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sa.DBAPIError as error:
            if isinstance(error, sa.IntegrityError):
                raise
            raise self._in_our_words(error.orig) from error
        except self._raw_errors as error:
            raise self._in_our_words(error) from error
        except sa.TimeoutError as error:
            raise StoreUnavailableError("No connection to the database is free.") from error

    @abstractmethod
    def _in_our_words(self, error: BaseException | None) -> DuetError:
        """An error of the driver as one of the product."""
