"""What signals do: while a program loads they end it at once, afterwards in order."""

from __future__ import annotations

import signal
import sys
from types import FrameType


def end_at_once() -> None:
    """Let Ctrl+C end the process at once. Where it is ignored, as behind `nohup`, it stays so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def end_in_order() -> None:
    """Let Ctrl+C raise KeyboardInterrupt again, so that a command ends what it has begun."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def leave_in_order() -> None:
    """Let SIGTERM, and a terminal that closes, end the program as `sys.exit` does.

    So it removes what it has begun. Behind `nohup`, it goes on.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _leave)


def _leave(number: int, _frame: FrameType | None) -> None:
    """Leave with the exit status by which a shell names the signal."""
    signal.signal(number, signal.SIG_IGN)  # a second one would break off what is removed
    sys.exit(128 + number)
