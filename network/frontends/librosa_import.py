"""The import of librosa, by one process at a time.

Numba compiles parts of librosa when they are loaded, and keeps them in a folder that all
processes share. From a new environment that takes half a minute. Two processes that
write the folder at once may break it for both.
"""

from __future__ import annotations

import fcntl
import logging
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import IO

log = logging.getLogger("duet.network")

WAIT_S = 120.0
"""Longest wait for another process. It is that of a slow machine, some times over."""

_PAUSE_S = 0.1


@cache
def import_librosa() -> ModuleType:
    """Import librosa, with the parts that the front end uses."""
    with _alone():
        try:
            return _load()
        except RuntimeError as error:  # numba finds no folder that it can write
            folder = _keep_in_own_folder()
            log.warning("numba compiles into %s, as NUMBA_CACHE_DIR is not set: %s", folder, error)
            return _load()


def _load() -> ModuleType:
    import librosa

    for part in ("filters", "stft"):
        getattr(librosa, part)  # loaded, and compiled, when it is named
    return librosa


def _keep_in_own_folder() -> Path:
    """Let numba write below the temporary folder, where nobody else can: it runs what is there."""
    from numba.core import config

    folder = Path(tempfile.gettempdir()) / f"duet-numba-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    entry = folder.lstat()
    if entry.st_uid != os.getuid() or entry.st_mode != stat.S_IFDIR | 0o700:
        folder = Path(tempfile.mkdtemp(prefix="duet-numba-"))
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    config.reload_config()  # type: ignore[no-untyped-call]
    return folder


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other process of this user is in the block.

    Where there can be no lock, or it stays held, the block runs all the same.
    """
    try:
        lock = _open_lock()
    except OSError as error:
        log.warning("librosa is loaded without a lock: %s", error)
        yield
        return
    with closing(lock):
        if not _take(lock):
            log.warning("librosa is loaded beside another process, which takes long")
        yield


def _open_lock() -> IO[str]:
    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or tempfile.gettempdir())
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"duet-librosa-{os.getuid()}.lock"
    return os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))


def _take(lock: IO[str]) -> bool:
    """Take the lock. Returns whether it was free within `WAIT_S`."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE_S)
        except OSError:  # a file system without locks
            return False
        else:
            return True
