"""Faults of files and words that a command did not foresee: one message, no traceback."""

from __future__ import annotations

import codecs
import errno
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from commands.shared import describe, prints_every_sign
from utils.errors import NO_ROOM, DuetError, InvalidRequestError, OutputError, StorageFullError

_OTHER_FILE = "Check that it is there and whose it is, or name another one."


class Program(click.Group):
    """The commands of the program."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the words. The help of the program is printed here."""
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors=_choose_errors())
        with _one_message():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        with _one_message():
            return super().invoke(ctx)


class _NoSignError(UnicodeEncodeError):
    """What is printed has a sign that the encoding of the output has not."""


def _refuse_sign(error: UnicodeError) -> tuple[str, int]:
    raise _NoSignError(*error.args)


codecs.register_error("duet.refuse", _refuse_sign)


def _choose_errors() -> str:
    """Choose what becomes of signs that the output has not.

    A terminal shows their numbers, such as \\xe9. In a file they would be other names.
    """
    return "backslashreplace" if sys.stdout.isatty() or prints_every_sign() else "duet.refuse"


@contextmanager
def _one_message() -> Iterator[None]:
    """Print a fault of a file or a word as one message. Others pass."""
    try:
        yield
    except (OSError, RuntimeError, UnicodeEncodeError) as error:
        refusal = refuse(error)
        if refusal is None:
            raise
        raise click.ClickException(describe(refusal)) from error


def refuse(error: Exception) -> DuetError | None:
    """Say what is wrong with a file or a word. None for what is no fault of either."""
    if isinstance(error, UnicodeEncodeError):
        sign = f"U+{ord(error.object[error.start]):04X}"
        if isinstance(error, _NoSignError):
            return OutputError(
                f"The encoding of the output must have its signs. {error.encoding} has no {sign}.",
                "Set PYTHONIOENCODING=utf-8, and repeat the command.",
            )
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
    return None


def _refuse_file(error: OSError) -> DuetError | None:
    if error.errno in (None, errno.EPIPE):
        return None
    if error.errno in NO_ROOM:
        return StorageFullError("The disk is full.", "Free some space, and repeat the command.")
    named = ascii(str(error.filename)[:200]) if error.filename else "one"
    return InvalidRequestError(
        f"A file or folder must be one that can be used. Received: {named} ({error.strerror})",
        _OTHER_FILE,
    )
