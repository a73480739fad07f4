"""Live transcription in the terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from commands.microphone import load_sounddevice, stream
from commands.shared import FILE, open_recognizer, refusals
from commands.wording import word_speaker
from utils.config import Settings
from utils.errors import ConfigError, OutputError
from utils.path_option import PathOption

if TYPE_CHECKING:
    from speech.events import Event
    from speech.session import LiveSession

_COLOURS = ("green", "cyan", "yellow", "magenta", "blue", "red")


@click.command()
@click.option("--file", type=FILE, help="A sound or video file, at real time.")
@click.option("--fast", is_flag=True, help="Read the file as fast as it can be written down.")
@click.option("--language", default="", help="Code of the language, as ko [default: detected].")
@click.option(
    "--to",
    type=PathOption(dir_okay=False, path_type=Path),
    help="Text file that the transcript is appended to, line by line.",
)
@refusals
def listen(file: Path | None, *, fast: bool, language: str, to: Path | None) -> None:
    """Write down live what is said, and by whom, until Ctrl-C.

    The sound comes from the microphone, or from a file. docs/live.md says more.
    """
    settings = Settings.from_env()
    if file is None:
        load_sounddevice()  # what is missing is said before the networks are loaded
    with ExitStack() as opened:
        screen = _Screen(opened.enter_context(_open_output(to)) if to else None)
        session = _open_session(opened, settings, language)
        screen.show(session.start())
        blocks = opened.enter_context(_open_sound(file, settings))
        try:
            for block in _pace(blocks) if file and not fast else blocks:
                screen.show(session.accept(block))
        except KeyboardInterrupt:
            click.echo()
        except ConfigError:  # the microphone is lost: what was said until then is written down
            screen.show(session.finish())
            raise
        screen.show(session.finish())


def _open_session(opened: ExitStack, settings: Settings, language: str) -> LiveSession:
    from speech.live_options import change_options, options_of
    from speech.scribe import Scribe
    from speech.session import LiveSession

    options = options_of(settings.live)
    if language:
        options = change_options(options, {"language": language})
    transcriber = Scribe(settings).load(options.model)
    transcriber.model.check_language(options.language or None)
    recognizer = opened.enter_context(open_recognizer(settings))
    return LiveSession(
        transcriber, recognizer.voices, options, clock=time.monotonic, date=time.time
    )


@contextmanager
def _open_sound(file: Path | None, settings: Settings) -> Iterator[Iterator[bytes]]:
    """Open the sound as blocks of PCM16, 16 kHz mono."""
    if file is None:
        with stream() as blocks:
            yield blocks
        return
    from align.sound_decoder import open_sound_apart

    max_s = settings.speech.max_speech_s
    with open_sound_apart(file, max_s=max_s, filename=file.name) as sound:
        yield _cut(sound.blocks)


def _cut(blocks: Iterable[Any]) -> Iterator[bytes]:
    """Cut samples (n,) into PCM16 of a tenth of a second each."""
    from speech.live_sound import to_pcm16
    from utils.arrays import RATE_HZ

    for block in blocks:
        for start in range(0, len(block), RATE_HZ // 10):
            yield to_pcm16(block[start : start + RATE_HZ // 10])


def _pace(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Hand sound on no faster than it was spoken."""
    from utils.arrays import RATE_HZ

    began = time.monotonic()
    heard_s = 0.0
    for block in blocks:
        heard_s += len(block) / 2 / RATE_HZ
        time.sleep(max(0.0, began + heard_s - time.monotonic()))
        yield block


def _open_output(path: Path) -> TextIO:
    try:
        return path.open("a", encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"The transcript {path.name} cannot be written: {error.strerror}."
        ) from error


@dataclass
class _Screen:
    """Prints lines in the colour of their speakers, and writes them to a file as they come."""

    output: TextIO | None = None
    colours: dict[str, str] = field(default_factory=dict)

    def show(self, events: list[Event]) -> None:
        """Print what concerns somebody who reads along."""
        from speech.events import Relabel, Transcription, TurnStarted

        for event in events:
            if isinstance(event, TurnStarted):
                self._status(f"{word_speaker(event.speaker)} ... lag {event.lag_s:.1f} s")
            elif isinstance(event, Transcription):
                self._line(event.speaker, event.start_s, event.text)
            elif isinstance(event, Relabel):
                turns = ", ".join(map(str, event.turns))
                self._print(f"  turns {turns}: {word_speaker(event.speaker)}", event.speaker)

    def _status(self, text: str) -> None:
        """Show what is going on in a line that the next one overwrites, on a terminal."""
        if sys.stderr.isatty():
            click.echo(f"\r{text}\x1b[K", nl=False, err=True)

    def _line(self, speaker: str, start_s: float, text: str) -> None:
        minutes, seconds = divmod(int(start_s), 60)
        self._print(f"{minutes:02}:{seconds:02} {word_speaker(speaker)}: {text}", speaker)

    def _print(self, line: str, speaker: str) -> None:
        self._status("")
        colour = self.colours.setdefault(speaker, _COLOURS[len(self.colours) % len(_COLOURS)])
        click.secho(line, fg=colour)
        if self.output is not None:
            self.output.write(f"{line}\n")
            self.output.flush()
