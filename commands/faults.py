"""Faults of files and words that a command did not foresee: one message, no traceback."""

from __future__ import annotations

import codecs
import errno
import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from commands.shared import alters_signs, describe
from utils.errors import NO_ROOM, DuetError, InvalidRequestError, StorageFullError
from utils.interrupts import end_in_order
from utils.terminal_command import TerminalGroup

_SHORT_OF_ROOM = re.compile(r"\d+ requested and \d+ written")
_OTHER_FILE = "Check that it is there and whose it is, or name another one."


class _Signs:
    """Writes signs that the output has not as their numbers, such as \\xe9."""

    def __init__(self) -> None:
        self._are_replaced = False

    def replace(self, error: UnicodeError) -> tuple[str | bytes, int]:
        """Write signs as numbers. A handler of codecs."""
        self._are_replaced = True
        return codecs.backslashreplace_errors(error)

    def tell(self) -> None:
        """Say whether signs were replaced since this was asked last."""
        if self._are_replaced:
            self._are_replaced = False
            click.echo(
                f"Signs that {sys.stdout.encoding} has not are written as their numbers."
                " With PYTHONIOENCODING=utf-8 all are written.",
                err=True,
            )


_signs = _Signs()
codecs.register_error("duet.replace", _signs.replace)


class Program(TerminalGroup):
    """The commands of the program."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the words. The help of the program is printed here."""
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="duet.replace" if alters_signs() else "backslashreplace")
        with _one_message():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        end_in_order()
        try:
            with _one_message():
                return super().invoke(ctx)
        finally:
            _signs.tell()


@contextmanager
def _one_message() -> Iterator[None]:
    """Print an error of the product, a file or a word as one message. Others pass."""
    try:
        yield
    except (DuetError, OSError, RuntimeError, UnicodeEncodeError) as error:
        refusal = refuse(error)
        if refusal is None:
            raise
        raise click.ClickException(describe(refusal)) from error


def refuse(error: Exception) -> DuetError | None:
    """Say what is wrong with a file or a word. None for what is no fault of either.

    The product's own errors say it themselves. Benchmarks leave them to this.
    """
    if isinstance(error, DuetError):
        return error
    if isinstance(error, UnicodeEncodeError):
        sign = f"U+{ord(error.object[error.start]):04X}"
        # The word is not repeated: it may be a key
        return InvalidRequestError(
            "A word of the command must be text, and a key plain letters and digits."
            f" Received: {sign}"
        )
    if isinstance(error, OSError):
        return _refuse_file(error)
    if str(error).startswith("Symlink loop"):  # of Path.resolve
        return InvalidRequestError(
            "The links of a file or folder lead in a circle.",
            _OTHER_FILE,
        )
    if str(error).endswith("lost sys.stdin"):
        return InvalidRequestError(
            "A question of the command needs an answer, and there is no input.",
            "Repeat it in a terminal, or with --yes where it has that option.",
        )
    return None


def _refuse_file(error: OSError) -> DuetError | None:
    # NumPy counts what it wrote, and states no number of an error
    is_short = error.errno is None and _SHORT_OF_ROOM.search(str(error))
    if error.errno in NO_ROOM or is_short:
        return StorageFullError("The disk is full.", "Free some space, and repeat the command.")
    if error.errno in (None, errno.EPIPE):
        return None
    named = ascii(str(error.filename)[:200]) if error.filename else "one"
    return InvalidRequestError(
        f"A file or folder must be one that can be used. Received: {named} ({error.strerror})",
        _OTHER_FILE,
    )
