"""Train a network: `python -m train.train_nets face|voice|fusion`.

One configuration file each under `train/configs/`. A run lives in its run folder: started again it goes on from the
last checkpoint. In the end the averaged weights are written to `best_model/<name>`, unless a better model is there.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.errors import DuetError

if TYPE_CHECKING:
    from train.loop import LoopOptions, Task, Trainer

# Modules with create(config, seed, shared) -> Task.
TASKS = {"face": "train.face_task", "voice": "train.voice_task", "fusion": "train.fusion_task"}
CONFIGS = Path(__file__).parent / "configs"


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, train, publish; returns the exit status (3: trained, but a better model is there)."""
    options = _parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    _limit_threads(options.threads)
    config = read_config(options)
    trainer = start(options, config)
    metrics = trainer.validate(full=True) if options.publish else trainer.run(lambda line: print(line, flush=True))
    if trainer.stopping:
        print(f"stopped at step {trainer.step}; start again to go on")
        return 0
    return finish(trainer, metrics, config, options)


def finish(trainer: Trainer, metrics: Mapping[str, float], config: Mapping[str, Any], options: argparse.Namespace) -> int:
    """Publish the averaged weights and say where they are."""
    from train.publish import publish  # TensorFlow takes seconds to import

    trainer.use_average()
    if settle := getattr(trainer.task, "settle", None):  # a task may make something of its weights before they are published
        metrics = settle() or metrics
    folder = options.out or Path("best_model") / options.name
    training = {
        "samples": trainer.samples,
        "steps": trainer.step,
        "minutes": round(trainer.seconds / 60, 1),
        "seed": options.seed,
        "started_from": str(options.init) if options.init else "random weights",
        "configuration": {name: table for name, table in config.items() if name != "card"},
    }
    about = {**config.get("card", {}), "training": training}
    result = publish(trainer.task, metrics, about, folder, trainer.run_dir / "model", options.force)
    print("  ".join(f"{name} {value:.4f}" for name, value in metrics.items()))
    if result.refused:
        print(f"{result.refused}. Written to {result.folder}; --force puts it in place")
        return 3
    print(f"written to {result.folder}; next: python -m train.calibrate")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="train_nets", description=__doc__)
    parser.add_argument("name", choices=sorted(TASKS), help="which network")
    parser.add_argument("--config", type=Path, help="configuration (default: train/configs/<name>.toml)")
    parser.add_argument("--run-dir", type=Path, help="folder of this run (default: data/runs/<name>)")
    parser.add_argument("--data", type=Path, help="train on this folder of identities or list file instead")
    parser.add_argument("--init", type=Path, help="start from the weights of this model folder; a network with fewer blocks is extended")
    parser.add_argument("--no-teacher", action="store_true", help="train from labels alone")
    parser.add_argument("--budget-minutes", type=float, help="length of the schedule in minutes of training")
    parser.add_argument("--total-steps", type=int, help="length of the schedule in steps (repeatable bit by bit)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="folder of the finished model (default: best_model/<name>)")
    parser.add_argument("--force", action="store_true", help="replace a better model too")
    parser.add_argument("--publish", action="store_true", help="do not train: publish the last checkpoint")
    parser.add_argument("--threads", type=int, default=0, help="threads of TensorFlow (default: all cores)")
    return parser


def start(options: argparse.Namespace, config: Mapping[str, Any]) -> Trainer:
    """Task and trainer as the command line and the configuration say; `stop` on SIGINT and SIGTERM."""
    from train.initial import start_from  # TensorFlow takes seconds to import
    from train.loop import Trainer

    task = make_task(options.name, config, options.seed)
    run_dir = options.run_dir or Path("data/runs") / getattr(task, "run_name", options.name)
    if options.init and not (run_dir / "checkpoint.npz").exists():
        start_from(task.network, options.init / "model.keras")
    trainer = Trainer(task, loop_options(config, options), run_dir)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: trainer.stop())
    return trainer


def read_config(options: argparse.Namespace) -> dict[str, Any]:
    """The TOML configuration with what the command line changes in it."""
    file = options.config or CONFIGS / f"{options.name}.toml"
    config = tomllib.loads(file.read_text(encoding="utf-8"))
    if options.data:  # other data: their own terms, and pairs or trials for validation from among them
        config["data"]["train"] = str(options.data.resolve())
        config["data"].pop("dev_pairs", None)
        config["data"].pop("dev_trials", None)
        config["data"].pop("fluent", None)  # groups of the research data; here everything is
        config.pop("card", None)
    if options.no_teacher:
        config.pop("teacher", None)
    return config


def make_task(name: str, config: Mapping[str, Any], seed: int) -> Task:
    """Build the named task; chance is seeded first, so that the first weights are the same each time."""
    import keras  # seconds to import

    from train.datasets import shared_data_dir  # beside the other late imports

    keras.utils.set_random_seed(seed)
    task: Task = importlib.import_module(TASKS[name]).create(config, seed, shared_data_dir())
    return task


def loop_options(config: Mapping[str, Any], options: argparse.Namespace) -> LoopOptions:
    """Options of the loop: the table `[loop]`, its length replaced by the command line's."""
    from train.loop import LoopOptions  # TensorFlow takes seconds to import

    loop = LoopOptions(**config["loop"])
    if options.total_steps:
        return replace(loop, total_steps=options.total_steps, budget_minutes=0.0)
    if options.budget_minutes:
        return replace(loop, total_steps=0, budget_minutes=options.budget_minutes)
    return loop


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
