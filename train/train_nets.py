"""Train a network: `python -m train.train_nets face|voice|fusion|speech`, as `cli.py train`.

`cd train; python train_nets.py` works too. Without a command it fine-tunes the face and
the voice network on the clips in `./dataset/<person>/`.

There is one configuration file each under `train/configs/`. A run lives in its run
folder: started again it continues from the last checkpoint. In the end the averaged
weights are written to `best_model/<name>`, unless a model is there that is better, or
was measured on other data.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # as a file: Python looks for modules beside it alone
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from utils.interrupts import end_at_once, end_in_order, leave_in_order

if __name__ == "__main__":
    end_at_once()  # until the command begins: its packages take a while to load

from utils.python_version import check_python

check_python()  # before the packages, which other versions lack

import click

from train.configuration import MODELS, TASK_NAMES, RunOptions, default_folder
from train.known_ranges import RANGES
from utils.config import ROOT, Settings
from utils.errors import DuetError, say_body
from utils.finite_range import FiniteRange
from utils.path_option import PathOption
from utils.terminal_command import TerminalGroup
from utils.whole_file import check_place

PATH = PathOption(path_type=Path)
SEED = click.IntRange(0, 2**32 - 1)
STEPS = click.IntRange(1, int(RANGES["loop"]["total_steps"][1]))
OPTIONS = (
    click.option("--config", type=PATH, help="Configuration [default: train/configs/NAME.toml]."),
    click.option("--run-dir", type=PATH, help="Folder of this run [default: data/runs/NAME]."),
    click.option(
        "--data", type=PATH, help="Train on this folder of identities or list file instead."
    ),
    click.option(
        "--init",
        type=PATH,
        help="Start from the weights in this model folder. A face network may have fewer blocks.",
    ),
    click.option("--resume", is_flag=True, help="Continue a run, and refuse to begin a new one."),
    click.option(
        "--fine-tune",
        type=PATH,
        is_flag=False,
        flag_value=str(MODELS),
        help="As --init with --no-teacher [without a folder: the model that serves].",
    ),
    click.option("--no-teacher", is_flag=True, help="Train from labels alone."),
    click.option(
        "--budget-minutes",
        type=FiniteRange(*RANGES["loop"]["budget_minutes"], min_open=True),
        help="Length of the schedule, in minutes.",
    ),
    click.option(
        "--total-steps",
        type=STEPS,
        help="Length of the schedule, in steps (repeatable bit by bit).",
    ),
    click.option(
        "--seed",
        type=SEED,
        default=1,
        show_default=True,
        help="Seed of all chance.",
    ),
    click.option(
        "--out",
        type=PATH,
        help="Folder of the finished model [default: best_model/NAME, data/models/speech].",
    ),
    click.option(
        "--force", is_flag=True, help="Replace a better model too, or one measured on other data."
    ),
    click.option("--publish", is_flag=True, help="Do not train. Publish the last checkpoint."),
    click.option(
        "--weights",
        default="",
        help="Publish this model of the run's folder: best, epoch_0003 [default: the average].",
    ),
    click.option(
        "--threads",
        type=click.IntRange(0),
        default=0,
        help="Threads of TensorFlow [default: all cores].",
    ),
)


@click.group(
    cls=TerminalGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
)
@click.option("--dataset", type=PATH, help="Folder with a folder of clips per person.")
@click.option("--total-steps", type=STEPS, help="Length of each training, in steps.")
@click.option(
    "--threads",
    type=click.IntRange(0),
    default=0,
    help="Threads of TensorFlow [default: all cores].",
)
@click.pass_context
def main(context: click.Context, /, dataset: Path | None, **lengths: int | None) -> None:
    """Train a network and publish it.

    Without a command, fine-tune the face and the voice network on people's clips: videos
    or frames in ./dataset/<person>/, or in the folder that --dataset names. The models go
    to my_models/.
    """
    if context.invoked_subcommand:
        return
    # Its libraries take a second to import.
    from train.own_dataset import find_dataset, prepare_all, train_on

    settings = Settings.from_env().capture
    given = {name: value for name, value in lengths.items() if value}
    try:
        folder = find_dataset(dataset, Path.cwd())
        os.chdir(ROOT)
        data = prepare_all(folder, settings)
        status = train_on(data, given, lambda o: train_network(o, settings.min_speech_s))
    except DuetError as error:
        raise click.ClickException(f"{error.code}: {say_body(error.to_dict())}") from error
    context.exit(status)


def run_options(name: str, values: Mapping[str, Any]) -> RunOptions:
    """The options of a training of the network `name`, from those of the command line.

    Raises click.UsageError.
    """
    fields = dict(values)
    start = fields.pop("fine_tune")
    if start is not None:
        if fields["resume"] or fields["init"]:
            raise click.UsageError("--fine-tune begins a run: leave out --resume and --init.")
        fields["init"] = default_folder(name) if start == MODELS else start
        fields["no_teacher"] = True
    return RunOptions(name=name, **fields)


def train_network(options: RunOptions, min_speech_s: float) -> int:
    """Train and publish a network. See `train.run.train`."""
    config = options.read_config()
    # Before hours of work that would end with nothing.
    for folder in (options.run_folder, options.model_folder):
        check_place(folder)
    quiet_tensorflow()
    # TensorFlow takes seconds to import.
    from train.run import train

    return train(options, config, min_speech_s)


def quiet_tensorflow() -> None:
    """Keep TensorFlow from telling what it runs on. This must come before its import."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def training_command(name: str) -> click.Command:
    """Make the command that trains the network `name`."""

    @click.command(name, help=f"Train the {name} network.")
    @with_options
    def command(**values: Any) -> None:
        train_and_exit(run_options(name, values))

    return command


def train_and_exit(options: RunOptions) -> None:
    """Train, and end the command with the status of the training."""
    options = leave_own_folder(options)
    try:
        status = train_network(options, Settings.from_env().capture.min_speech_s)
    except DuetError as error:
        raise click.ClickException(f"{error.code}: {say_body(error.to_dict())}") from error
    click.get_current_context().exit(status)


def leave_own_folder(options: RunOptions) -> RunOptions:
    """Go to the root of the repository from the folder `train`, where runs and models are.

    Returns the options with paths that lead to the same files.
    """
    here = Path.cwd()
    if here != ROOT / "train":
        return options
    os.chdir(ROOT)
    paths = {name: value for name, value in vars(options).items() if isinstance(value, Path)}
    if not (here / (options.init or "")).is_dir():
        paths.pop("init", None)  # the model that serves
    below: dict[str, Any] = {name: here / path for name, path in paths.items()}
    return replace(options, **below)


def with_options(function: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(OPTIONS):
        function = option(function)
    return function


for _name in TASK_NAMES:
    main.add_command(training_command(_name))

if __name__ == "__main__":
    end_in_order()
    leave_in_order()
    main()
