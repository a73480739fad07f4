"""A training run, from its options to the published model.

A run lives in its run folder: started again it goes on from the last checkpoint. In the
end the averaged weights are published.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import cv2
import tensorflow as tf

from network.serving.card import SPEECH
from train.configuration import (
    KINDS,
    MODELS,
    STOPPED,
    RunOptions,
    as_config_error,
    save_config,
)
from train.data.corpora import read_corpus
from train.data.datasets import Listing, read_listing, shared_data_dir
from train.loop import fine_tune
from train.loop.checkpoint import CHECKPOINT_FILE
from train.loop.failures import as_training_error
from train.loop.initial import begin, read_origin
from train.loop.journal import format_metrics, stamp
from train.loop.opening import describe_network
from train.loop.options import LoopOptions
from train.loop.publish import Result, files_sha256, publish, validation_data, without_paths
from train.loop.task import Task, TaskContext
from train.loop.trainer import Trainer
from train.tasks import create_task
from utils.errors import CheckpointError

# In the folder of a run: the data that it began with.
DATA_FILE = "data.txt"
# Lengths of the schedule, of which one is set.
NO_LENGTH = {"total_steps": 0, "epochs": 0.0, "budget_minutes": 0.0}
# Exit status: trained, but the present model stays.
NOT_REPLACED = 3


def train(options: RunOptions, config: Mapping[str, Any], min_speech_s: float) -> int:
    """Train and publish a network.

    Args:
        options: Options of the training.
        config: Its configuration, as `options.read_config()` returns it.
        min_speech_s: Least net speech that the service embeds, in seconds.

    Returns:
        0, `NOT_REPLACED` where the present model stays, or `STOPPED` and the number of
        the signal that stopped it: nothing is published then.

    Raises:
        ConfigError: See `train.tasks.create_task`.
        CheckpointError: There is nothing to publish, or the data changed.
        ModelError: There is nothing to start from.
    """
    limit_threads(options.threads)
    trainer = start(options, config, min_speech_s)
    # Before the training: the data may change while it runs.
    about = describe_run(options, config, trainer.run_dir)
    trainer.about = about
    if options.publish:
        metrics = trainer.validate(full=True)
    else:
        print_line(describe_network(trainer.task))
        if describe_data := getattr(trainer.task, "describe_data", None):
            print_line(stamp(describe_data()))
        save_config(trainer.run_dir, config, trainer.options)
        with as_training_error():
            metrics = trainer.run(print_line)
    if trainer.stopping:
        print(f"Stopped at step {trainer.step}. Start it again to continue.")
        return STOPPED + trainer.stop_signal if trainer.stop_signal else 0
    return finish(trainer, metrics, about, options)


def print_line(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


def start(options: RunOptions, config: Mapping[str, Any], min_speech_s: float) -> Trainer:
    """Make task and trainer, which stops on SIGINT and SIGTERM.

    Errors as for `train`.
    """
    tuned = is_fine_tuning(options, config)
    loop = loop_options(config, options, tuned)
    run_dir = options.run_folder
    # Before the task: making its data may take minutes.
    begun = has_begun(options, config, run_dir)
    context = TaskContext(seed=options.seed, shared=shared_data_dir(), min_speech_s=min_speech_s)
    task = create_task(options.name, config, context)
    # A fusion's folder is named after the encoders that it joins.
    if not options.run_dir and (run_name := getattr(task, "run_name", "")):
        run_dir = run_dir.with_name(run_name)
        begun = has_begun(options, config, run_dir)
    if not begun:
        begin_run(options, config, task, run_dir)
    if tuned:
        keep = fine_tune.read_options(config).keep
        fine_tune.attach_start(cast("fine_tune.Tunable", task), keep)
    if tuned and not begun:
        fine_tune.imprint(cast("fine_tune.Tunable", task))
    trainer = Trainer(task, loop, run_dir)
    if options.weights:
        trainer.choose_saved(options.weights)
    if tuned and not begun:
        fine_tune.save_start_metrics(run_dir, trainer.validate(full=True))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: _stop(trainer, number))
    return trainer


def _stop(trainer: Trainer, number: int) -> None:
    """Ask a training to stop. A step or a validation may take a while: it is said."""
    trainer.stop(number)
    # Not by print: the signal may come while it writes.
    os.write(sys.stderr.fileno(), b"Stopping once the present step is over, with a checkpoint.\n")


def is_fine_tuning(options: RunOptions, config: Mapping[str, Any]) -> bool:
    """Whether the run continues from a trained network with labels alone.

    A run that has begun says so in its folder.
    """
    if config.get("teacher") or "fine_tune" not in config:
        return False
    run_dir = options.run_folder
    if (run_dir / CHECKPOINT_FILE).exists():
        return (run_dir / fine_tune.BEFORE_FILE).is_file()
    return options.init is not None


def loop_options(
    config: Mapping[str, Any], options: RunOptions, tuned: bool = False
) -> LoopOptions:
    """Options of the loop: the table `[loop]`.

    In a fine-tuning those of `[fine_tune]` replace them. The length of the command line
    replaces either. Raises ConfigError.
    """
    with as_config_error():
        table = dict(config["loop"])
        if tuned:
            table |= NO_LENGTH
            table |= fine_tune.read_options(config).loop
        if options.total_steps:
            table |= NO_LENGTH | {"total_steps": options.total_steps}
        elif options.budget_minutes:
            table |= NO_LENGTH | {"budget_minutes": options.budget_minutes}
        return LoopOptions(**table)


def has_begun(options: RunOptions, config: Mapping[str, Any], run_dir: Path) -> bool:
    """Whether there is a checkpoint to continue from.

    Raises:
        CheckpointError: The run began with other data.
    """
    if not (run_dir / CHECKPOINT_FILE).exists():
        return False
    check_data(run_dir, data_key(options, config))
    if options.init:
        print(f"The run in {run_dir.name} continues from its checkpoint. --init is ignored.")
    return True


def begin_run(options: RunOptions, config: Mapping[str, Any], task: Task, run_dir: Path) -> None:
    """Put a new run on its first weights, and save what it begins with.

    Raises:
        CheckpointError: It is to be published or continued without a checkpoint.
    """
    if options.publish:
        raise CheckpointError(
            f"--publish needs a run with a checkpoint. Received: {run_dir.name} without one",
            "Name the folder of the run with --run-dir, or train first.",
        )
    if options.resume:
        raise CheckpointError(
            f"--resume needs a run with a checkpoint. Received: {run_dir.name} without one",
            "Leave it out to begin a run, or name the folder of the run with --run-dir.",
        )
    fed = task.card_input()
    begin(
        task.network,
        options.init,
        run_dir,
        fed.get("frontend") or fed.get("kaldi"),
        convert=getattr(task, "convert_saved", None),
    )
    if options.init and (fit_projection := getattr(task, "fit_projection", None)):
        fit_projection()
    # Of a run that was killed before its first checkpoint.
    (run_dir / fine_tune.BEFORE_FILE).unlink(missing_ok=True)
    (run_dir / DATA_FILE).write_text(data_key(options, config) + "\n", encoding="utf-8")


def data_key(options: RunOptions, config: Mapping[str, Any]) -> str:
    """Hash of what a run learns from.

    Its files by name, label and size, what is made of them, and who is held out.
    """
    # The same files may lie elsewhere.
    table = {key: value for key, value in config["data"].items() if key not in ("train", "cache")}
    files = ""
    if source := config["data"].get("train"):
        files = files_sha256(read_files(options.name, source))
    # The seed chooses the people held out, where no list names them.
    drawn = None if any(key.startswith("dev_") for key in table) else options.seed
    content = [table, config.get("frontend"), files, drawn]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_files(name: str, source: str) -> Listing:
    """The files that the network `name` learns from. Those of speech have their texts as label."""
    path = shared_data_dir() / source
    return read_corpus(path).listing if name == SPEECH else read_listing(path, KINDS[name])


def check_data(run_dir: Path, key: str) -> None:
    """Check that the run in `run_dir` began with these data.

    A run that is older than this check is not checked.

    Raises:
        CheckpointError: It began with other data.
    """
    file = run_dir / DATA_FILE
    if file.is_file() and file.read_text(encoding="utf-8").strip() != key:
        raise CheckpointError(
            f"A run continues with the data that it began with. {run_dir.name} was begun with"
            " other files, other tables [data] and [frontend] or, without dev lists, another seed.",
            "Name a new folder with --run-dir, or restore the data.",
        )


def describe_run(options: RunOptions, config: Mapping[str, Any], run_dir: Path) -> dict[str, Any]:
    """Fields of a run's card besides its results, without paths of this machine."""
    tables = {name: table for name, table in config.items() if name != "card"}
    training = {
        "seed": options.seed,
        "started_from": read_origin(run_dir),
        "configuration": without_paths(tables),
    }
    if before := fine_tune.read_start_metrics(run_dir):
        training["before"] = before
    # Without dev lists, some of the people are held out.
    if not validation_data(training):
        listing = read_files(options.name, config["data"]["train"])
        training["files_sha256"] = files_sha256(listing)
    return {**config.get("card", {}), "training": training}


