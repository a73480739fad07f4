"""The import of librosa, by one process at a time.

Numba compiles parts of librosa when they are loaded, and keeps them in a folder that all
processes share. From a new environment that takes half a minute. Two processes that
write the folder at once may break it for both.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType


@cache
def import_librosa() -> ModuleType:
    """Import librosa, with the parts that the front end uses."""
    with _alone():
        import librosa

        for part in ("filters", "stft"):
            getattr(librosa, part)  # loaded, and compiled, when it is named
    return librosa


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other process of this user is in the block."""
    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or tempfile.gettempdir())
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"duet-librosa-{os.getuid()}.lock"
    with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
