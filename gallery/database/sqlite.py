"""SQLite file: connections, transactions, file modes, and errors of SQLite translated.

- WAL: readers never wait for the writer. Writers take turns: one thread of a process at
  a time, BEGIN IMMEDIATE between processes.
- `synchronous=FULL`: what was acknowledged survives a loss of power.
- `secure_delete` overwrites deleted rows with zeros. `scrub()` empties the write-ahead
  log, which still holds older pages. `forget()` looks for copies that SQLite left in
  its pages.
- After the start the file is opened, never created: one that vanished (a lost mount, a
  deleted folder) is an error, not an empty gallery.
- Every connection remembers the inode that it opened. A file that was exchanged since
  (a restored backup) is opened anew.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy import exc as sa
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.pool import QueuePool

from gallery.damage import DamagedError, damage_error, is_undecodable
from gallery.database import residue
from gallery.database.base import Database, LockedError
from gallery.database.file import (
    check_writable,
    inode,
    made_mark,
    make_file,
    path_of,
    refuse_emptied,
)
from gallery.database.foreign import find_foreign
from utils.errors import GalleryError, StorageFullError, StoreUnavailableError

log = logging.getLogger("duet.gallery")

# A new file gets pages that hold three templates of 2 KB. One of 4 KB would hold one.
_PRAGMAS = (
    "page_size=8192",
    "foreign_keys=ON",
    "synchronous=FULL",
    "secure_delete=ON",
    "temp_store=MEMORY",
)
_NO_ROOM_BYTES = 1 << 20
# Of some 50 people: looking for more takes longer than writing the file anew.
_MANY_TRACES = 1000


class SqliteDatabase(Database):
    """One SQLite file.

    `busy_timeout_s` is how long a connection waits for other processes.
    """

    _raw_errors = (sqlite3.Error, OSError)

    def __init__(self, url: URL, busy_timeout_s: float) -> None:
        self._path = path_of(url)
        check_writable(self._path)
        refuse_emptied(self._path)
        self._busy_timeout_s = busy_timeout_s
        self._descriptors: dict[str, int] = {}
        engine = create_engine(
            "sqlite://",
            creator=self._connect,
            poolclass=QueuePool,
            pool_size=8,
            max_overflow=24,
            pool_timeout=30,
            hide_parameters=True,  # names and vectors stay out of error texts
            json_deserializer=_read_json,
        )
        super().__init__(engine, engine.execution_options(writes=True))
        event.listen(engine, "begin", _begin)
        event.listen(engine, "handle_error", _name_damage)
        event.listen(engine, "connect", self._remember_file)
        event.listen(engine, "checkout", self._refuse_other_file)
        with self._closing_on_failure(), self.translating_errors():
            make_file(self._path)
            self._use_wal()
            made_mark(self._path).unlink(missing_ok=True)
            self._prepare()

    def file_id(self, _connection: Connection) -> str:
        """Device and inode of the file."""
        with self.translating_errors():
            return inode(self._path)

    def find_damage(self, connection: Connection) -> list[str]:
        """Ask SQLite about its pages and references, and look for foreign values."""
        pages = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check(20)")]
        orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        lost = [
            f"A row of {table} refers to a row of {other} that is missing."
            for table, _, other, _ in orphans[:20]
        ]
        damaged = [text for text in pages if text != "ok"]
        return damaged + lost + list(find_foreign(connection))

    def scrub(self) -> bool:
        """Empty the write-ahead log, so that no deleted byte is left in it.

        Returns False where readers or writers keep it busy. The next scrub empties it.
        """
        deadline = time.monotonic() + self._busy_timeout_s
        with self.translating_errors():
            while self._log_is_busy():
                if time.monotonic() > deadline:
                    log.warning(
                        "the write-ahead log is busy and keeps deleted data until the next deletion"
                    )
                    return False
                time.sleep(0.02)
        return True

    def compact(self) -> bool:
        """Write the file anew, without free pages, and empty the log.

        Returns False where readers or writers keep the log busy.
        """
        with self._turn, self.translating_errors(), self._raw_cursor() as cursor:
            cursor.execute("VACUUM")
        return self.scrub()

    def forget(self, traces: Collection[bytes], *, earlier: bool = False) -> bool:
        """Empty the log, and remove `traces` from the unused space of the file.

        The file is written anew where one of them is left, where there are many to look
        for, and where an `earlier` deletion left unknown ones. Returns False as
        `scrub`.
        """
        if not self.scrub():
            return False
        with self.translating_errors():
            left = (
                earlier
                or len(traces) > _MANY_TRACES
                or residue.holds_any(self._descriptor(), traces)
            )
        return not left or self.compact()

    def close(self) -> None:
        """Close all connections, and then the descriptors that read the file."""
        super().close()
        while self._descriptors:
            os.close(self._descriptors.popitem()[1])

    def _log_is_busy(self) -> bool:
        """Try to empty the write-ahead log. Returns whether somebody still uses it."""
        with self._raw_cursor() as cursor:
            busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        return bool(busy)

    @contextmanager
    def _raw_cursor(self) -> Iterator[Any]:
        """Yield a cursor of SQLite itself, outside of any transaction."""
        raw = self._engine.raw_connection()
        try:
            with _naming_damage():
                yield raw.cursor()
        finally:
            raw.close()

    def _descriptor(self) -> int:
        """Descriptor that reads the bytes of the file.

        It stays open as long as the connections do: `gallery/database/residue.py` says
        why.
        """
        number = inode(self._path)
        if number not in self._descriptors:
            self._descriptors[number] = os.open(self._path, os.O_RDONLY)
        return self._descriptors[number]

    def last_keys(self, connection: Connection) -> dict[str, int]:
        """Read the numbers of SQLite's own table."""
        return {
            row.name: row.seq
            for row in connection.execute(text("SELECT name, seq FROM sqlite_sequence"))
        }

    def set_last_keys(self, connection: Connection, numbers: Mapping[str, int]) -> None:
        """Write the numbers into SQLite's own table."""
        for name, number in numbers.items():
            connection.execute(
                text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": name}
            )
            connection.execute(
                text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :number)"),
                {"name": name, "number": number},
            )

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self._path.as_uri()}?mode=rw",
            uri=True,
            timeout=self._busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            with _naming_damage():
                for pragma in _PRAGMAS:
                    connection.execute(f"PRAGMA {pragma}")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _use_wal(self) -> None:
        """Switch the file to a write-ahead log.

        SQLite may refuse the switch at once, without its busy timeout, while another
        process opens the file.
        """
        deadline = time.monotonic() + self._busy_timeout_s
        while True:
            try:
                with self._raw_cursor() as cursor:
                    cursor.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if not _code(error).startswith("SQLITE_BUSY") or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def _remember_file(self, _: Any, record: Any) -> None:
        record.info["file"] = inode(self._path)

    def _refuse_other_file(self, _: Any, record: Any, __: Any) -> None:
        try:
            same = record.info["file"] == inode(self._path)
        except OSError:
            same = False
        if not same:
            raise sa.DisconnectionError

    def _translate(self, error: BaseException | None) -> GalleryError:
        code = _code(error)
        # The texts of SQLite and of an OSError quote values and name paths
        log.error("database: %s", getattr(error, "strerror", None) or code)
        if error is not None and is_undecodable(error):
            return damage_error("a text that is not UTF-8")
        if code == "SQLITE_FULL" or getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT):
            return StorageFullError("The disk of the database is full.")
        if code.startswith("SQLITE_IOERR") and self._is_full():
            return StorageFullError("The disk of the database is full.")
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return LockedError("The database is locked by another program.")
        if code.startswith(_DAMAGE):
            return DamagedError(
                "The database file is damaged.",
                "Stop the service, keep the file, and restore a backup (docs/backup.md).",
            )
        for start, message in _MESSAGES.items():
            if code.startswith(start):
                return StoreUnavailableError(message)
        return StoreUnavailableError(f"The database does not answer ({code}).")

    def _is_full(self) -> bool:
        try:
            return shutil.disk_usage(self._path.parent).free < _NO_ROOM_BYTES
        except OSError:
            return False


