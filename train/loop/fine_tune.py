"""Fine-tuning: a trained network goes on with a user's own people and their labels.

Taught a few people at the rates of a training from nothing, a network soon learns them
by heart and forgets what tells everybody else apart. So a fine-tuning is short and slow
(table `[fine_tune]` of a configuration), and

- the cosines within every batch are held near those of the network that it started
  from, which sees the same batch (relation distillation, as from a teacher, from
  itself: "Learning without Forgetting", Li and Hoiem 2016, arXiv:1606.09282);
- the normalisations keep the statistics that they learned from many people, in training
  as in serving;
- the data are those of a training's end (full resolution, long crops);
- the classifier's centres start as the mean embeddings of their classes (imprinting: Qi
  et al. 2018, arXiv:1712.07136). From random ones the first steps would pull the
  embeddings anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy.typing as npt
import tensorflow as tf

from network.backbones.classifiers import Classifier
from network.backbones.dense_temporal import freeze_inherited
from network.backbones.heads import relation_loss
from train.loop.task import Batch
from utils.arrays import Float32Array

# In the folder of a run: the metrics that it started with.
BEFORE_FILE = "before.json"
# Samples of every class, on average, before its centre is set.
LOOKS = 4
MOST_BATCHES = 200


@dataclass(frozen=True)
class FineTuneOptions:
    """A table `[fine_tune]`.

    Attributes:
        keep: Weight of the relations of the start, as a multiple of the classifier's.
        loop: Options of the loop that take the place of those of `[loop]`.
    """

    keep: float
    loop: dict[str, Any]


class Start:
    """The network that a fine-tuning started from, frozen as it is now."""

    def __init__(self, network: keras.Model, keep: float) -> None:
        """Copy `network`. `keep` is the weight of its relations (`FineTuneOptions`)."""
        self.network = keras.models.clone_model(network)
        self.keep = keep
        self.network.set_weights(network.get_weights())
        self.network.trainable = False

    def loss(self, inputs: tf.Tensor, embeddings: tf.Tensor) -> tf.Tensor:
        """Compute how far the cosines of `embeddings` (n, d) are from the start's.

        A scalar: the mean squared difference to the cosines that `inputs` had at the
        start.
        """
        return relation_loss(embeddings, self.network(inputs, training=False))


class Tunable(Protocol):
    """What a `train.loop.task.Task` has besides, to be fine-tuned.

    Attributes:
        inputs: Name of what the network sees in a batch. "label" is the class, below 0
            for none.
        classifier: One of `heads`.
        start: Where it started, None unless `attach_start` was called. Then the network
            learns as it infers (`training=False`), batches are made at
            `batch_progress`, and the loss of `start`, times its `keep` and the
            classifier's weight, is added to the task's.
    """

    network: keras.Model
    heads: Sequence[keras.layers.Layer]
    inputs: str
    classifier: Classifier
    start: Start | None

    def batch(self, step: int, progress: float) -> Batch:
        """See `train.loop.task.Task`."""

    def embed(self, inputs: npt.NDArray[Any]) -> Float32Array:
        """(n, d) embeddings with the present weights."""


def read_options(config: Mapping[str, Any]) -> FineTuneOptions:
    """Read the table `[fine_tune]`.

    Raises:
        KeyError: `keep` is missing.
        ValueError: `keep` is no number of at least 0.
    """
    table = dict(config["fine_tune"])
    keep = table.pop("keep")
    if not isinstance(keep, float | int) or not 0 <= keep < float("inf"):
        raise ValueError(f"keep must be a number of at least 0. Received: keep={keep!r}")
    return FineTuneOptions(keep=keep, loop=table)


def attach_start(task: Tunable, keep: float) -> None:
    """Hold the task to the relations of its present network.

    Every checkpoint then contains that network, too. Of a network that inherited its
    weights, the parts stay frozen that must.
    """
    freeze_inherited(task.network)
    task.start = Start(task.network, keep)
    task.heads = [*task.heads, task.start.network]


def batch_progress(start: Start | None, progress: float) -> float:
    """The progress at which a task makes its batches.

    A fine-tuning goes on where a training ends.
    """
    return progress if start is None else 1.0


def imprint(task: Tunable) -> None:
    """Set the centres of classes to the mean embeddings of their samples.

    About `LOOKS` samples per class are looked at. Classes that are not met keep their
    random centres.
    """
    classes = task.classifier.classes
    sums: dict[int, Float32Array] = {}
    seen = 0
    step = 0
    while seen < LOOKS * classes and step < MOST_BATCHES:
        batch = task.batch(step, 0.0)
        labelled = batch["label"] >= 0
        embeddings = task.embed(batch[task.inputs])
        for label, embedding in zip(batch["label"][labelled], embeddings[labelled], strict=True):
            sums[int(label)] = sums.get(int(label), 0) + embedding
        seen += len(labelled)
        step += 1
    task.classifier.set_centres(sums)


def save_start_metrics(run_dir: Path, metrics: Mapping[str, float]) -> None:
    """Save the metrics that a run starts with: a later command may end the run."""
    (run_dir / BEFORE_FILE).write_text(json.dumps(dict(metrics)) + "\n", encoding="utf-8")


def read_start_metrics(run_dir: Path) -> dict[str, float]:
    """Read what `save_start_metrics` wrote. Empty for a run that is no fine-tuning."""
    file = run_dir / BEFORE_FILE
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}


def explain_decline(metric: str, before: Mapping[str, float], metrics: Mapping[str, float]) -> str:
    """Why a fine-tuning must not serve: it got worse on the people held out.

    "" where it is no worse than what it started with, or where the run is no
    fine-tuning (`before` is empty).
    """
    if metric not in before or metric not in metrics or metrics[metric] >= before[metric]:
        return ""
    return (
        f"The weights that it started from are better on the people held out: {metric}"
        f" {before[metric]:.4f}, the new ones {metrics[metric]:.4f}"
    )
