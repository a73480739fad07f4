"""Calibration of the models, on own recordings or on the research data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.shared import open_store, place_option, refusals
from utils.config import Settings
from utils.path_option import PathOption

if TYPE_CHECKING:
    from train.calibration.gather import AnswersOf, Source


@click.command()
@click.argument(
    "folder", required=False, type=PathOption(exists=True, file_okay=False, path_type=Path)
)
@click.option(
    "--model-dir",
    type=PathOption(exists=True, file_okay=False, path_type=Path),
    help="Folder with face/, voice/ and fusion/ [default: DUET_MODEL_DIR].",
)
@click.option(
    "--data",
    type=PathOption(exists=True, path_type=Path),
    help="Research data, without FOLDER [default: DUET_SHARED_DATA].",
)
@click.option(
    "--out",
    type=PathOption(path_type=Path),
    callback=place_option,
    help="Folder of the plots [default: calibration/ in the data folder].",
)
@click.option(
    "--feedback/--no-feedback",
    default=True,
    show_default=True,
    help='With FOLDER: include what people said about answers ("not this person").',
)
@refusals
def calibrate(
    folder: Path | None,
    *,
    model_dir: Path | None,
    data: Path | None,
    out: Path | None,
    feedback: bool,
) -> None:
    """Calibrate models on own clips.

    FOLDER holds a folder for each person: a dozen people, with at least two clips or
    photographs each. Without FOLDER, the models are calibrated on held-out people of
    the research data.
    """
    # The runtimes of the networks take seconds to import.
    from train.calibration.calibrate import calibrate

    settings = Settings.from_env()
    models = model_dir or settings.storage.model_dir
    plots = out or settings.storage.data_dir / "calibration"
    with _open_source(folder, data, settings, feedback) as source:
        click.echo(calibrate(models, source, plots))
    click.echo(
        f"Wrote the cards in {models}, and plots before and after in {plots}. Restart the service."
    )


@contextmanager
def _open_source(
    folder: Path | None, data: Path | None, settings: Settings, feedback: bool
) -> Iterator[Source]:
    """Open the source of the people, with the gallery where it has feedback."""
    from train.calibration.gather import OwnClips, ResearchData
    from train.data.datasets import shared_data_dir

    if folder is None:
        yield ResearchData(data or shared_data_dir(), settings)
    elif not feedback:
        yield OwnClips(folder, settings)
    else:
        with open_store() as store:
            answers_of: AnswersOf = store.feedback_trials
            yield OwnClips(folder, settings, answers_of)
