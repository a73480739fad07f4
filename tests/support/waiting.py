"""Waiting for what another process or thread does, on machines of any speed.

For a condition, never for a time.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LIMIT_S = 300.0
"""After which a condition that does not come is an error. Long, because it costs
nothing where all is well.
"""


def until(true: Callable[[], object], every_s: float = 0.05) -> None:
    """Return once `true()` is."""
    deadline = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < deadline, f"it did not come within {LIMIT_S:g} s"
        time.sleep(every_s)


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """Processes stand still, at whatever they are, so that what is looked at is still
    true when something is done about it. What they are sent meanwhile reaches them when
    they go on; whoever is killed does not.
    """
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    until(lambda: all(_stands(pid) for pid in pids))
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _stands(pid: int) -> bool:
    """All threads of it are stopped, or have ended."""
    states = set()
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError):  # a thread that ends just now
            states.add(stat.read_text().rpartition(")")[2].split()[0])
    return states <= set("TtZX")
