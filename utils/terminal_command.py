"""What every command does in a terminal: Ctrl+C has its status, a full disk its message."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from utils.errors import NO_ROOM

INTERRUPTED = 128 + signal.SIGINT
"""Exit status after Ctrl+C, as shells name it. `utils.interrupts` has those of other signals."""


class TerminalCommand(click.Command):
    """A command that a terminal runs."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command. Where the disk of its output is full, one line says so."""
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            click.echo("Error: The disk is full. Free some space, and run it again.", err=True)
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        """Run what the words name."""
        with _status_of_interrupt():
            return super().invoke(ctx)


class TerminalGroup(TerminalCommand, click.Group):
    """Commands that a terminal runs."""


@contextmanager
def _status_of_interrupt() -> Iterator[None]:
    """End a command that Ctrl+C interrupts with 130. Click ends it with 1, as a refusal."""
    try:
        yield
    except (KeyboardInterrupt, click.Abort) as error:
        if not _is_interrupt(error):
            raise
        click.echo("\nAborted!", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from error


def _is_interrupt(error: BaseException) -> bool:
    """Whether Ctrl+C was pressed. At a question Click raises Abort, as for the answer no."""
    return isinstance(
        error.__context__ if isinstance(error, click.Abort) else error, KeyboardInterrupt
    )
