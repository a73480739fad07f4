"""Fine-tuning of a network that inherited CAM++, against CAM++ itself.

The original hears each crop as it was recorded, and the smaller network with noise, echo,
a narrow band and masks. It learns the output of each block and transit, the embedding,
and the cosines within the batch. The head, the first layer, the thresholds and the last
layer stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from network.backbones.dense_temporal import freeze_inherited
from network.backbones.heads import relation_loss
from network.backbones.registry import load_network
from train.loop.task import TaskContext
from train.voice.batches import VoiceBatches
from train.voice.dev import VoiceTrials
from train.voice.task import VoiceOptions, VoiceTask, read_parts
from utils.errors import DatasetError
from utils.fields import fit_fields

BLOCKS = (1, 2, 3)
# What a channel's error is divided by: its variance and this share of the mean variance.
LEAST_VARIANCE = 0.1
NO_TEACHER = "cli.py train voice-inherit writes it, together with the network to start from."


@dataclass(frozen=True)
class DistilOptions:
    """How the original teaches (table `[teacher]` of the configuration).

    Attributes:
        network: The original as a Keras file.
        cosine: Weight of 1 - cosine with the original's embedding.
        relation: Weight of the squared difference of the cosines within a batch.
        reversed_chance: Part of the crops that both hear backwards.
        views: How many variations of a crop the smaller network hears at a time, each
            through a channel of its own. The original hears the crop once.
        first_layer: Whether the first temporal layer learns too. It reads the bands,
            of which a telephone lacks half.
        start: The Keras file that the run started from, where `start_share` is not 0.
        start_share: Share of its weights in what is published, in [0, 1]. What channels
            and noise teach costs something in the clear, and the mean of both weights
            keeps most of either ("Robust fine-tuning of zero-shot models", Wortsman et
            al. 2022, arXiv:2109.01903).
    """

    network: Path
    cosine: float = 2.0
    relation: float = 5.0
    reversed_chance: float = 0.3
    views: int = 1
    first_layer: bool = False
    start: str = ""
    start_share: float = 0.0

    def __post_init__(self) -> None:
        if self.views < 1:
            raise ValueError(f"views must be at least 1. Received: views={self.views}")
        if not 0 <= self.start_share <= 1:
            raise ValueError(
                f"start_share must lie in [0, 1]. Received: start_share={self.start_share}"
            )


class DistilTask(VoiceTask):
    """Trains a smaller `voice_campplus` against the original.

    See `train.loop.task.Task`. Arguments as for `VoiceTask`, with the original's
    options. `batches` hold the clean crops too.
    """

    def __init__(
        self,
        batches: VoiceBatches,
        trials: VoiceTrials,
        options: VoiceOptions,
        *,
        teacher: DistilOptions,
        seed: int,
    ) -> None:
        super().__init__(batches, trials, options)
        self._teacher = teacher
        self._seed = seed
        self._theirs = _with_blocks(load_network(teacher.network))
        self._ours = _with_blocks(self.network)
        freeze_inherited(self.network)
        self.network.get_layer("first").trainable = teacher.first_layer

    def batch(self, step: int, progress: float) -> dict[str, NDArray[Any]]:
        """Features as they are varied, and clean."""
        batch = self._batches.batch(step, progress)
        rng = np.random.default_rng([self._seed, step, 1])
        turned = rng.random(len(batch["clean"])) < self._teacher.reversed_chance
        for name in ("features", "clean"):
            which = np.resize(turned, len(batch[name]))
            batch[name][which] = batch[name][which, ::-1]
        return batch

    def loss(self, batch: Mapping[str, tf.Tensor], progress: tf.Tensor) -> dict[str, tf.Tensor]:
        """Weighted sum of the losses, and each by itself."""
        del progress
        *taught, wanted = self._theirs(batch["clean"], training=False)
        *learned, embeddings = self._ours(batch["features"], training=True)
        misfits = [_misfit(*pair) for pair in zip(learned, taught, strict=True)]
        wanted = tf.tile(wanted, (self._teacher.views, 1))
        parts = {
            "blocks": tf.reduce_mean(misfits),
            "cosine": 1 - tf.reduce_mean(tf.reduce_sum(embeddings * wanted, axis=1)),
            "relation": relation_loss(embeddings, wanted),
        }
        total = parts["blocks"] + self._teacher.cosine * parts["cosine"]
        return {"loss": total + self._teacher.relation * parts["relation"], **parts}

    def finalise_weights(self) -> dict[str, float]:
        """Mix in the weights that the run started from, before publishing."""
        share = self._teacher.start_share
        if not share:
            return super().finalise_weights()
        start = load_network(Path(self._teacher.start))
        pairs = zip(self.network.get_weights(), start.get_weights(), strict=True)
        self.network.set_weights([own + share * (theirs - own) for own, theirs in pairs])
        return self.validate(full=True)

    def _build_heads(self) -> None:
        """There is nothing to train beside the network."""
        self.heads: Sequence[keras.layers.Layer] = []


def _check_files(teacher: DistilOptions) -> None:
    """Check that the networks are there: the start is needed at the end of the run."""
    needed = [teacher.network]
    if teacher.start_share:
        needed.append(Path(teacher.start))
    for file in needed:
        if not file.is_file():
            raise DatasetError(
                f"The network that teaches must be there, and the start. Received: {file.name}",
                NO_TEACHER,
            )


def _with_blocks(network: keras.Model) -> keras.Model:
    """The network with the outputs of blocks and transits beside its embedding."""
    outputs: list[keras.KerasTensor] = []
    for block in BLOCKS:
        transit = network.get_layer(f"transit{block}")
        outputs += [transit.input, transit.output]
    return keras.Model(network.input, [*outputs, network.output])


def _misfit(learned: tf.Tensor, taught: tf.Tensor) -> tf.Tensor:
    """Mean squared error over the variance of each channel.

    The student may lack the last channels.
    """
    wanted = taught[..., : learned.shape[-1]]
    variance = tf.math.reduce_variance(wanted, axis=(0, 1))
    scale = variance + LEAST_VARIANCE * tf.reduce_mean(variance)
    by_view = tf.reshape(learned, (-1, *_sizes(wanted)))
    return tf.reduce_mean(tf.square(by_view - wanted) / scale)


def _sizes(values: tf.Tensor) -> list[tf.Tensor]:
    return tf.unstack(tf.shape(values))


def create(config: Mapping[str, Any], context: TaskContext) -> DistilTask:
    """Build the task from a training configuration whose teacher is a network.

    Args:
        config: As for `train.voice.task.create`. The table `teacher` holds
            `DistilOptions`.
        context: Seed, and folder of the research data.

    Raises:
        DatasetError: The original is not there.
    """
    table = dict(config["teacher"])
    teacher = DistilOptions(network=Path(table.pop("network")), **fit_fields(DistilOptions, table))
    _check_files(teacher)  # before the data are read
    others = {name: value for name, value in config.items() if name != "teacher"}
    parts = read_parts(others, context, views=teacher.views)
    return DistilTask(*parts, teacher=teacher, seed=context.seed)
