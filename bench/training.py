"""Training speed of a face or voice network, in samples/s.

Times the batches alone, the step alone, and both together. "step" feeds the same
batches again and again (of voices several, for they differ in length). "all" is the
training loop as it runs, with batches prepared on a thread beside it. Faces are trained
with augmentation, without, and with the teacher on every augmented view instead of its
cached embeddings. The first steps, which trace the graph, do not count.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import click

from train.configuration import read_config

WARM_STEPS = 3
# Batches that "step" repeats: enough of voices that every length is among them.
REPEATED = {"face": 1, "voice": 40}
VARIANTS = ("augmented", "plain", "teacher on the view")
ENDLESS = 10**9


def rate(step: Callable[[], Any], samples: int, seconds: float, warm: int = WARM_STEPS) -> float:
    """Samples per second of repeating `step`.

    `step` handles `samples` of them. The first `warm` steps do not count.
    """
    for _ in range(warm):
        step()
    start = time.perf_counter()
    count = 0
    while time.perf_counter() - start < seconds:
        step()
        count += 1
    return count * samples / (time.perf_counter() - start)


def configuration(network: str, variant: str = "augmented", size: int = 112) -> dict[str, Any]:
    """The shipped configuration, changed as the variant says.

    Faces are trained at one resolution in px.
    """
    config = read_config(network)
    if network == "face":
        config["data"]["resolutions"] = [[0.0, size]]
    if variant == "plain":
        del config["augment"]
    if variant == "teacher on the view":
        config["teacher"] |= {"view": "augmented", "blends": 0, "side_blends": 0}
        del config["pairs"]
    return config


def measure(network: str, config: Mapping[str, Any], seconds: float) -> dict[str, float]:
    """Samples/s of "batches", "step" and "all" of one configuration.

    Each is timed over `seconds`.
    """
    from train.data.datasets import shared_data_dir
    from train.loop.options import LoopOptions
    from train.loop.task import TaskContext
    from train.loop.trainer import Trainer
    from train.tasks import create_task
    from utils.settings.capture import CaptureSettings

    context = TaskContext(
        seed=1, shared=shared_data_dir(), min_speech_s=CaptureSettings().min_speech_s
    )
    task = create_task(network, config, context)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(task, LoopOptions(total_steps=ENDLESS), Path(folder))
        steps = iter(range(ENDLESS))
        batches = [task.batch(step, 0.0) for step in range(REPEATED[network])]
        repeated = cycle(batches)
        samples = len(batches[0]["label"])
        stream = trainer.batches()
        return {
            "batches": rate(lambda: task.batch(next(steps), 0.0), samples, seconds),
            "step": rate(
                lambda: trainer.train_step(next(steps), 0.0, next(repeated)),
                samples,
                seconds,
                WARM_STEPS + len(batches),
            ),
            "all": rate(lambda: trainer.train_step(*next(stream)), samples, seconds),
        }


@click.command(help=__doc__)
@click.option(
    "--network",
    type=click.Choice(sorted(REPEATED)),
    default="face",
    show_default=True,
    help="Which network.",
)
@click.option("--threads", default=1, show_default=True, help="Threads of TensorFlow.")
@click.option("--seconds", default=8.0, show_default=True, help="Length of each figure.")
@click.option(
    "--size",
    "sizes",
    multiple=True,
    default=[64, 112],
    show_default=True,
    help="Resolution of faces in px. May be repeated.",
)
@click.option(
    "--variant",
    "variants",
    multiple=True,
    type=click.Choice(VARIANTS),
    default=VARIANTS,
    help="Variant of faces. May be repeated.  [default: all]",
)
def main(
    network: str, *, threads: int, seconds: float, sizes: Sequence[int], variants: Sequence[str]
) -> None:
    """Print the figures."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # TensorFlow takes seconds to import.
    from train.run import limit_threads

    limit_threads(threads)
    if network == "voice":
        show("voice", measure("voice", configuration("voice"), seconds))
        return
    for size in sizes:
        for variant in variants:
            rates = measure("face", configuration("face", variant, size), seconds)
            show(f"{size:3d} px  {variant:20s}", rates)


def show(title: str, rates: Mapping[str, float]) -> None:
    """Print one line of figures."""
    figures = "".join(f"  {name} {value:6.0f}/s" for name, value in rates.items())
    print(title + figures, flush=True)


if __name__ == "__main__":
    main()