_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_MESSAGES = {
    "SQLITE_READONLY": "The database is read-only.",
    "SQLITE_CANTOPEN": "The database file is gone or cannot be opened.",
    **dict.fromkeys(
        ("FileNotFoundError", "FileExistsError", "NotADirectoryError"),
        "The database file is gone, or its folder cannot be made.",
    ),
    "PermissionError": "The database file may not be opened or made by this user.",
    "SQLITE_IOERR": "The disk of the database reports an error.",
    "SQLITE_ERROR": "The database is not one of this service.",
}


def _read_json(text: Any) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise damage_error("JSON that cannot be read") from error


def _code(error: BaseException | None) -> str:
    return str(getattr(error, "sqlite_errorname", type(error).__name__))


class _DamagedSchemaError(sqlite3.DatabaseError):
    """SQLite quotes a damaged schema in its message, which Python then cannot read."""

    sqlite_errorname = "SQLITE_CORRUPT"


@contextmanager
def _naming_damage() -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise _DamagedSchemaError(str(error)) from error


def _name_damage(context: ExceptionContext) -> None:
    """Raise for a statement what `_naming_damage` does."""
    with _naming_damage():
        if isinstance(context.original_exception, UnicodeDecodeError):
            raise context.original_exception


def _begin(connection: Connection) -> None:
    """Begin a transaction. A writer takes its lock at once.

    One that starts by reading could not be promoted after another process wrote.
    """
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
