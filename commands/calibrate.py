"""Calibration on the operator's own recordings."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import click

from commands.shared import refusals, store
from utils.config import Settings


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the plots [default: calibration/ in the data folder].",
)
@click.option(
    "--feedback/--no-feedback",
    default=True,
    show_default=True,
    help='Count in what people said of answers of these models ("not this person").',
)
@refusals
def calibrate(folder: Path, out: Path | None, feedback: bool) -> None:
    """Calibrate the models in use on own clips: in FOLDER one folder per person, a
    dozen people and two clips of each at least.
    """
    from train.calibration.calibrate import no_answers, run  # seconds to import
    from train.data.datasets import shared_data_dir

    settings = Settings.from_env()
    plots = out or settings.storage.data_dir / "calibration"
    with store() if feedback else nullcontext() as known:
        click.echo(
            run(
                settings.storage.model_dir,
                shared_data_dir(),
                folder,
                plots,
                known.feedback_trials if known else no_answers,
            )
        )
    click.echo(
        f"Written: the cards in {settings.storage.model_dir}, plots before and after in {plots}."
        " Start the service again."
    )
