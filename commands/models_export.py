"""Export of a model for apps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.shared import refusals
from utils.config import Settings
from utils.path_option import PathOption

if TYPE_CHECKING:
    from network.serving.app_export import Exported

FOLDER = PathOption(exists=True, file_okay=False, path_type=Path)
NEW_FOLDER = PathOption(file_okay=False, path_type=Path)


@click.command("export")
@click.argument("name")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["tflite", "onnx"]),
    default="tflite",
    show_default=True,
    help="For Android and iOS, or for the browser.",
)
@click.option(
    "--int8", is_flag=True, help="Quantise to 8 bits: a quarter of the size. It needs --data."
)
@click.option(
    "--data",
    type=FOLDER,
    help="Photographs or sound files that represent what will come; about 100 are enough.",
)
@click.option(
    "--to",
    "target",
    type=NEW_FOLDER,
    default=Path("data/export"),
    show_default=True,
    help="Folder for the file and its card.",
)
@refusals
def models_export(name: str, kind: str, *, int8: bool, data: Path | None, target: Path) -> None:
    """Write a model as one file for an app, with a card that says what to feed it.

    NAME is face or voice among the models that serve, or the folder of a model. The file
    is compared with the network in float32.
    """
    if int8 and data is None:
        raise click.UsageError("--int8 needs --data: files that represent what will come.")
    # The runtimes of the networks take seconds to import.
    from network.serving.app_export import export_for_app
    from network.serving.card import read_card
    from train.data.samples import made_up_inputs, read_inputs

    folder = Path(name)
    if not folder.is_dir():
        folder = Settings.from_env().storage.model_dir / name
    card = read_card(folder)
    inputs = read_inputs(card, data) if data else made_up_inputs(card)
    exported = export_for_app(folder, target, kind, inputs, int8=int8)
    click.echo(format_exported(exported, len(inputs)))


def format_exported(exported: Exported, inputs: int) -> str:
    """Format size, time and agreement as two lines."""
    return (
        f"{exported.file}: {exported.size_bytes / 1e6:.2f} MB, {exported.milliseconds:.1f} ms for"
        " one input on one thread\n"
        f"Compared with the network in float32 on {inputs} inputs: lowest cosine"
        f" {exported.lowest_cosine:.4f}, largest difference {exported.largest_difference:.2g}"
    )
