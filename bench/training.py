"""How fast the face network trains: images/s of the batches alone, of the step alone, and of both together.

    python -m bench.training [--threads 1] [--seconds 8] [--sizes 64 112]

"step" feeds the same batch again and again; "all" is the training loop as it runs (batches prepared on a thread beside
it), with augmentation, without, and with the teacher on every augmented view instead of its cached embeddings. The first
steps, which trace the graph, do not count.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

WARM_STEPS = 3
VARIANTS = ("augmented", "plain", "teacher on the view")


def rate(step: Callable[[], Any], images: int, seconds: float) -> float:
    """Images per second of repeating `step`, which handles `images` of them."""
    for _ in range(WARM_STEPS):
        step()
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        step()
        count += 1
    return count * images / (time.perf_counter() - start)


def configuration(variant: str, size: int) -> dict[str, Any]:
    """The shipped configuration at one resolution, changed as the variant says."""
    import tomllib

    from train.train_nets import CONFIGS

    config = tomllib.loads((CONFIGS / "face.toml").read_text(encoding="utf-8"))
    config["data"]["resolutions"] = [[0.0, size]]
    if variant == "plain":
        del config["augment"]
    if variant == "teacher on the view":
        config["teacher"] |= {"view": "augmented", "blends": 0}
    return config


def measure(variant: str, size: int, seconds: float) -> dict[str, float]:
    """Images/s of "batches", "step" and "all" of one variant."""
    from train.datasets import shared_data_dir
    from train.face_task import create
    from train.loop import LoopOptions, Trainer

    task = create(configuration(variant, size), 1, shared_data_dir())
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(task, replace(LoopOptions(total_steps=10**9)), Path(folder))
        steps = iter(range(10**9))
        batch, images = task.batch(0, 0.0), len(task.batch(0, 0.0)["label"])
        stream = trainer._batches()
        return {
            "batches": rate(lambda: task.batch(next(steps), 0.0), images, seconds),
            "step": rate(lambda: trainer._one_step(next(steps), 0.0, batch), images, seconds),
            "all": rate(lambda: trainer._one_step(*next(stream)), images, seconds),
        }


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="of TensorFlow")
    parser.add_argument("--seconds", type=float, default=8.0, help="for each figure")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 112], help="resolutions in px")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from train.train_nets import _limit_threads

    _limit_threads(options.threads)
    for size in options.sizes:
        for variant in options.variants:
            rates = measure(variant, size, options.seconds)
            print(f"{size:3d} px  {variant:20s}" + "".join(f"  {name} {value:6.0f}/s" for name, value in rates.items()), flush=True)


if __name__ == "__main__":
    main()
