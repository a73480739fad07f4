"""Making a trained network the one that serves: weights as Keras and ONNX with their card, unless a better one is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from network.card import CARD_FILE, Card, read_card, sha256_of, write_card
from network.export import count_multiply_adds, count_parameters, export_onnx
from train.loop import Task
from utils.errors import ModelError


@dataclass(frozen=True)
class Published:
    """Where a model was written, and whether it may serve: `refused` says why it was not put in its place."""

    folder: Path
    refused: str = ""


def publish(
    task: Task, metrics: Mapping[str, float], about: Mapping[str, Any], folder: Path, aside: Path, force: bool
) -> Published:
    """Write `model.keras`, `model.onnx` and `card.json` to `folder`, or to `aside` where a better model is in `folder`.

    Args:
        task: Its network holds the weights to publish.
        metrics: Full validation; `task.metric` decides which of two models is better.
        about: Fields of the card: `source`, `terms`, `protocol` (of the metrics), `training` and perhaps `yardsticks` (the size of
            well-known networks, to compare with).
        folder: Where the model serves from.
        aside: Where a model goes that is refused.
        force: Publish in any case.
    """
    refused = "" if force else reason_to_refuse(folder, task, metrics)
    target = aside if refused else folder
    target.mkdir(parents=True, exist_ok=True)
    task.network.save(target / "model.keras")
    export_onnx(task.network, target / "model.onnx", task.serving_shape)
    write_card(target, make_card(task, metrics, about, target))
    return Published(target, refused)


def reason_to_refuse(folder: Path, task: Task, metrics: Mapping[str, float]) -> str:
    """Why the task's model of these metrics must not replace the one in `folder`; "" where it may."""
    if not (folder / CARD_FILE).exists():
        return ""
    try:
        present = read_card(folder)
    except ModelError:  # a broken model is no reason to keep it
        return ""
    if task.name == "fusion" and present.input != task.card_input():
        return ""  # a fusion of other encoders can serve no more
    metric = task.metric
    old, new = present.metrics.get("dev", {}).get(metric), metrics.get(metric)
    if old is None or new is None:
        return f"The two models have no {metric} in common to compare them by"
    return "" if new > old else f"The present model is at least as good: {metric} {old:.4f}, the new one {new:.4f}"


def make_card(task: Task, metrics: Mapping[str, float], about: Mapping[str, Any], folder: Path) -> Card:
    """The card of the files that lie in `folder`. New weights have no calibration yet."""
    shape = task.serving_shape
    example = tuple(size or task.example_length for size in shape[1:]) if shape else None
    return Card(
        name=task.network.name.replace("_", "-"),
        modality="fused" if task.name == "fusion" else task.name,
        runtime="onnx",
        file="model.onnx",
        sha256=sha256_of(folder / "model.onnx"),
        embedding_size=task.network.output_shape[-1],
        input=task.card_input(),
        parameters=count_parameters(task.network),
        multiply_adds=count_multiply_adds(task.network, example),
        source=about.get("source", ""),
        terms=about.get("terms", ""),
        training=dict(about["training"]),
        metrics={"dev": dict(metrics), "protocol": about.get("protocol", ""), **_sizes_of_others(about)},
    )


def _sizes_of_others(about: Mapping[str, Any]) -> dict[str, Any]:
    return {"yardsticks": about["yardsticks"]} if "yardsticks" in about else {}
