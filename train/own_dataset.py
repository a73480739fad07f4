"""Training on people's clips in one go: `python train_nets.py`, without a command.

The clips are in `dataset/<person>/<video or frames>`. The networks that serve are
fine-tuned on them, first the face, then the voice. The models go to a folder of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from train.configuration import MODELS, RUNS, STOPPED, RunOptions
from train.data.datasets import FEWEST_HELD_OUT
from utils.config import ROOT
from utils.errors import DatasetError, MediaError
from utils.settings.capture import CaptureSettings
from utils.wording import count_noun

NAME = "dataset"
LEAST_PEOPLE = FEWEST_HELD_OUT + 2
PREPARED = Path("data/cache/dataset")
OUT = Path("my_models")
LAYOUT = f"""\
Put one folder per person there, with videos of the person who talks, or with frames:

  {{folder}}/anna/anna-1.mp4
  {{folder}}/anna/anna-2.mp4
  {{folder}}/ben/clip.webm
  {{folder}}/ben/frames/0001.jpg

{LEAST_PEOPLE} people or more, with two files each or longer videos. Then run this again.
To train on data in other forms: python train_nets.py --help"""

Train = Callable[[RunOptions], int]


@dataclass(frozen=True)
class OwnData:
    """Prepared data: how many people have two faces, and how many two pieces of speech."""

    folder: Path
    face_people: int
    voice_people: int


def find_dataset(named: Path | None, here: Path) -> Path:
    """Find the folder of the clips: `named`, or one called `dataset` here or above.

    Raises DatasetError, which says what to put where.
    """
    places = [named] if named else [here / NAME, ROOT / "train" / NAME, ROOT / NAME]
    for place in places:
        if place.is_dir() and any(child.is_dir() for child in place.iterdir()):
            return place.resolve()
    raise DatasetError(
        f"There is no training data in {places[0]}.", LAYOUT.format(folder=places[0])
    )


def prepare_all(dataset: Path, settings: CaptureSettings, out: Path = PREPARED) -> OwnData:
    """Cut faces and speech from all clips. Those that show nothing are named.

    Raises DatasetError for too few people.
    """
    from align.aligner import Aligner
    from train.data.own_clips import list_clips, prepare

    aligner = Aligner(settings)
    click.echo(f"Faces and speech are cut from the clips in {dataset} (kept in {out}).")
    for clip in tqdm(list_clips(dataset), unit="file", disable=None):
        try:
            prepare(dataset, clip, out, aligner.analyse)
        except MediaError as error:
            tqdm.write(f"left out: {clip}: {error.message}")
    data = OwnData(out, _count_people(out / "faces"), _count_people(out / "voices"))
    click.echo(
        f"{count_noun(data.face_people, 'person', 'people')} with faces,"
        f" {count_noun(data.voice_people, 'person', 'people')} with speech."
    )
    if max(data.face_people, data.voice_people) < LEAST_PEOPLE:
        raise DatasetError(
            f"Training needs {LEAST_PEOPLE} people with two files each of faces or speech,"
            f" {FEWEST_HELD_OUT} of whom it is measured on.",
            "With fewer people, do not train: enrol them. The shipped networks know faces and"
            " voices in general. cli.py enroll FOLDER",
        )
    return data


def train_on(data: OwnData, options: dict[str, Any], train: Train) -> int:
    """Fine-tune the networks on the data. Returns the highest exit status.

    What a signal stops is not followed by the next network. `options` are those of
    `RunOptions` for both of them.
    """
    status = 0
    for name, people in (("face", data.face_people), ("voice", data.voice_people)):
        if people < LEAST_PEOPLE:
            click.echo(f"The {name} network is left as it is: {people} people are too few.")
            continue
        click.echo(f"\nThe {name} network is fine-tuned on {people} people.")
        status = max(status, train(run_options(name, data.folder, options)))
        if status > STOPPED:
            return status
    click.echo(
        f"\nThe models are in {OUT}. Calibrate them, then serve with them:\n"
        f"  cli.py calibrate FOLDER --model-dir {OUT}\n  DUET_MODEL_DIR={OUT} make run"
    )
    return status


def run_options(name: str, folder: Path, options: dict[str, Any]) -> RunOptions:
    """Options of the fine-tuning of one network."""
    return RunOptions(
        name=name,
        data=folder / {"face": "faces", "voice": "voices"}[name],
        run_dir=RUNS / f"{NAME}-{name}",
        init=MODELS / name,
        no_teacher=True,
        out=OUT / name,
        **options,
    )


def _count_people(folder: Path) -> int:
    if not folder.is_dir():
        return 0
    return sum(len(list(person.iterdir())) > 1 for person in folder.iterdir())
