"""Recordings as text, subtitles or JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from commands.shared import FILE, describe, refusals, report
from utils.config import Settings
from utils.errors import DuetError, OutputError
from utils.whole_file import whole_file

if TYPE_CHECKING:
    from speech.scribe import Scribe, Writing
    from speech.transcripts import SpokenLine, Transcript

SUFFIXES = {"text": ".txt", "srt": ".srt", "vtt": ".vtt", "json": ".json", "verbose_json": ".json"}


@click.command()
@click.argument("recordings", nargs=-1, required=True, type=FILE)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(SUFFIXES)),
    default="text",
    show_default=True,
    help="Plain text, subtitles, or JSON (verbose: with the times of words).",
)
@click.option("--language", help="Code of the language, as ko or en [default: detected, once].")
@click.option("--prompt", default="", help="Names and words that may come up.")
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the transcripts. Without it they are printed.",
)
@click.option("--force", is_flag=True, help="Overwrite transcripts that are there already.")
@refusals
def transcribe(recordings: tuple[Path, ...], folder: Path | None, **values: Any) -> None:
    """Write down what is said in each recording.

    Sound and video files of any length up to DUET_MAX_SPEECH_S are read, in bounded
    memory. A language that is stated saves mistakes. docs/speech.md says what to
    install first.
    """
    from speech.scribe import Scribe

    scribe = Scribe(Settings.from_env())
    failures = []
    for recording in recordings:
        try:
            _write_one(scribe, recording, folder, **values)
        except DuetError as error:
            failures.append(f"{recording.name}: {describe(error)}")
    report(failures)


def _write_one(
    scribe: Scribe,
    path: Path,
    folder: Path | None,
    *,
    form: str,
    language: str | None,
    prompt: str,
    force: bool,
) -> None:
    from speech.scribe import Recording

    target = None if folder is None else folder / (path.stem + SUFFIXES[form])
    if target is not None and target.exists() and not force:
        raise OutputError(f"The transcript {target.name} exists.")
    recording = Recording(path, path.name, language=language or None, prompt=prompt)
    with scribe.open(recording) as writing:
        transcript = _follow(writing, path.name)
    text = format_transcript(transcript, form)
    if target is None:
        click.echo(text, nl=False)
        return
    _save(target, text)
    click.echo(str(target))


def _follow(writing: Writing, name: str) -> Transcript:
    """Write a recording down behind a progress bar."""
    from speech.transcripts import Transcript

    session = writing.session
    with _bar(writing, name) as bar:
        lines = tuple(_spoken(writing, bar))
    return Transcript(lines=lines, language=session.language, duration_s=session.heard_s)


def _bar(writing: Writing, name: str) -> tqdm[Any]:
    return tqdm(
        total=round(writing.duration_s) or None,
        unit="s",
        desc=name[:30],
        disable=None,
        leave=False,
    )


def _spoken(writing: Writing, bar: tqdm[Any]) -> Iterator[SpokenLine]:
    """Yield the lines, and show words and speed beside the seconds that were heard."""
    from speech.transcripts import SpokenLine

    started = time.perf_counter()
    words = 0
    for lines in writing.lines():
        words += sum(len(line.words) for line in lines)
        heard_s = writing.session.heard_s
        factor = (time.perf_counter() - started) / max(heard_s, 1.0)
        bar.set_postfix_str(f"{words} words, {factor:.2f} x real time", refresh=False)
        bar.update(round(heard_s) - bar.n)
        yield from map(SpokenLine, lines)


def format_transcript(transcript: Transcript, form: str) -> str:
    """Format a transcript as text, srt, vtt, json or verbose_json."""
    from speech.transcripts import TEXT_FORMATS, to_json, to_verbose_json, write_lines

    if form in TEXT_FORMATS:
        return write_lines(transcript.lines, form)
    body = to_json(transcript) if form == "json" else to_verbose_json(transcript)
    return json.dumps(body, ensure_ascii=False) + "\n"


def _save(target: Path, text: str) -> None:
    try:
        with whole_file(target) as draft:
            draft.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"The transcript {target.name} cannot be written: {error.strerror}."
        ) from error
