"""Publishing a trained network: weights as Keras and ONNX with their card.

It takes its place only where no model is there that is better, or that cannot be
compared with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from network.serving.card import CARD_FILE, SPEECH, Card, format_card, read_card
from network.serving.export import (
    count_multiply_adds,
    count_parameters,
    export_onnx,
)
from train.data.datasets import Listing
from train.loop.task import Task
from utils.errors import ModelError
from utils.file_hash import hash_file
from utils.whole_file import whole_files

# Ends of the names of figures that describe an operating point.
DESCRIPTIVE = ("_min_dcf", "_threshold")
NOT_COMPARABLE = "The present model and the new one cannot be compared"


@dataclass(frozen=True)
class Result:
    """What a training ends with.

    Attributes:
        task: Its network holds the weights to publish.
        metrics: Full validation. `task.metric` decides which of two models is better.
        about: Fields of the card: `source`, `terms`, `protocol` (of the metrics),
            `training` (see `validation_data`) and perhaps `yardsticks` (the size of
            well-known networks, to compare with).
    """

    task: Task
    metrics: Mapping[str, float]
    about: Mapping[str, Any]


@dataclass(frozen=True)
class Published:
    """Where a model was written. `refused` says why not in its place, "" otherwise."""

    folder: Path
    refused: str = ""


def publish(
    result: Result, folder: Path, aside: Path, *, force: bool, refused: str = ""
) -> Published:
    """Write `model.keras`, `model.onnx` and `card.json`.

    Args:
        result: Network, metrics and card.
        folder: Where the model serves from.
        aside: Where the model goes if there is a reason against it.
        force: Put it in its place in any case.
        refused: A reason against it besides those of `reason_to_refuse`.
    """
    if force:
        refused = ""
    elif not refused:
        refused = reason_to_refuse(folder, result)
    target = aside if refused else folder
    task = result.task
    # Whatever fails while writing leaves the model that serves as it was. A kill between
    # the renames, which take no time, leaves weights that are not those of the old card.
    # Such a model is refused, never served, until it is published again.
    names = ("model.keras", "model.onnx", CARD_FILE)
    with whole_files(*(target / name for name in names)) as (keras_file, onnx_file, card_file):
        task.network.save(keras_file)
        export_onnx(task.network, onnx_file, task.serving_shape)
        if inputs := getattr(task, "int8_inputs", ()):
            # onnxruntime's tools take a second to import.
            from network.serving.onnx_int8 import quantise_onnx

            quantise_onnx(onnx_file, onnx_file, inputs, operations=("Conv",))
        card_file.write_text(format_card(make_card(result, onnx_file)), encoding="utf-8")
    return Published(folder=target, refused=refused)


def reason_to_refuse(folder: Path, result: Result) -> str:
    """Why the new model must not replace the one in `folder`, "" where it may.

    Models are compared only where they were measured on the same data by the same
    metrics.
    """
    present = _present_card(folder)
    task = result.task
    if present is None or (task.name == "fusion" and present.input != task.card_input()):
        return ""  # a fusion of other encoders cannot serve any more
    measured = present.metrics.get("dev", {})
    if different := sorted(_comparable_names(measured) ^ _comparable_names(result.metrics)):
        return f"{NOT_COMPARABLE}: only one of them has the metric {different[0]}"
    data = validation_data(result.about["training"])
    if not data or validation_data(present.training) != data:
        return f"{NOT_COMPARABLE}: they were not measured on the same data"
    if task.metric not in result.metrics:
        return f"{NOT_COMPARABLE}: neither was measured"
    old = measured[task.metric]
    new = result.metrics[task.metric]
    if new > old:
        return ""
    return f"The present model is at least as good: {task.metric} {old:.4f}, the new one {new:.4f}"


def _comparable_names(metrics: Mapping[str, float]) -> set[str]:
    """Names of the metrics that both of two models must have.

    Figures that only describe an operating point are newer than some cards.
    """
    return {name for name in metrics if not name.endswith(DESCRIPTIVE)}


def _present_card(folder: Path) -> Card | None:
    """The card of the model that serves. None without one, and for a broken model."""
    if not (folder / CARD_FILE).exists():
        return None
    try:
        return read_card(folder)
    except ModelError:
        return None


def validation_data(training: Mapping[str, Any]) -> dict[str, Any]:
    """The data that the dev metrics beside a card's field `training` were measured on.

    Equal for the same data, empty where it is not recorded. It is the dev lists of the
    configuration. Without those it is the people held out of the training files, whom
    the seed chose.
    """
    data = training.get("configuration", {}).get("data", {})
    lists = {name: value for name, value in data.items() if name.startswith("dev_") and value}
    if lists:
        return lists | {"dev": data.get("dev")}
    if "files_sha256" not in training:
        return {}
    return {
        "files_sha256": training["files_sha256"],
        "seed": training.get("seed"),
        "held_out": data.get("held_out"),
        "dev": data.get("dev"),
    }


def files_sha256(listing: Listing) -> str:
    """Hash of the names, labels and sizes of a data set's files, wherever it lies."""
    if listing.root.is_dir():
        files = [listing.root / item.path for item in listing.items]
        sizes = [file.stat().st_size if file.is_file() else -1 for file in files]
    else:
        sizes = [listing.root.stat().st_size] * len(listing.items)  # of the archive
    lines = [
        f"{item.path}\t{item.label}\t{size}"
        for item, size in zip(listing.items, sizes, strict=True)
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def without_paths(value: Any) -> Any:
    """A configuration with only the last part of every absolute path.

    Cards are for others to read.
    """
    if isinstance(value, Mapping):
        return {name: without_paths(part) for name, part in value.items()}
    if isinstance(value, list):
        return [without_paths(part) for part in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def count_work(task: Task) -> int:
    """Count the multiply-adds of a task's network for one input.

    Of a varying length, `task.example_length` is taken. A task whose network has
    recurrent layers counts for itself.
    """
    if count := getattr(task, "count_work", None):
        return int(count())
    shape = task.serving_shape
    example = tuple(size or task.example_length for size in shape[1:]) if shape else None
    return count_multiply_adds(task.network, example)


def make_card(result: Result, weights: Path, runtime: str = "onnx") -> Card:
    """The card of the file `weights`. New weights have no calibration yet.

    Multiply-adds take seconds to count, and stand in the cards of ONNX files alone.
    """
    task = result.task
    about = result.about
    metrics = {"dev": dict(result.metrics), "protocol": about.get("protocol", "")}
    if "yardsticks" in about:
        metrics["yardsticks"] = about["yardsticks"]
    return Card(
        name=task.network.name.replace("_", "-"),
        modality="fused" if task.name == "fusion" else task.name,
        runtime=runtime,
        file=f"model.{runtime}",
        sha256=hash_file(weights),
        embedding_size=0 if task.name == SPEECH else task.network.output_shape[-1],
        input=task.card_input(),
        parameters=count_parameters(task.network),
        multiply_adds=count_work(task) if runtime == "onnx" else None,
        source=about.get("source", ""),
        terms=about.get("terms", ""),
        training=dict(about["training"]),
        metrics=metrics,
    )