def finish(
    trainer: Trainer,
    metrics: Mapping[str, float],
    about: Mapping[str, Any],
    options: RunOptions,
) -> int:
    """Publish the averaged weights and print where they are. Returns the exit status."""
    task = trainer.task
    before = about["training"].get("before", {})
    decline = fine_tune.explain_decline(task.metric, before, metrics)
    trainer.use_average()
    # A task may change its weights before they are published.
    if finalise_weights := getattr(task, "finalise_weights", None):
        metrics = finalise_weights() or metrics
    if comparison := getattr(task, "comparison", ""):
        (trainer.run_dir / "comparison.md").write_text(comparison, encoding="utf-8")
    length = {
        "samples": trainer.samples,
        "steps": trainer.step,
        "minutes": round(trainer.seconds / 60, 1),
    }
    result = Result(
        task=task,
        metrics=metrics,
        about={**about, "training": {**length, **about["training"]}},
    )
    folder = options.model_folder
    published = publish(
        result, folder, trainer.run_dir / "model", force=options.force, refused=decline
    )
    print(format_metrics(metrics))
    if before:
        print(f"before the fine-tuning: {format_metrics(before)}")
    if published.refused:
        print(f"{published.refused}. Written to {published.folder}. --force replaces the model.")
        return NOT_REPLACED
    print(f"Written to {published.folder}. Next: {_next_command(options.name, folder)}")
    return 0


def _next_command(name: str, folder: Path) -> str:
    """The command that calibrates a model in `folder`, or measures one that writes.

    The model that serves can be calibrated on the research data.
    """
    if name == SPEECH:
        return f"cli.py speech evaluate MANIFEST --engine ctc --model {folder}"
    if folder.resolve().parent == MODELS.resolve():
        return "cli.py calibrate"
    models = folder.parent
    return f"cli.py calibrate FOLDER --model-dir {models} (with face and voice in {models})"


def limit_threads(threads: int) -> None:
    """Leave cores to others. This must come before TensorFlow's first operation."""
    # Batches are prepared on threads of their own.
    cv2.setNumThreads(1)
    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
