"""What every command shares: opening the gallery, refusals in one line, and the report
of what was not done.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from utils.config import Settings
from utils.errors import DuetError

if TYPE_CHECKING:
    from gallery.store import Store
    from recognition.recognizer import Recognizer

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def refusals(command: Callable[..., Any]) -> Callable[..., Any]:
    """Print the product's own errors as one message instead of a traceback."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except DuetError as error:
            raise click.ClickException(describe(error)) from error

    return wrapped


def describe(error: DuetError) -> str:
    """Code, message and advice in one line."""
    return f"{error.code}: {error.message.rstrip('.')}. {error.hint}".rstrip()


@contextmanager
def recognizer() -> Iterator[Recognizer]:
    """The recognizer over the gallery that the settings name. The face detector, slow
    to load, waits until a clip is read.
    """
    from assembly import build_recognizer

    built = build_recognizer(Settings.from_env())
    try:
        yield built
    finally:
        built.close()


@contextmanager
def store() -> Iterator[Store]:
    """The gallery that the settings name, without the networks."""
    from gallery.store import open_store

    opened = open_store(Settings.from_env())
    try:
        yield opened
    finally:
        opened.close()


def report(failures: list[str]) -> None:
    """Print what failed and why; exit with status 1 if anything did."""
    if failures:
        click.echo("\n".join(["Not done:", *(f"  {line}" for line in failures)]), err=True)
        raise click.exceptions.Exit(1)
