"""Train a network: `python -m train.train_nets face|voice|fusion`.

One configuration file each under `train/configs/`. A run lives in its run folder:
started again it goes on from the last checkpoint. In the end the averaged weights are
written to `best_model/<name>`, unless a model is there that is better, or was measured
on other data.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import signal
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from utils.errors import CheckpointError, ConfigError, DuetError

if TYPE_CHECKING:
    from train.loop.trainer import LoopOptions, Task, Trainer

# Modules with create(config, seed, shared) -> Task.
TASKS = {"face": "train.face.task", "voice": "train.voice.task", "fusion": "train.fusion.task"}
KINDS = {"face": "image", "voice": "audio"}  # of files that are trained on
CHECKPOINT = "checkpoint.npz"
DATA_FILE = "data.txt"  # in the folder of a run: what it was begun with
CONFIGS = Path(__file__).parent / "configs"
COPY = "Copy one from train/configs/ and change that."


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, train, publish; returns the exit status (3: trained, but
    the model that is there stays).
    """
    options = _parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    _limit_threads(options.threads)
    config = read_config(options)
    trainer = start(options, config)
    # Before the training: the data may change while it runs
    about = about_run(options, config, trainer.run_dir)
    metrics = (
        trainer.validate(full=True)
        if options.publish
        else trainer.run(lambda line: print(line, flush=True))
    )
    if trainer.stopping:
        print(f"stopped at step {trainer.step}; start again to go on")
        return 0
    return finish(trainer, metrics, about, options)


def about_run(
    options: argparse.Namespace, config: Mapping[str, Any], run_dir: Path
) -> dict[str, Any]:
    """What a run's card says besides its results; no path of this machine is in it."""
    from train.data.datasets import read_listing, shared_data_dir  # as below
    from train.loop.fine_tune import before
    from train.loop.initial import origin

    # TensorFlow takes seconds to import
    from train.loop.publish import files_sha256, measured_on, without_paths

    configuration = without_paths({name: table for name, table in config.items() if name != "card"})
    training = {
        "seed": options.seed,
        "started_from": origin(run_dir),
        "configuration": configuration,
    }
    if begun_with := before(run_dir):
        training["before"] = begun_with
    if not measured_on(training):  # no dev lists: some of the people are held out
        listing = read_listing(shared_data_dir() / config["data"]["train"], KINDS[options.name])
        training["files_sha256"] = files_sha256(listing)
    return {**config.get("card", {}), "training": training}


def finish(
    trainer: Trainer,
    metrics: Mapping[str, float],
    about: Mapping[str, Any],
    options: argparse.Namespace,
) -> int:
    """Publish the averaged weights and say where they are."""
    from train.loop.publish import publish  # TensorFlow takes seconds to import

    worse = worse_than_before(trainer.task.metric, about["training"].get("before", {}), metrics)
    trainer.use_average()
    # A task may make something of its weights before they are published
    if settle := getattr(trainer.task, "settle", None):
        metrics = settle() or metrics
    folder = options.out or Path("best_model") / options.name
    done = {
        "samples": trainer.samples,
        "steps": trainer.step,
        "minutes": round(trainer.seconds / 60, 1),
    }
    about = {**about, "training": {**done, **about["training"]}}
    result = publish(
        trainer.task, metrics, about, folder, trainer.run_dir / "model", options.force, worse
    )
    print(_told(metrics))
    if begun_with := about["training"].get("before"):
        print(f"before the fine-tuning: {_told(begun_with)}")
    if result.refused:
        print(f"{result.refused}. Written to {result.folder}; --force puts it in place")
        return 3
    print(
        f"written to {result.folder}; next: python -m train.calibration.calibrate{_calibrated(folder)}"
    )
    return 0


def _told(metrics: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())


def worse_than_before(
    metric: str, begun_with: Mapping[str, float], metrics: Mapping[str, float]
) -> str:
    """Why a fine-tuning that ends with `metrics` must not serve; "" where it is no
    worse than what it began with, or is none.
    """
    if metric not in begun_with or metric not in metrics or metrics[metric] >= begun_with[metric]:
        return ""
    return (
        f"The weights that it started from are better on the people held out: {metric}"
        f" {begun_with[metric]:.4f}, the new ones {metrics[metric]:.4f}"
    )


