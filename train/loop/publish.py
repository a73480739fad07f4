"""Making a trained network the one that serves: weights as Keras and ONNX with their
card, unless one is there that is better or cannot be compared with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from network.serving.card import CARD_FILE, Card, format_card, read_card
from network.serving.export import count_multiply_adds, count_parameters, export_onnx
from train.data.datasets import Listing
from train.loop.trainer import Task
from utils.errors import ModelError
from utils.file_hash import hash_file
from utils.whole_file import whole_files


@dataclass(frozen=True)
class Published:
    """Where a model was written, and whether it may serve: `refused` says why it was
    not put in its place.
    """

    folder: Path
    refused: str = ""


def publish(
    task: Task,
    metrics: Mapping[str, float],
    about: Mapping[str, Any],
    folder: Path,
    aside: Path,
    force: bool,
    refused: str = "",
) -> Published:
    """Write `model.keras`, `model.onnx` and `card.json` to `folder`, or to `aside`
    where `reason_to_refuse` has one.

    Args:
        task: Its network holds the weights to publish.
        metrics: Full validation; `task.metric` decides which of two models is better.
        about: Fields of the card: `source`, `terms`, `protocol` (of the metrics),
            `training` (see `measured_on`) and perhaps `yardsticks` (the size of
            well-known networks, to compare with).
        folder: Where the model serves from.
        aside: Where a model goes that is refused.
        force: Publish in any case.
        refused: A reason against it that is known already.
    """
    refused = "" if force else refused or reason_to_refuse(folder, task, metrics, about["training"])
    target = aside if refused else folder
    # Whatever fails while writing leaves the model that serves as it was. What remains: a
    # kill between the renames, which take no time, leaves weights that are not those of
    # the old card. Such a model is refused, never served, until it is published again.
    names = ("model.keras", "model.onnx", CARD_FILE)
    with whole_files(*(target / name for name in names)) as (keras_file, onnx_file, card_file):
        task.network.save(keras_file)
        export_onnx(task.network, onnx_file, task.serving_shape)
        card = make_card(task, metrics, about, onnx_file)
        card_file.write_text(format_card(card), encoding="utf-8")
    return Published(target, refused)


def reason_to_refuse(
    folder: Path, task: Task, metrics: Mapping[str, float], training: Mapping[str, Any]
) -> str:
    """Why the task's model of these metrics must not replace the one in `folder`; ""
    where it may.

    `training` is that field of the new card. Models are compared only where they were
    measured on the same data by the same metrics.
    """
    if not (folder / CARD_FILE).exists():
        return ""
    try:
        present = read_card(folder)
    except ModelError:  # a broken model is no reason to keep it
        return ""
    if task.name == "fusion" and present.input != task.card_input():
        return ""  # a fusion of other encoders can serve no more
    measured = present.metrics.get("dev", {})
    if different := sorted(set(measured) ^ set(metrics)):
        return (
            "The present model and the new one cannot be compared: only one of them has the metric"
            f" {different[0]}"
        )
    data = measured_on(training)
    if not data or measured_on(present.training) != data:
        return (
            "The present model and the new one cannot be compared: they were not measured on the"
            " same data"
        )
    if task.metric not in metrics:
        return "The present model and the new one cannot be compared: they were measured on nothing"
    old = measured[task.metric]
    new = metrics[task.metric]
    return (
        ""
        if new > old
        else (
            f"The present model is at least as good: {task.metric} {old:.4f}, the new one {new:.4f}"
        )
    )


def measured_on(training: Mapping[str, Any]) -> dict[str, Any]:
    """What the dev metrics beside a card's field `training` were measured on: equal for
    the same data, empty where that is not known.

    The dev lists of the configuration or, where it has none, the people held out of the
    training files, whom the seed chose.
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
    }


def files_sha256(listing: Listing) -> str:
    """Hash of the names, labels and sizes of a data set's files, wherever it lies."""
    if listing.root.is_dir():
        sizes = [
            path.stat().st_size if path.is_file() else -1
            for path in (listing.root / item.path for item in listing.items)
        ]
    else:
        sizes = [listing.root.stat().st_size] * len(listing.items)  # of the archive
    lines = [
        f"{item.path}\t{item.label}\t{size}"
        for item, size in zip(listing.items, sizes, strict=True)
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def without_paths(value: Any) -> Any:
    """A configuration (tables, lists and values) with the last part alone of every
    absolute path: cards are for others to read.
    """
    if isinstance(value, Mapping):
        return {name: without_paths(part) for name, part in value.items()}
    if isinstance(value, list):
        return [without_paths(part) for part in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def make_card(
    task: Task, metrics: Mapping[str, float], about: Mapping[str, Any], weights: Path
) -> Card:
    """The card of the ONNX file `weights`. New weights have no calibration yet."""
    shape = task.serving_shape
    example = tuple(size or task.example_length for size in shape[1:]) if shape else None
    return Card(
        name=task.network.name.replace("_", "-"),
        modality="fused" if task.name == "fusion" else task.name,
        runtime="onnx",
        file="model.onnx",
        sha256=hash_file(weights),
        embedding_size=task.network.output_shape[-1],
        input=task.card_input(),
        parameters=count_parameters(task.network),
        multiply_adds=count_multiply_adds(task.network, example),
        source=about.get("source", ""),
        terms=about.get("terms", ""),
        training=dict(about["training"]),
        metrics={
            "dev": dict(metrics),
            "protocol": about.get("protocol", ""),
            **_sizes_of_others(about),
        },
    )


def _sizes_of_others(about: Mapping[str, Any]) -> dict[str, Any]:
    return {"yardsticks": about["yardsticks"]} if "yardsticks" in about else {}
