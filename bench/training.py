"""Training speed of a face or voice network, in samples/s.

Times the batches alone, the step alone, and both together.

    python -m bench.training [--network face] [--threads 1] [--seconds 8] [--sizes 64
    112]
    python -m bench.training --network voice

"step" feeds the same batches again and again (of voices several, for they differ in
length); "all" is the training loop as it runs (batches prepared on a thread beside it).
Faces: with augmentation, without, and with the teacher on every augmented view instead
of its cached embeddings. The first steps, which trace the graph, do not count.
"""

from __future__ import annotations

import argparse
import importlib
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

WARM_STEPS = 3
# Batches that "step" repeats: enough of voices that every length is among them
REPEATED = {"face": 1, "voice": 40}
VARIANTS = ("augmented", "plain", "teacher on the view")


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
    import tomllib

    from train.train_nets import CONFIGS

    config = tomllib.loads((CONFIGS / f"{network}.toml").read_text(encoding="utf-8"))
    if network == "face":
        config["data"]["resolutions"] = [[0.0, size]]
    if variant == "plain":
        del config["augment"]
    if variant == "teacher on the view":
        config["teacher"] |= {"view": "augmented", "blends": 0, "side_blends": 0}
    return config


def measure(network: str, config: Mapping[str, Any], seconds: float) -> dict[str, float]:
    """Samples/s of "batches", "step" and "all" of one configuration.

    Each is timed over `seconds`.
    """
    from train.data.datasets import shared_data_dir
    from train.loop.trainer import LoopOptions, Trainer
    from train.train_nets import TASKS

    task = importlib.import_module(TASKS[network]).create(config, 1, shared_data_dir())
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(task, LoopOptions(total_steps=10**9), Path(folder))
        steps = iter(range(10**9))
        batches = [task.batch(step, 0.0) for step in range(REPEATED[network])]
        repeated = cycle(batches)
        samples = len(batches[0]["label"])
        warm = WARM_STEPS + len(batches)
        stream = trainer._batches()
        return {
            "batches": rate(lambda: task.batch(next(steps), 0.0), samples, seconds),
            "step": rate(
                lambda: trainer._one_step(next(steps), 0.0, next(repeated)), samples, seconds, warm
            ),
            "all": rate(lambda: trainer._one_step(*next(stream)), samples, seconds),
        }


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", choices=sorted(REPEATED), default="face")
    parser.add_argument("--threads", type=int, default=1, help="of TensorFlow")
    parser.add_argument("--seconds", type=float, default=8.0, help="for each figure")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[64, 112], help="resolutions of faces in px"
    )
    parser.add_argument(
        "--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), help="of faces"
    )
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from train.train_nets import _limit_threads

    _limit_threads(options.threads)
    if options.network == "voice":
        show("voice", measure("voice", configuration("voice"), options.seconds))
        return
    for size in options.sizes:
        for variant in options.variants:
            show(
                f"{size:3d} px  {variant:20s}",
                measure("face", configuration("face", variant, size), options.seconds),
            )


def show(title: str, rates: Mapping[str, float]) -> None:
    """One line of figures."""
    print(title + "".join(f"  {name} {value:6.0f}/s" for name, value in rates.items()), flush=True)


if __name__ == "__main__":
    main()
