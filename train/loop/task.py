"""What a training needs from a network's task: its data, network and losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy.typing as npt
import tensorflow as tf

Batch = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class TaskContext:
    """What a task is given beside its configuration.

    Attributes:
        seed: Seed of all chance.
        shared: Folder that relative paths of the configuration start from.
        min_speech_s: Least net speech that the service embeds, in seconds.
    """

    seed: int
    shared: Path
    min_speech_s: float


class Task(Protocol):
    """What is trained: `train/face/task.py`, `train/voice/task.py` and the like.

    Attributes:
        name: Short name, such as "face".
        network: The Keras model that is exported in the end. Its EMA weights are
            validated and shipped.
        heads: Layers that exist for training only (classifier, projection to the
            teacher). Already built.
        metric: Key of `validate`'s result that says which of two models is better
            (higher is better).
        serving_shape: Shape of the network's input when it serves, None where it
            varies: the export's signature. None as a whole for a network of several
            inputs, which keep their shapes.
        example_length: Value of the varying sizes (but the batch) when multiply-adds
            are counted.
        epoch_steps: Steps of an epoch: about as many samples as there are training
            files.
    """

    name: str
    network: keras.Model
    heads: Sequence[keras.layers.Layer]
    metric: str
    serving_shape: tuple[int | None, ...] | None
    example_length: int
    epoch_steps: int

    def batch(self, step: int, progress: float) -> Batch:
        """Make training batch number `step`, from several threads.

        It is a pure function of (seed, step, progress). Shapes may change with progress
        (resolution, clip length), but only between a few: each new shape is traced
        once. Plain numpy and cv2, with the GIL released where possible. All arrays must
        have the batch size as first axis.
        """

    def loss(self, batch: Mapping[str, tf.Tensor], progress: tf.Tensor) -> dict[str, tf.Tensor]:
        """Compute scalar float32 losses of a batch in TensorFlow operations.

        It is traced. It calls `network(..., training=True)` and the heads itself.
        "loss" is minimised, the other entries are logged.
        """

    def validate(self, full: bool, progress: float) -> dict[str, float]:
        """Measure the network's present weights on the dev set.

        The trainer puts the EMA weights in. `full` asks for the whole protocol (at the
        end), otherwise a quick part of it, as fits `progress`.
        """

    def card_input(self) -> dict[str, Any]:
        """The card's `input`: what the network is fed (`network.serving.card.Card`)."""
