"""The models that a run keeps in its folder: one of every epoch, and the best.

Each is a folder with `model.keras` (averaged weights) and its card, so it can be
evaluated and published as it is: `models/epoch_0003`, `models/best`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from network.serving.card import CARD_FILE, format_card, read_card
from train.loop.journal import Position
from train.loop.publish import Result, make_card
from train.loop.task import Task
from utils.errors import CheckpointError
from utils.whole_file import whole_files

# In the folder of a run.
MODELS = "models"
BEST = "best"
EPOCH = "epoch_"
WEIGHTS = "model.keras"


@dataclass(frozen=True)
class SavedModel:
    """A network to save, with what its card says.

    Attributes:
        task: Its network holds the weights to save.
        about: See `train.loop.publish.Result`.
        metrics: Of its validation, empty without one.
        at: Where the run stands.
    """

    task: Task
    about: Mapping[str, Any]
    metrics: Mapping[str, float]
    at: Position


def save_epoch(model: SavedModel, run_dir: Path, epoch: int, most: int) -> None:
    """Save the model of an epoch, and remove all but the last `most` of them."""
    _save(model, run_dir / MODELS / f"{EPOCH}{epoch:04d}")
    for old in sorted((run_dir / MODELS).glob(f"{EPOCH}*"))[:-most]:
        shutil.rmtree(old)


def save_if_best(model: SavedModel, run_dir: Path) -> None:
    """Save the model if it is measured, and better than the best so far."""
    folder = run_dir / MODELS / BEST
    metric = model.task.metric
    if metric not in model.metrics:
        return
    if (folder / CARD_FILE).is_file():
        best = read_card(folder)
        earlier = best.training["steps"] < model.at.step
        if earlier and best.metrics["dev"][metric] >= model.metrics[metric]:
            return
    _save(model, folder)


def find_model(run_dir: Path, name: str) -> Path:
    """Find the weights of the model `name` that a run keeps. Raises CheckpointError."""
    file = run_dir / MODELS / name / WEIGHTS
    if not file.is_file():
        names = sorted(folder.name for folder in (run_dir / MODELS).glob("*"))
        raise CheckpointError(
            f"The run {run_dir.name} keeps {', '.join(names) or 'no models'}. Received: {name}"
        )
    return file


def _save(model: SavedModel, folder: Path) -> None:
    training = {**model.about["training"], "samples": model.at.samples, "steps": model.at.step}
    result = Result(
        task=model.task, metrics=model.metrics, about={**model.about, "training": training}
    )
    with whole_files(folder / WEIGHTS, folder / CARD_FILE) as (weights, card):
        model.task.network.save(weights)
        card.write_text(format_card(make_card(result, weights, "keras")), encoding="utf-8")
