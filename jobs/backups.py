"""A backup every night, made by the service while it serves."""

from __future__ import annotations

import fcntl
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from gallery.audit import ACTOR
from gallery.backup.folder import Backup, find_past_backups, remove_oldest
from gallery.backup.making import Beside, make_backup
from gallery.records import clock
from gallery.store import Store
from utils.config import Settings
from utils.errors import DuetError

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
            made = make_backup(self._store, folder, self._beside)
            remove_oldest(folder, self._settings.backup.backup_keep)
            return made

    def _run(self) -> None:
        ACTOR.set("service")
        while True:
            try:
                self.back_up_if_due()
            except (DuetError, OSError) as error:
                log.error("the backup was not made: %s", getattr(error, "code", error))
            except Exception as unexpected:  # the thread outlives what nobody foresaw
                log.error("the backup was not made: unexpected %s", type(unexpected).__name__)
            if self._stop.wait(LOOK_S):
                return


def last_backup(settings: Settings) -> datetime | None:
    """When the last backup was made. None where there is none.

    One from the future was made by a wrong clock, and is not the last.
    """
    folder = settings.backup.backup_dir
    backups = find_past_backups(folder, clock.now()) if folder else []
    return backups[-1].manifest.made_at if backups else None


def last_night(now: datetime) -> datetime:
    """The latest time of day `NIGHT` before `now`, by the clock of the machine."""
    local = now.astimezone()
    night = local.replace(hour=NIGHT.hour, minute=0, second=0, microsecond=0)
    return night if night <= local else night - timedelta(days=1)


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
