"""Commands that may print to a full disk, such as their help: one message."""

from __future__ import annotations

import sys
from typing import Any

import click

from utils.error_base import NO_ROOM


class Printed(click.Command):
    """A command that says in one line that the disk of its output is full."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command."""
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            click.echo("Error: The disk is full. Free some space, and run it again.", err=True)
            sys.exit(1)


class PrintedGroup(Printed, click.Group):
    """Commands of which the same is true."""
