"""A backup every night, made by the service while it serves."""

from __future__ import annotations

import contextvars
import fcntl
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from gallery.audit import ACTOR
from gallery.backup.folder import Backup, find_backups, find_past_backups, remove_oldest
from gallery.backup.making import Beside, make_backup
from gallery.records import clock
from gallery.store import Store
from utils.config import Settings
from utils.errors import (
    NO_ROOM,
    BackupOffError,
    BusyError,
    DuetError,
    OutputError,
    StorageFullError,
)

log = logging.getLogger("duet.jobs")
NIGHT = time(3)
"""Time of the day, by the clock of the machine, at which a backup is due."""
LOOK_S = 600.0
"""Seconds between two looks whether one is due."""
OLD = timedelta(hours=48)
"""Age of the last backup at which the service calls itself degraded."""
_LOCK = ".lock"


class BackupThread:
    """Makes the backups of one service: a daemon thread where DUET_BACKUP_DIR is set."""

    def __init__(self, store: Store, settings: Settings, encoder_ids: Mapping[str, str]) -> None:
        self._store = store
        self._settings = settings
        self._beside = Beside(settings, encoder_ids)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.turn = threading.Lock()
        """Whoever makes a backup in this service has it."""
        self.failed: str | None = None
        """Code of what stopped the latest backup. None: nothing did."""

    def start(self) -> None:
        """Start to look, where the operator wants backups."""
        if self._settings.backup.backup_dir is not None and self._thread is None:
            self._store.note_deletions()  # which a killed process left unnoted
            self._thread = threading.Thread(target=self._run, name="backups", daemon=True)
            self._thread.start()

    def stop(self, wait_s: float = 30.0) -> None:
        """Finish the backup at hand, then end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(wait_s)

    def back_up_if_due(self, now: datetime | None = None) -> Backup | None:
        """Make a backup unless there is one since the last night.

        Of several services of one gallery, one makes it. Raises DuetError, OSError.
        """
        folder = self._settings.backup.backup_dir
        now = now or datetime.now(UTC)
        if folder is None or not _is_due(folder, now):
            return None
        with _alone(folder) as is_alone:
            if not is_alone or not _is_due(folder, now):
                return None
            return self._make(folder)

    @property
    def is_running(self) -> bool:
        """Whether this service makes a backup now."""
        return self.turn.locked()

    def list_all(self) -> list[Backup]:
        """List the backups of the folder in the settings, oldest first."""
        folder = self._settings.backup.backup_dir
        return find_backups(folder) if folder else []

    def begin_one(self) -> threading.Thread:
        """Begin a backup now, in a thread, and return the thread.

        Raises BackupOffError, BusyError.
        """
        folder = self._settings.backup.backup_dir
        if folder is None:
            raise BackupOffError("No folder for backups is set.")
        if not self.turn.acquire(blocking=False):
            raise BusyError("A backup is being made already.")
        context = contextvars.copy_context()  # the audit names who asked
        making = threading.Thread(target=context.run, args=(self._back_up_now, folder), daemon=True)
        making.start()
        return making

    def _back_up_now(self, folder: Path) -> None:
        try:
            self._attempt(lambda: self._back_up_alone(folder))
        finally:
            self.turn.release()

    def _back_up_alone(self, folder: Path) -> Backup:
        with _alone(folder) as is_alone:
            if not is_alone:
                raise BusyError("A backup is being made already.")
            return self._make(folder)

    def _make(self, folder: Path) -> Backup:
        made = make_backup(self._store, folder, self._beside)
        remove_oldest(folder, self._settings.backup.backup_keep)
        return made

    def _run(self) -> None:
        ACTOR.set("service")
        while True:
            with self.turn:
                self._attempt(self.back_up_if_due)
            if self._stop.wait(LOOK_S):
                return

    def _attempt(self, make: Callable[[], Backup | None]) -> None:
        """Make a backup if one is due, and note what stopped it."""
        try:
            if make():
                self.failed = None
        except (DuetError, OSError) as error:
            self.failed = _code_of(error)
            log.error("the backup was not made: %s", getattr(error, "code", error))
        except Exception as unexpected:  # the thread outlives what nobody foresaw
            self.failed = "internal"
            log.error("the backup was not made: unexpected %s", type(unexpected).__name__)


def _code_of(error: DuetError | OSError) -> str:
    """Code of what stopped a backup: the store, a full disk, or a folder that is not ours."""
    if isinstance(error, DuetError):
        return error.code
    return StorageFullError.code if error.errno in NO_ROOM else OutputError.code


def last_backup(settings: Settings) -> datetime | None:
    """When the last backup was made. None where there is none.

    One from the future was made by a wrong clock, and is not the last.
    """
    folder = settings.backup.backup_dir
    backups = find_past_backups(folder, clock.now()) if folder else []
    return backups[-1].manifest.made_at if backups else None


def last_night(now: datetime) -> datetime:
    """The latest time of day `NIGHT` before `now`, by the clock of the machine.

    Where summer time ends at that hour, the first of the two counts.
    """
    today = now.astimezone().date()
    night = _begin_night(today)
    return night if night <= now else _begin_night(today - timedelta(days=1))


def _begin_night(day: date) -> datetime:
    # Not `astimezone`, which takes an hour that summer time leaves out for an earlier one
    return datetime.fromtimestamp(datetime.combine(day, NIGHT).timestamp(), UTC)


def _is_due(folder: Path, now: datetime) -> bool:
    """Whether the last night has no backup."""
    past = find_past_backups(folder, now)
    return not past or past[-1].manifest.made_at < last_night(now)


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Keep other services from making a backup. Yields whether none makes one now."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
