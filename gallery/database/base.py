"""What the store asks of a database, whichever kind it is.

One transaction writes at a time, in all processes together. So what a writer has read
cannot change before it commits, changes are numbered in the order of their commits, and
the audit is one chain. Readers never wait for the writer.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy import exc as sa

from gallery.migrations import upgrade
from utils.errors import DuetError, StoreUnavailableError

BUSY_TIMEOUT_S = 5.0
WRITE_TURN_S = 30.0
# A start waits this long for another process that changes the schema.
UPGRADE_WAIT_S = 600.0


class LockedError(StoreUnavailableError):
    """Another program writes. A retry may succeed in a moment."""


class Database(ABC):
    """Database of a gallery, shared by all threads of the process."""

    searches = False
    """Whether vectors can be searched inside the database."""
    _raw_errors: tuple[type[Exception], ...] = (OSError,)
    """Errors of the driver that do not come through SQLAlchemy."""

    def __init__(self, reader: Engine, writer: Engine) -> None:
        self._engine = reader
        self._writer = writer
        self._turn = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that sees one state of the database throughout.

        Raises StoreUnavailableError.
        """
        with self.translating_errors(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open the one transaction that writes.

        It commits at the end, or leaves no trace. Raises StorageFullError,
        StoreUnavailableError.
        """
        if not self._turn.acquire(timeout=WRITE_TURN_S):
            raise StoreUnavailableError(f"The database took no write for {WRITE_TURN_S:g} s.")
        try:
            with (
                self.translating_errors(),
                self._writer.connect() as connection,
                connection.begin(),
            ):
                yield connection
        finally:
            self._turn.release()

    @abstractmethod
    def file_id(self, connection: Connection) -> str:
        """Id that changes when another database takes the place of this one.

        That is a backup that was restored, for example.
        """

    @abstractmethod
    def find_damage(self, connection: Connection) -> list[str]:
        """What is wrong with the file or the references in it, in words. Empty: nothing."""

    @abstractmethod
    def scrub(self) -> bool:
        """Remove deleted data from the log of the database.

        Returns False where that must wait for a later call.
        """

    @abstractmethod
    def forget(self, traces: Collection[bytes], *, earlier: bool = False) -> bool:
        """Remove all `traces`, pieces of deleted data, from the bytes of the files.

        `earlier`: remove also what an earlier deletion may have left. Returns False
        where that must wait for a later call.
        """

    @abstractmethod
    def compact(self) -> bool:
        """Write the files anew, without free space that may hold earlier values.

        Returns False where that must wait for a later call.
        """

    @abstractmethod
    def last_keys(self, connection: Connection) -> dict[str, int]:
        """Highest number that each table with numbered rows ever gave.

        Numbers of deleted rows count, too.
        """

    @abstractmethod
    def set_last_keys(self, connection: Connection, numbers: Mapping[str, int]) -> None:
        """Give only higher numbers than these from now on."""

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _closing_on_failure(self) -> Iterator[None]:
        """Close all connections if opening the database fails."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        """Bring the schema up to date.

        Of two processes that start on an old database at once, one changes it and the
        other waits.
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
    def translating_errors(self) -> Iterator[None]:
        """Raise errors of the driver as those of the product."""
        try:
            yield
        except sa.DBAPIError as error:
            if isinstance(error, sa.IntegrityError):
                raise
            raise self._translate(error.orig) from error
        except self._raw_errors as error:
            raise self._translate(error) from error
        except sa.TimeoutError as error:
            raise StoreUnavailableError("No connection to the database is free.") from error

    @abstractmethod
    def _translate(self, error: BaseException | None) -> DuetError:
        """Translate an error of the driver into one of the product."""
