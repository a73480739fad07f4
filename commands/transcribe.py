"""Recordings as text, subtitles or JSON."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click
from tqdm import tqdm

from commands.jobs import list_failures, open_workplace, watch
from commands.shared import (
    FILE,
    alters_signs,
    describe,
    open_store,
    output_file,
    refusals,
    report,
    to_json,
)
from commands.wording import word_speaker
from speech.subtitles import DIARIZED, FORMATS, TEXT_FORMATS
from utils.config import Settings
from utils.errors import DuetError, OutputError
from utils.path_option import PathOption

if TYPE_CHECKING:
    from speech.diarise import Naming
    from speech.scribe import Scribe, Writing
    from speech.transcripts import Transcript

MOST_SPEAKERS = 100


class _TextOf(Protocol):
    """Writes a transcript in the format that was asked for."""

    def __call__(self, *, is_printed: bool = True) -> str: ...


@click.command()
@click.argument("recordings", nargs=-1, required=True, type=FILE)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="Plain text, subtitles, or JSON (verbose: with the times of words; diarized: with those"
    " who speak).",
)
@click.option("--language", help="Code of the language, as ko or en [default: detected, once].")
@click.option("--prompt", default="", help="Names and words that may come up.")
@click.option("--who", is_flag=True, help="Say who speaks: people of the gallery, or strangers.")
@click.option(
    "--speaker",
    "speakers",
    multiple=True,
    help="Id or name of a person who may speak, once for each [default: all of the gallery].",
)
@click.option(
    "--num-speakers",
    type=click.IntRange(1, MOST_SPEAKERS),
    help="How many people speak [default: it is found].",
)
@click.option(
    "--faces/--no-faces",
    "by_face",
    default=True,
    help="The talking face of a video says who speaks, too [default: yes, where somebody is"
    " enrolled by face].",
)
@click.option(
    "--channels",
    type=click.Choice(["mix", "separate"]),
    default="mix",
    show_default=True,
    help="Separate: one person speaks in each channel, as in the recording of a call.",
)
@click.option(
    "--to",
    "folder",
    type=PathOption(file_okay=False, path_type=Path),
    help="Folder for the transcripts. Without it they are printed.",
)
@click.option("--force", is_flag=True, help="Overwrite transcripts that are there already.")
@click.option(
    "--job",
    "as_job",
    is_flag=True,
    help="Make it a batch job, which goes on where it was interrupted (`cli.py jobs run`).",
)
@refusals
def transcribe(
    recordings: tuple[Path, ...], folder: Path | None, as_job: bool, **values: Any
) -> None:
    """Write down what is said in each recording.

    Sound and video files of any length up to DUET_MAX_SPEECH_S are read, in bounded
    memory. A language that is stated saves mistakes. docs/speech.md says what to
    install first.
    """
    _check_output(values["form"], folder)
    if folder is not None:
        _check_targets(recordings, folder, values, stops_all=as_job)
    from speech.scribe import Scribe

    settings = Settings.from_env()
    scribe = Scribe(settings)
    scribe.check()
    _check_speakers(values["speakers"])
    if as_job:
        report(_work_on_job(recordings, folder, values))
        return
    failures = []
    with _open_naming(settings, values) as naming:
        is_kept = settings.privacy.keep_transcripts
        request = _Request(naming=naming, is_kept=is_kept, **values)
        for recording in recordings:
            try:
                _write_one(scribe, recording, folder, request)
            except DuetError as error:
                failures.append(f"{recording.name}: {describe(error)}")
    report(failures)


def _check_output(form: str, folder: Path | None) -> None:
    """Raise OutputError for subtitles that might be printed with other signs."""
    is_subtitle = form in TEXT_FORMATS and form != "text"
    if is_subtitle and folder is None and alters_signs():
        raise OutputError(
            "Subtitles must be printed in UTF-8.",
            "Set PYTHONIOENCODING=utf-8, or name a folder with --to.",
        )


def _check_speakers(names: Sequence[str]) -> None:
    """Look the speakers up before the networks are loaded. Raises InvalidRequestError."""
    from recognition.voices import find_speaker

    if not names:
        return
    with open_store() as store:
        for name in names:
            find_speaker(store, name)


def _check_targets(
    recordings: tuple[Path, ...], folder: Path, values: dict[str, Any], *, stops_all: bool
) -> None:
    """Raise OutputError before the work where transcripts would be lost after it.

    A transcript that exists leaves the others of a job undone: `stops_all`.
    """
    targets = [_target(recording, folder, values["form"]) for recording in recordings]
    twice = sorted({target.name for target in targets if targets.count(target) > 1})
    if twice:
        raise OutputError(
            "Each recording of a command needs a name of its own, as its transcript has it."
            f" Received several for: {', '.join(twice)}",
            "Write them down one after the other, each with a folder of its own (--to).",
        )
    for target in targets if stops_all else []:
        _refuse_existing(target, is_forced=values["force"])


def _target(recording: Path, folder: Path, form: str) -> Path:
    suffix = TEXT_FORMATS[form].suffix if form in TEXT_FORMATS else ".json"
    return folder / (recording.stem + suffix)


def _refuse_existing(target: Path, *, is_forced: bool) -> None:
    if target.exists() and not is_forced:
        raise OutputError(f"The transcript {target.name} exists.")


def _work_on_job(
    recordings: tuple[Path, ...], folder: Path | None, values: dict[str, Any]
) -> list[str]:
    """Write the recordings down as a job, and return what failed."""
    from gallery.records.jobs import NewJob
    from jobs.clips import make_item

    paths = [recording.resolve() for recording in recordings]
    root = Path(os.path.commonpath([path.parent for path in paths]))
    items = [make_item(path.relative_to(root), None) for path in paths]
    new = NewJob("transcribe", items, root=str(root), options=_job_options(values))
    with open_workplace() as place:
        job = place.jobs.create(new)
        watch(place, job)
        for item in place.jobs.every_item(job.job_id, "done"):
            assert item.result is not None
            text_of = partial(format_result_as, item.result, values["form"])
            _put(Path(item.name), text_of, folder, values)
        return list_failures(place.jobs, job.job_id)


def _job_options(values: dict[str, Any]) -> dict[str, Any]:
    speakers = list(values["speakers"])
    options = {
        "language": values["language"],
        "prompt": values["prompt"],
        "channels": values["channels"] if values["channels"] == "separate" else None,
        "speaker_names": speakers,
        "num_speakers": values["num_speakers"],
        "who": values["who"] or values["form"] == DIARIZED or bool(speakers),
    }
    asked = {name: value for name, value in options.items() if value}
    return asked if values["by_face"] else asked | {"faces": False}


def format_result_as(result: dict[str, Any], form: str, *, is_printed: bool = True) -> str:
    """Format the result of a job in one of `FORMATS`."""
    from speech.transcripts import captions_of, reword

    if form in TEXT_FORMATS:
        return TEXT_FORMATS[form].write(reword(captions_of(result), word_speaker))
    body = {"text": result["text"]} if form == "json" else result
    return to_json(body, is_printed=is_printed) + "\n"


def _put(name: Path, text_of: _TextOf, folder: Path | None, values: dict[str, Any]) -> None:
    """Print a transcript, or write it to a file of the folder."""
    if folder is None:
        click.echo(text_of(), nl=False)
        return
    target = _target(name, folder, values["form"])
    _refuse_existing(target, is_forced=values["force"])
    _save(target, text_of)
    click.echo(str(target))


@dataclass(frozen=True)
class _Request:
    """What is made of each recording: the options of the command."""

    form: str
    language: str | None
    prompt: str
    channels: str
    force: bool
    naming: Naming | None
    is_kept: bool


@contextmanager
def _open_naming(settings: Settings, values: dict[str, Any]) -> Iterator[Naming | None]:
    """Open the gallery where those who speak are asked for, and take the options for it."""
    is_asked = values.pop("who") or values["form"] == DIARIZED
    speakers = values.pop("speakers")
    count = values.pop("num_speakers")
    by_face = values.pop("by_face")
    if not (is_asked or speakers or count):
        yield None
        return
    from assembly import build_recognizer
    from speech.diarise import Naming

    with closing(build_recognizer(settings)) as recognizer:
        voices = recognizer.voices
        among = voices.among(speakers)
        yield Naming(voices, among=among, count=count, by_face=by_face)


def _write_one(scribe: Scribe, path: Path, folder: Path | None, request: _Request) -> None:
    from speech.scribe import Recording

    target = None if folder is None else _target(path, folder, request.form)
    if target is not None:
        _refuse_existing(target, is_forced=request.force)
    recording = Recording(
        path,
        path.name,
        language=request.language or None,
        prompt=request.prompt,
        naming=request.naming,
        is_separate=request.channels == "separate",
    )
    with scribe.open(recording) as writing:
        _follow(writing, path.name)
        transcript = writing.transcript
    if request.is_kept:
        _keep(transcript, path.name)
    text_of = partial(format_transcript, transcript, request.form)
    if target is None:
        click.echo(text_of(), nl=False)
        return
    _save(target, text_of)
    click.echo(str(target))


def _keep(transcript: Transcript, title: str) -> None:
    from speech.keeping import keep

    with open_store() as store:
        click.echo(f"Kept: {keep(store, transcript, title)}", err=True)


def _follow(writing: Writing, name: str) -> None:
    """Write a recording down behind a progress bar: words, speed and time left.

    Words and speed stand beside the seconds that were heard.
    """
    started = time.perf_counter()
    words = 0
    with _bar(writing, name) as bar:
        for lines in writing.lines():
            words += sum(len(line.words) for line in lines)
            factor = (time.perf_counter() - started) / max(writing.heard_s, 1.0)
            bar.set_postfix_str(f"{words} words, {factor:.2f} x real time", refresh=False)
            bar.update(round(writing.heard_s) - bar.n)


def _bar(writing: Writing, name: str) -> tqdm[Any]:
    return tqdm(
        total=round(writing.duration_s) or None,
        unit="s",
        desc=name[:30],
        disable=None,
        leave=False,
    )


def format_transcript(transcript: Transcript, form: str, *, is_printed: bool = True) -> str:
    """Format a transcript in one of `FORMATS`."""
    from speech.transcripts import WRITE_JSON, reword

    if form in TEXT_FORMATS:
        return TEXT_FORMATS[form].write(reword(transcript.lines, word_speaker))
    return to_json(WRITE_JSON[form](transcript), is_printed=is_printed) + "\n"


def _save(target: Path, text_of: _TextOf) -> None:
    """Write a transcript, or print it where that fails: an hour of work is not lost."""
    try:
        with output_file(target) as draft:
            draft.write_text(text_of(is_printed=False), encoding="utf-8")
    except OutputError:
        click.echo(text_of(), nl=False)
        raise