def _calibrated(folder: Path) -> str:
    """Arguments for the calibration of a model in `folder`: none for the one that
    serves, which has data of its own.
    """
    if folder.resolve().parent == Path("best_model").resolve():
        return ""
    return f" --model-dir {folder.parent} --people FOLDER (with face and voice in {folder.parent})"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="train_nets", description=__doc__)
    parser.add_argument("name", choices=sorted(TASKS), help="which network")
    parser.add_argument(
        "--config", type=Path, help="configuration (default: train/configs/<name>.toml)"
    )
    parser.add_argument(
        "--run-dir", type=Path, help="folder of this run (default: data/runs/<name>)"
    )
    parser.add_argument(
        "--data", type=Path, help="train on this folder of identities or list file instead"
    )
    parser.add_argument(
        "--init",
        type=Path,
        help="start from the weights in this model folder; a face network may have fewer blocks",
    )
    parser.add_argument("--no-teacher", action="store_true", help="train from labels alone")
    parser.add_argument(
        "--budget-minutes", type=float, help="length of the schedule in minutes of training"
    )
    parser.add_argument(
        "--total-steps", type=int, help="length of the schedule in steps (repeatable bit by bit)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--out", type=Path, help="folder of the finished model (default: best_model/<name>)"
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace a better model too, or one measured on other data",
    )
    parser.add_argument(
        "--publish", action="store_true", help="do not train: publish the last checkpoint"
    )
    parser.add_argument(
        "--threads", type=int, default=0, help="threads of TensorFlow (default: all cores)"
    )
    return parser


def start(options: argparse.Namespace, config: Mapping[str, Any]) -> Trainer:
    """Task and trainer as the command line and the configuration say; `stop` on SIGINT
    and SIGTERM.

    Raises ConfigError (see `make_task`), CheckpointError (nothing to publish) and
    ModelError (nothing to start from).
    """
    from train.loop import fine_tune  # TensorFlow takes seconds to import
    from train.loop.trainer import Trainer

    tuned = is_fine_tuning(options, config)
    loop = loop_options(config, options, tuned)
    run_dir = run_folder(options)
    begun = has_begun(options, config, run_dir)  # before the task: making its data may take minutes
    task = make_task(options.name, config, options.seed)
    # A fusion's, after the encoders that it joins
    if not options.run_dir and (run_name := getattr(task, "run_name", "")):
        run_dir = run_dir.with_name(run_name)
        begun = has_begun(options, config, run_dir)
    if not begun:
        begin_run(options, config, task, run_dir)
    if tuned:
        fine_tune.hold(cast("fine_tune.Tunable", task), fine_tune.settings(config)[0])
    if tuned and not begun:
        fine_tune.imprint(cast("fine_tune.Tunable", task))
    trainer = Trainer(task, loop, run_dir)
    if tuned and not begun:
        fine_tune.note_before(run_dir, trainer.validate(full=True))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: trainer.stop())
    return trainer


def run_folder(options: argparse.Namespace) -> Path:
    """Where the run lies, unless its task has a name of its own for it."""
    return options.run_dir or Path("data/runs") / str(options.name)


def has_begun(options: argparse.Namespace, config: Mapping[str, Any], run_dir: Path) -> bool:
    """Whether there is a checkpoint to go on from. Raises CheckpointError where it must
    not.
    """
    if not (run_dir / CHECKPOINT).exists():
        return False
    check_data(run_dir, data_key(options, config))
    if options.init:
        print(f"the run in {run_dir.name} goes on from its checkpoint; --init is left aside")
    return True


def begin_run(
    options: argparse.Namespace, config: Mapping[str, Any], task: Task, run_dir: Path
) -> None:
    """Put a new run on its first weights, and note what it begins with."""
    from train.loop.fine_tune import BEFORE_FILE  # TensorFlow takes seconds to import
    from train.loop.initial import begin

    if options.publish:
        raise CheckpointError(
            f"--publish needs a run with a checkpoint. Received: {run_dir.name} without one",
            "Name the folder of the run with --run-dir, or train first.",
        )
    begin(task.network, options.init, run_dir, task.card_input().get("frontend"))
    # Of a run that was killed before its first checkpoint
    (run_dir / BEFORE_FILE).unlink(missing_ok=True)
    (run_dir / DATA_FILE).write_text(data_key(options, config) + "\n", encoding="utf-8")


def data_key(options: argparse.Namespace, config: Mapping[str, Any]) -> str:
    """Hash of what a run learns from: its files by name, label and size, what is made
    of them, and who is held out.
    """
    from train.data.datasets import read_listing, shared_data_dir  # as above
    from train.loop.publish import files_sha256

    # The same files may lie elsewhere
    table = {key: value for key, value in config["data"].items() if key not in ("train", "cache")}
    source = config["data"].get("train")
    files = (
        files_sha256(read_listing(shared_data_dir() / source, KINDS[options.name]))
        if source
        else ""
    )
    # The people held out, where no list names them
    drawn = None if any(key.startswith("dev_") for key in table) else options.seed
    return hashlib.sha256(
        json.dumps([table, config.get("frontend"), files, drawn], sort_keys=True).encode()
    ).hexdigest()


