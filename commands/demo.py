"""`cli.py demo`: a first trial without a camera, in which every answer is seen."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from commands.clips import format_identification
from commands.shared import refusals
from commands.wording import language
from utils.config import Settings
from utils.errors import OutputError
from utils.listening import url_of
from utils.path_option import PathOption

if TYPE_CHECKING:
    from demo.clips import DrawnPerson
    from recognition.recognizer import Recognizer

_ABOUT = """\
Three people are enrolled, and six clips are asked about. Nobody was recorded for them:
the faces are drawn and the voices are made of numbers, by this program itself.
They are more alike than real people, so the bar is set high: one stranger in 10,000 may be
named. Your own gallery is left alone."""
_NEXT = """\
Try it with real people:
  make run                                       then open {url}/kiosk
  .venv/bin/python cli.py enroll people/         a folder of clips per person
  .venv/bin/python cli.py identify clip.mp4"""


FPIR = 1e-4
"""Drawn faces are as alike as those of siblings. So the bar is higher than by default."""


@dataclass(frozen=True)
class Scene:
    """A clip that is asked about, what it shows, and the outcome that belongs to it.

    `name` is who is named, "" for nobody.
    """

    file: str
    about: str
    outcome: str
    name: str = ""


SCENES = (
    Scene("ada-2.mp4", "Another clip of Ada", "accepted", "Ada"),
    Scene("ben-2.mp4", "Another clip of Ben", "accepted", "Ben"),
    Scene("cleo.jpg", "A photograph of Cleo: no voice", "accepted", "Cleo"),
    Scene("ada.wav", "Sound alone: Ada's voice, no face", "accepted", "Ada"),
    Scene("stranger.mp4", "Somebody who is not enrolled", "unknown"),
    Scene("ada-with-bens-voice.mp4", "Ada's face with Ben's voice", "conflict"),
)


@click.command()
@click.option(
    "--keep",
    type=PathOption(file_okay=False, path_type=Path),
    help="Keep the clips in this new folder: people/ to enrol, asked/ to ask about.",
)
@refusals
def demo(keep: Path | None) -> None:
    """Show every answer in a minute, with drawn people. No camera is needed.

    Three drawn people are enrolled in a gallery for this once. Clips of them, of a
    stranger and of one with the voice of another are asked about. The exit status is 1
    if an answer is not the one that is expected.
    """
    click.echo(_ABOUT)
    with _open_folder(keep) as folder:
        _write_clips(folder)
        with _open_gallery() as opened:
            _enroll(opened, folder / "people")
            surprises = [scene for scene in SCENES if not _ask(opened, folder / "asked", scene)]
    url = url_of(Settings.from_env())
    click.echo("\n" + _NEXT.format(url=url))
    if surprises:
        raise click.exceptions.Exit(1)


@contextmanager
def _open_folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
        return
    if keep.exists():
        raise OutputError(f"The folder exists already. Received: {keep}", "Name another folder.")
    keep.mkdir(parents=True)
    yield keep


def _write_clips(folder: Path) -> None:
    click.echo("\n1. The clips are drawn.")
    (folder / "asked").mkdir()
    for write in tqdm(list(_list_writers(folder)), unit="clip", disable=None, leave=False):
        write()


def _list_writers(folder: Path) -> Iterator[Callable[[], Path]]:
    """Yield what writes each clip."""
    from functools import partial

    from demo.clips import PEOPLE, STRANGER, write_photo, write_sound, write_video

    asked = folder / "asked"
    ada, ben, cleo = PEOPLE
    for person in PEOPLE:
        (folder / "people" / person.name).mkdir(parents=True)
        yield partial(write_video, _file_of(folder / "people", person), person.face, person.voice)
    yield partial(write_video, asked / "ada-2.mp4", ada.face, ada.voice, take=1)
    yield partial(write_video, asked / "ben-2.mp4", ben.face, ben.voice, take=1)
    yield partial(write_photo, asked / "cleo.jpg", cleo.face)
    yield partial(write_sound, asked / "ada.wav", ada.voice, take=2)
    yield partial(write_video, asked / "stranger.mp4", STRANGER.face, STRANGER.voice)
    yield partial(write_video, asked / "ada-with-bens-voice.mp4", ada.face, ben.voice, take=1)


def _file_of(people: Path, person: DrawnPerson) -> Path:
    return people / person.name / f"{person.name.lower()}-1.mp4"


@contextmanager
def _open_gallery() -> Iterator[Recognizer]:
    """Open an empty gallery that is removed afterwards."""
    from assembly import build_recognizer

    click.echo("2. The networks are loaded. This takes some seconds.")
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.from_env().replace(
            data_dir=Path(folder), database_url="", media_root=None, keep_media=False, fpir=FPIR
        )
        with closing(build_recognizer(settings)) as opened:
            yield opened


def _enroll(recognizer: Recognizer, people: Path) -> None:
    from demo.clips import PEOPLE
    from gallery.store import NewPerson
    from recognition.requests import ClipFile, EnrolmentRequest

    click.echo("3. Each of the three is enrolled with one clip.")
    for person in PEOPLE:
        clip = ClipFile(_file_of(people, person))
        new = NewPerson(person.name.lower(), person.name)
        answer = recognizer.enroll(EnrolmentRequest(new, (clip,)))
        click.echo(f"   {person.name:5} {len(answer.templates)} templates: a face and a voice")
    # Drawn people look like entries of one person, which the operator of a gallery corrects so
    for one, other in combinations(PEOPLE, 2):
        recognizer.store.mark_distinct(one.name.lower(), other.name.lower())
    click.echo("   They look alike, so it is stated that they are three people.")
    click.echo("4. Who is in these clips?")


def _ask(recognizer: Recognizer, folder: Path, scene: Scene) -> bool:
    """Ask about a clip. Returns whether the answer is the expected one."""
    from recognition.requests import ClipFile, IdentificationRequest

    clip = folder / scene.file
    answer = recognizer.identify(IdentificationRequest(ClipFile(clip)))
    click.echo(f"\n{click.style(scene.about, bold=True)}")
    click.echo(format_identification(clip, answer, json_line=False, lang=language()))
    decision = answer.decisions.fused
    named = decision.match.name if decision.match else ""
    if (decision.outcome, named) == (scene.outcome, scene.name):
        return True
    click.echo(f"  This answer is not expected: {scene.name or 'nobody'}, {scene.outcome}.")
    return False
