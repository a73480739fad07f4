"""The file of an SQLite database: where it is, its mode, and whether it was emptied."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from sqlalchemy.engine import URL

from gallery.damage import DamagedError
from utils.errors import ConfigError


def path_of(url: URL) -> Path:
    """Path of the file that a URL names. Raises ConfigError."""
    if not url.database or url.database == ":memory:":
        raise ConfigError(
            "The URL of an SQLite database must name a file:"
            " DUET_DATABASE_URL=sqlite:////folder/duet.db."
        )
    return Path(url.database).resolve()


def check_writable(path: Path) -> None:
    """Raise ConfigError for a file or folder that cannot be written.

    A search needs it too: readers note themselves beside the file.
    """
    fault = _fault_of(path)
    if fault:
        raise ConfigError(
            "The folder of the gallery must be one that can be written. Received:"
            f" {path.parent} ({fault})",
            "Change its owner or its mode, or name another folder: DUET_DATA_DIR.",
        )


def refuse_emptied(path: Path) -> None:
    """Raise DamagedError for a file that was emptied: SQLite would take it for a new one.

    A file of this service is empty only while it is made, beside a mark. It is filled
    before the mark goes, so that it is looked at once more.
    """
    if _is_empty(path) and not made_mark(path).exists() and _is_empty(path):
        raise DamagedError(
            "The database file is empty: what it held was cut off.",
            "Keep it and its log elsewhere, and restore a backup (docs/backup.md). To begin a new"
            " gallery, delete both.",
        )


def _is_empty(path: Path) -> bool:
    try:
        return path.stat().st_size == 0
    except (FileNotFoundError, PermissionError):
        return False


def made_mark(path: Path) -> Path:
    """Path of a file that is there while a new database is made."""
    return path.with_name(path.name + "-new")


def is_there(path: Path) -> bool:
    """Whether a file or folder is there, as far as this user may know."""
    try:
        return path.exists()
    except PermissionError:  # in a folder that may not be entered
        return False


def _fault_of(path: Path) -> str:
    """Why a file cannot be read and written, or made. Empty: it can."""
    folder = next(folder for folder in path.parents if is_there(folder))
    if not folder.is_dir():
        return f"{folder} is a file"
    file = path if is_there(path) else None
    if file and file.is_dir():
        return f"{path.name} in it is a folder"
    if _may(folder, os.W_OK | os.X_OK) and _may(file, os.R_OK | os.W_OK):
        return ""
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return "the file system is read-only"
    if folder != path.parent:
        return f"this user may not make it in {folder}"
    may_read = _may(folder, os.R_OK | os.X_OK) and _may(file, os.R_OK)
    return "this user may only read it" if may_read else "this user may not read it"


def _may(path: Path | None, mode: int) -> bool:
    """Whether this user may do that with a file, unless there is none."""
    return path is None or os.access(path, mode)


def make_file(path: Path) -> None:
    """Create the file, or restrict it, so that only the owner can read it.

    SQLite gives its -wal and -shm files the same mode. A file that is there is not
    opened here: closing it again would end the locks of this process.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        made_mark(path).touch(mode=0o600)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)


def inode(path: Path) -> str:
    """Device and number of a file. Raises OSError."""
    status = path.stat()
    return f"{status.st_dev}:{status.st_ino}"
