"""Ends a process without freeing its objects one by one.

With the networks in memory, that takes Python a second or more.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_status: list[int] = []


def leave_at_once() -> None:
    """Let the process be gone once its exit handlers have run.

    Call it before anything is imported: the first handler to be registered runs last.
    """
    atexit.register(_vanish)


@contextmanager
def noting_status() -> Iterator[None]:
    """Note the exit status of `sys.exit`. A process without one ends as Python does."""
    try:
        yield
    except SystemExit as ended:
        _status.append(ended.code if isinstance(ended.code, int) else int(bool(ended.code)))
        raise


def _vanish() -> None:
    if not _status:
        return
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # of a process that began without it
            with suppress(OSError, ValueError):  # nobody reads it
                stream.flush()
    os._exit(_status[-1])
