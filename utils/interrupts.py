"""What Ctrl+C does while a program is still loading: it ends it, without a traceback."""

from __future__ import annotations

import signal


def end_at_once() -> None:
    """Let Ctrl+C end the process at once. Where it is ignored, as behind `nohup`, it stays so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def end_in_order() -> None:
    """Let Ctrl+C raise KeyboardInterrupt again, so that a command ends what it has begun."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
