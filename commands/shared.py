"""What every command shares: the gallery, errors in one line, and a report of failures."""

from __future__ import annotations

import codecs
import functools
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.hints import HINTS, SERVER_HINTS
from commands.voice_server import ServerError
from commands.wording import language, word_refusal
from gallery.results import MAX_PAGE
from jobs.people_table import AUTO, ENCODINGS
from utils.config import Settings
from utils.errors import DuetError, InvalidRequestError, OutputError, say_body
from utils.path_option import PathOption
from utils.whole_file import check_place, whole_file

if TYPE_CHECKING:
    from gallery.database.base import Database
    from gallery.store import Store
    from recognition.recognizer import Recognizer

FILE = PathOption(exists=True, dir_okay=False, path_type=Path)
encoding_option = click.option(
    "--encoding",
    type=click.Choice(ENCODINGS),
    default=AUTO,
    show_default=True,
    help="How the table is written.",
)
limit_option = click.option(
    "--limit",
    default=50,
    show_default=True,
    type=click.IntRange(1, MAX_PAGE),
    help="At most so many rows.",
)


class DefaultGroup(click.Group):
    """Commands, one of which (`default`) is run where none of them is named."""

    default = ""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the name of the default command before words that name none."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [self.default, *args]
        return super().parse_args(ctx, args)


def refusals(command: Callable[..., Any]) -> Callable[..., Any]:
    """Print the product's own errors as one message instead of a traceback."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except DuetError as error:
            raise click.ClickException(describe(error)) from error

    return wrapped


def is_at_terminal() -> bool:
    """Whether somebody can be asked. There is no input at all where it was closed."""
    return bool(sys.stdin and sys.stdin.isatty())


def print_lines(lines: Iterable[str], none: str) -> None:
    """Print lines, or say on standard error that there are none."""
    is_empty = True
    for line in lines:
        is_empty = False
        click.echo(line)
    if is_empty:
        click.echo(none, err=True)


def describe(error: DuetError) -> str:
    """Describe an error in one line, as `format_error` does."""
    hints = SERVER_HINTS if isinstance(error, ServerError) else HINTS
    return format_error(**error.to_dict(hints))


def format_error(**body: str) -> str:
    """Format an error body in one line: code, message, hint.

    In another language than English the sentence of the pages comes first.
    """
    line = f"{body['code']}: {say_body(body)}"
    worded = word_refusal(body["code"], language())
    return f"{worded} ({line})" if worded else line


@contextmanager
def output_file(file: Path) -> Iterator[Path]:
    """Yield a path to write to, as `whole_file` does.

    Raises OutputError where the file cannot be written, as on a full disk.
    """
    with output_to(file, "file"), whole_file(file) as draft:
        yield draft


def place_option(_: click.Context, parameter: click.Parameter, place: Path | None) -> Path | None:
    """Refuse a place that cannot be written to before the work: the callback of an option."""
    if place is not None:
        is_file = isinstance(parameter.type, PathOption) and not parameter.type.dir_okay
        try:
            check_place(place.parent if is_file else place)
        except OutputError as error:
            raise click.ClickException(describe(error)) from error
    return place


@contextmanager
def output_to(place: Path, kind: str) -> Iterator[None]:
    """Raise OutputError where what is written to a place fails, as on a full disk.

    An error that names other files passes.
    """
    try:
        yield
    except OSError as error:
        if not _concerns(error, place.parent if kind == "file" else place):
            raise
        raise OutputError(
            f"The {kind} {place} cannot be written: {error.strerror}.",
            f"Free some space, or name another {kind}.",
        ) from error


def _concerns(error: OSError, folder: Path) -> bool:
    """Whether an error names no file, as on a full disk, or one in or above the folder."""
    named = [Path(file).resolve() for file in (error.filename, error.filename2) if file]
    folder = folder.resolve()
    there = (file.is_relative_to(folder) or folder.is_relative_to(file) for file in named)
    return not named or any(there)


@contextmanager
def open_recognizer(
    settings: Settings | None = None,
    *,
    serving: bool = False,
    first: Callable[[Store], object] | None = None,
) -> Iterator[Recognizer]:
    """Open the recognizer over the gallery that the settings name: the environment's.

    `serving` as of `build_recognizer`. Without it the face detector, slow to load, waits
    until a clip is read. `first` asks the gallery what may refuse the command, before the
    networks are loaded.
    """
    from assembly import build_recognizer

    if first is not None:
        with open_store(settings) as store:
            first(store)
    click.echo("Loading the networks, some seconds ...", err=True)
    with closing(build_recognizer(settings or Settings.from_env(), serving=serving)) as built:
        yield built


@contextmanager
def open_store(settings: Settings | None = None) -> Iterator[Store]:
    """Open the gallery that the settings name, without the networks."""
    from gallery.store import open_store

    with closing(open_store(settings or Settings.from_env())) as opened:
        yield opened


def open_target(url: str) -> Database:
    """Open the database that a gallery is written to.

    Raises InvalidRequestError where what is there is none.
    """
    from gallery.damage import DamagedError
    from gallery.database.open import open_database

    try:
        return open_database(url)
    except DamagedError as error:
        raise InvalidRequestError(
            f"A gallery is written to an empty place. {error}",
            "Name a new file, or an empty database.",
        ) from error


def to_json(value: Any, indent: int | None = None, *, is_printed: bool = True) -> str:
    """Write a value as JSON. It can be printed in whatever encoding the output has."""
    is_plain = is_printed and not _prints_every_sign()
    return json.dumps(value, ensure_ascii=is_plain, indent=indent)


def print_file(text: str) -> None:
    """Print a file. Raises OutputError where that would write other signs."""
    if alters_signs():
        try:
            text.encode(_output_encoding())
        except UnicodeEncodeError as error:
            raise OutputError(
                "The encoding of the output must have the signs of the file."
                f" {error.encoding} has no U+{ord(text[error.start]):04X}.",
                "Set PYTHONIOENCODING=utf-8, and repeat the command.",
            ) from error
    click.echo(text, nl=False)


def alters_signs() -> bool:
    """Whether the output is a file or pipe in an encoding that lacks signs."""
    return not (_prints_every_sign() or (sys.stdout and sys.stdout.isatty()))


def _prints_every_sign() -> bool:
    """Whether what is printed is written in UTF-8."""
    return codecs.lookup(_output_encoding()).name == "utf-8"


def _output_encoding() -> str:
    return getattr(sys.stdout, "encoding", None) or "ascii"  # there may be no output at all


def report(failures: list[str]) -> None:
    """Print what failed and why, and exit with status 1 if anything did."""
    if failures:
        click.echo("\n".join(["Not done:", *(f"  {line}" for line in failures)]), err=True)
        raise click.exceptions.Exit(1)
