"""Restores a backup into an empty place, without those who were deleted since.

The copy of the backup is brought up to date and what was deleted is deleted again, before
anything reaches the target. The target then gets all of it in one transaction.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gallery.backup.folder import GALLERY, Backup
from gallery.damage import DamagedError
from gallery.database.open import open_database
from gallery.ledger import Ledger
from gallery.records import deletions
from gallery.records.deletions import Deletion
from gallery.store import Store
from gallery.upkeep.copying import Progress, copy_gallery
from utils.errors import BackupUnusableError
from utils.settings.values import url_of

_COPY = ".restoring-"
"""Begins the name of a folder with the copy of a backup."""


@dataclass(frozen=True)
class Restored:
    """What came of a restore: rows by table, and deletions that were done again."""

    rows: dict[str, int]
    deletions: int


def restore(
    backup: Backup,
    target: Store,
    temporary: Path,
    progress: Progress = lambda _table, _rows: None,
) -> Restored:
    """Copy a backup into the empty `target`, all of it or nothing.

    `temporary` is a folder for a copy that is removed afterwards. Retention goes on by
    the times that the backup holds.

    Raises InvalidRequestError for a target that is not empty, ConfigError for another
    encryption key than the backup's, BackupUnusableError for one that holds damaged
    values, StoreUnavailableError, StorageFullError.
    """
    noted = Ledger(backup.path.parent).read(backup.manifest.lineage)
    with _new_copy(temporary) as copy:
        file = Path(shutil.copy(backup.gallery, copy))
        with (
            _naming_damage(),
            closing(Store(open_database(url_of(file)), target.codec)) as source,
        ):
            done = _delete_again(source, noted)
            rows = copy_gallery(source, target, progress, action="restore")
    return Restored(rows, done)


@contextmanager
def _new_copy(temporary: Path) -> Iterator[str]:
    """Yield a folder for a copy, and remove it afterwards. It is locked meanwhile."""
    remove_left_copies(temporary)
    with tempfile.TemporaryDirectory(prefix=_COPY, dir=temporary) as copy, _locking(Path(copy)):
        yield copy


def remove_left_copies(temporary: Path) -> None:
    """Remove what killed restores left: it holds everybody who was in the backup.

    A folder that holds anything else is somebody's own, and stays.
    """
    for left in temporary.glob(f"{_COPY}*/"):
        with suppress(OSError), _locking(left):
            if all(_is_of_a_copy(file) for file in left.iterdir()):
                shutil.rmtree(left)


def _is_of_a_copy(file: Path) -> bool:
    """Whether a file is the database of a copy, or one that SQLite keeps beside it."""
    return file.is_file() and file.name.partition("-")[0] == GALLERY


@contextmanager
def _locking(folder: Path) -> Iterator[None]:
    """Lock a folder. Raises BlockingIOError where another process holds it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _naming_damage() -> Iterator[None]:
    """Say of damage that it is in the backup: the target is empty."""
    try:
        yield
    except DamagedError as error:
        raise BackupUnusableError(
            f"The backup is damaged. {error.message}",
            "Take another copy of this backup, or an earlier backup.",
        ) from error


def _delete_again(store: Store, noted: list[Deletion]) -> int:
    """Do the deletions that the gallery does not know of, and return how many."""
    with store.database.write() as connection:
        later = [deletion for deletion in noted if not deletions.is_known(connection, deletion)]
        for deletion in later:
            deletions.replay(connection, deletion)
        # A number that a deletion names is never given again: it would be deleted next time
        last = store.database.last_keys(connection)
        named = deletions.numbers_in(noted)
        behind = {table: key for table, key in named.items() if key > last.get(table, 0)}
        store.database.set_last_keys(connection, behind)
    return len(later)
