"""Calibration on the operator's own recordings."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import click

from commands.shared import open_store, refusals
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
    help='Include what people said of answers of these models ("not this person").',
)
@refusals
def calibrate(folder: Path, out: Path | None, feedback: bool) -> None:
    """Calibrate the models in use on your own clips.

    FOLDER holds one folder per person: at least a dozen people with two clips each.
    """
    from train.calibration.calibrate import no_answers, run  # seconds to import
    from train.data.datasets import shared_data_dir

    settings = Settings.from_env()
    plots = out or settings.storage.data_dir / "calibration"
    with open_store() if feedback else nullcontext() as store:
        report = run(
            settings.storage.model_dir,
            shared_data_dir(),
            people=folder,
            out=plots,
            answers_of=store.feedback_trials if store else no_answers,
        )
    click.echo(report)
    click.echo(
        f"Wrote the cards in {settings.storage.model_dir}, and plots before and after in"
        f" {plots}. Restart the service."
    )