def check_data(run_dir: Path, key: str) -> None:
    """Raises CheckpointError where the run in `run_dir` began with other data; one that
    is older than this check is taken at its word.
    """
    file = run_dir / DATA_FILE
    if file.is_file() and file.read_text(encoding="utf-8").strip() != key:
        raise CheckpointError(
            f"A run goes on with the data that it began with. Received: {run_dir.name}, begun with"
            " other files, other tables [data] and [frontend] or, without dev lists, another seed",
            "Name a new folder with --run-dir, or put them back.",
        )


def read_config(options: argparse.Namespace) -> dict[str, Any]:
    """The TOML configuration with what the command line changes in it. Raises
    ConfigError where it cannot be read.
    """
    config = _parsed(options.config or CONFIGS / f"{options.name}.toml")
    # Other data: their own terms, and pairs or trials for validation from among them
    if options.data:
        config["data"]["train"] = str(options.data.resolve())
        config["data"].pop("dev_pairs", None)
        config["data"].pop("dev_trials", None)
        config["data"].pop("fluent", None)  # groups of the research data; here everything is
        for name in ("centred_on", "centring"):  # others of them
            config.get("serving", {}).pop(name, None)
        config.pop("card", None)
    if options.no_teacher:
        config.pop("teacher", None)
    return config


def _parsed(file: Path) -> dict[str, Any]:
    try:
        config = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"A configuration must be a readable file. Received: {file.name} ({error.strerror})",
            COPY,
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        # The former's text ends with line and column
        raise ConfigError(
            f"A configuration must be TOML in UTF-8. Received: {file.name}: {error}", COPY
        ) from error
    if not isinstance(config.get("data"), dict):
        raise ConfigError(
            f"A configuration needs a table [data]. Received: {file.name} without one", COPY
        )
    return config


@contextmanager
def _configured() -> Iterator[None]:
    """Makes a ConfigError of what options and networks raise for a key or a value that
    they do not take.
    """
    try:
        yield
    except KeyError as error:
        raise ConfigError(
            f"A configuration needs all its keys. Received: one without {error}", COPY
        ) from error
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"A configuration needs known keys and fitting values: {error}", COPY
        ) from error


def make_task(name: str, config: Mapping[str, Any], seed: int) -> Task:
    """Build the named task; chance is seeded first, so that the first weights are the
    same each time.

    Raises ConfigError for a key or a value that the task does not take.
    """
    import keras  # seconds to import

    from train.data.datasets import shared_data_dir  # beside the other late imports

    keras.utils.set_random_seed(seed)
    module = importlib.import_module(TASKS[name])
    with _configured():
        task: Task = module.create(config, seed, shared_data_dir())
    return task


def is_fine_tuning(options: argparse.Namespace, config: Mapping[str, Any]) -> bool:
    """Whether the run goes on from a trained network with labels alone; of one that has
    begun its folder says so.
    """
    from train.loop.fine_tune import BEFORE_FILE  # TensorFlow takes seconds to import

    if config.get("teacher") or "fine_tune" not in config:
        return False
    run_dir = run_folder(options)
    return (
        (run_dir / BEFORE_FILE).is_file()
        if (run_dir / CHECKPOINT).exists()
        else options.init is not None
    )


def loop_options(
    config: Mapping[str, Any], options: argparse.Namespace, tuned: bool = False
) -> LoopOptions:
    """Options of the loop: the table `[loop]`, in a fine-tuning with those of
    `[fine_tune]`, its length replaced by the command line's. Raises ConfigError.
    """
    from train.loop import fine_tune  # TensorFlow takes seconds to import
    from train.loop.trainer import LoopOptions

    with _configured():
        table = dict(config["loop"])
        if tuned:
            table |= {"total_steps": 0, "budget_minutes": 0.0} | fine_tune.settings(config)[1]
        if options.total_steps:
            table |= {"total_steps": options.total_steps, "budget_minutes": 0.0}
        elif options.budget_minutes:
            table |= {"total_steps": 0, "budget_minutes": options.budget_minutes}
        return LoopOptions(**table)


def _limit_threads(threads: int) -> None:
    """Leave cores to others; must come before TensorFlow's first operation."""
    import cv2  # only where the training runs
    import tensorflow as tf  # seconds to import

    cv2.setNumThreads(1)  # batches are prepared on threads of their own
    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)


def told(command: Callable[[], int]) -> int:
    """Run a command; what a user can mend is said in a line, with exit status 2."""
    try:
        return command()
    except DuetError as error:
        print(f"{error.message} {error.hint}".strip(), file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(told(main))
