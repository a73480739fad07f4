"""Fine-tuning: a trained network goes on with a user's own people, of whom nothing is
known but their labels.

Taught a few people at the rates of a training from nothing, a network soon knows them
by heart and forgets what tells everybody else apart. So a fine-tuning is short and slow
(table `[fine_tune]` of a configuration), and

- the cosines within every batch are held near those of the network that it started
  from, which sees the same batch (relation distillation, as from a teacher, from
  itself: "Learning without Forgetting", Li and Hoiem 2016, arXiv:1606.09282);
- the normalisations keep the statistics that they learned from many people, in training
  as in serving;
- the data are those of a training's end (full resolution, long crops);
- the classifier's centres start as the mean embeddings of their classes (imprinting: Qi
  et al. 2018, arXiv:1712.07136): from random ones the first steps would pull the
  embeddings anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from network.backbones.heads import AngularMargin, relation_loss
from train.loop.trainer import Batch
from utils.arrays import Float32Array

BEFORE_FILE = "before.json"  # in the folder of a run: the metrics that it started with
LOOKS = 4  # at every class, on average, before its centre is set
MOST_BATCHES = 200


class Start:
    """The network that a fine-tuning started from, frozen as it is now."""

    def __init__(self, network: keras.Model, keep: float) -> None:
        """Copy `network`; `keep` = weight of its relations as a multiple of the
        classifier's.
        """
        self.network = keras.models.clone_model(network)
        self.keep = keep
        self.network.set_weights(network.get_weights())
        self.network.trainable = False

    def loss(self, inputs: tf.Tensor, embeddings: tf.Tensor) -> tf.Tensor:
        """Mean squared difference between the cosines of `embeddings` (n, d) and those
        that `inputs` had at the start, a scalar.
        """
        return relation_loss(embeddings, self.network(inputs, training=False))


class Tunable(Protocol):
    """What a `train.loop.trainer.Task` has besides, to be fine-tuned.

    Attributes:
        inputs: name of what the network sees in a batch; "label" is the class, below 0
            for none.
        classifier: one of `heads`.
        start: where it started, None unless `hold` was called. Then the network learns
            as it infers (`training=False`), batches are those of `stage`, and the loss
            of `start`, times its `keep` and the classifier's weight, is added to the
            task's.
    """

    network: keras.Model
    heads: Sequence[keras.layers.Layer]
    inputs: str
    classifier: AngularMargin
    start: Start | None

    def batch(self, step: int, progress: float) -> Batch:
        """See `train.loop.trainer.Task`."""

    def embed(self, inputs: npt.NDArray[Any]) -> Float32Array:
        """(n, d) embeddings with the present weights."""


def settings(config: Mapping[str, Any]) -> tuple[float, dict[str, Any]]:
    """`keep` of the table `[fine_tune]`, and what else is in it: options of the loop.
    Raises KeyError, ValueError.
    """
    table = dict(config["fine_tune"])
    keep = table.pop("keep")
    if not isinstance(keep, float | int) or not 0 <= keep < float("inf"):
        raise ValueError(f"keep must be a number of at least 0. Received: keep={keep!r}")
    return keep, table


def hold(task: Tunable, keep: float) -> None:
    """Hold the task to the relations of its present network, which every checkpoint has
    then, too.
    """
    task.start = Start(task.network, keep)
    task.heads = [*task.heads, task.start.network]


def stage(start: Start | None, progress: float) -> float:
    """What a task takes for its `progress` where batches are made: a fine-tuning goes
    on where a training ends.
    """
    return progress if start is None else 1.0


def imprint(task: Tunable) -> None:
    """Set the centres of the classes that are met in about `LOOKS` samples per class;
    those of others stay random.
    """
    kernel = task.classifier.kernel.numpy()
    sums = np.zeros_like(kernel)
    seen = 0
    step = 0
    while seen < LOOKS * kernel.shape[1] and step < MOST_BATCHES:
        batch = task.batch(step, 0.0)
        known = batch["label"] >= 0
        np.add.at(sums.T, batch["label"][known], task.embed(batch[task.inputs])[known])
        seen = seen + len(known)
        step = step + 1
    lengths = np.linalg.norm(sums, axis=0)
    task.classifier.kernel.assign(np.where(lengths > 0, sums / np.maximum(lengths, 1e-9), kernel))


def note_before(run_dir: Path, metrics: Mapping[str, float]) -> None:
    """Keep the metrics that the run in `run_dir` starts with: it may be ended by a
    later command.
    """
    (run_dir / BEFORE_FILE).write_text(json.dumps(dict(metrics)) + "\n", encoding="utf-8")


def before(run_dir: Path) -> dict[str, float]:
    """Those metrics; empty for a run that is no fine-tuning."""
    file = run_dir / BEFORE_FILE
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}
