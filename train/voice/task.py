"""The voice training task: classification of speakers together with distillation.

The classifier has an angular margin, and each speed is a speaker of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from network.backbones.heads import TeacherProjection, relation_loss
from network.backbones.registry import build_backbone
from network.frontends.features import Spec, card_entry, read_spec
from train.data.datasets import group_of
from train.loop.fine_tune import Start, batch_progress
from train.loop.losses import VOICE_LOSSES, LossOptions
from train.loop.task import TaskContext
from train.voice.augment import MelAugment
from train.voice.batches import VoiceBatches
from train.voice.centring import centre
from train.voice.dev import VoiceTrials
from train.voice.sampling import SampleOptions
from train.voice.sources import read_sources
from train.voice.variants import check_channels
from utils.arrays import Float32Array, unit
from utils.errors import DatasetError
from utils.fields import fit_fields
from utils.modality import Modality

# Of configurations that name none.
DEFAULT_BACKBONE = "voice_separable"
DURATIONS_S = (1, 2, 3, 5)
# Of an utterance at most, for the mean over all.
CENTRED_S = 8.0


@dataclass(frozen=True)
class ServingOptions:
    """How the network serves (table `[serving]`).

    Attributes:
        time_reversal: Average the embeddings of the utterance and of its time-reversed
            copy, in validation too.
        int8_convolutions: Let the convolutions of the ONNX file compute with 8-bit
            integers.
        centred_on: Data sets whose mean embedding is taken out when the network is
            published (`train/voice/centring.py`), none for nothing.
        centring: Its weight. A run that starts from centred weights keeps their centre
            while it trains, and gets its own at the end.

    Raises:
        ValueError: A value is of another type, or `centring` is negative. So publishing
            does not fail after the training.
    """

    time_reversal: bool = False
    int8_convolutions: bool = False
    centred_on: tuple[str, ...] = ()
    centring: float = 1.0

    def __post_init__(self) -> None:
        for name in ("time_reversal", "int8_convolutions"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(
                    f"{name} must be true or false. Received: {name}={getattr(self, name)!r}"
                )
        if not isinstance(self.centred_on, tuple) or not all(
            isinstance(name, str) for name in self.centred_on
        ):
            raise ValueError(
                f"centred_on must be a list of data sets. Received: centred_on={self.centred_on!r}"
            )
        if not isinstance(self.centring, float | int) or not 0 <= self.centring < float("inf"):
            raise ValueError(
                f"centring must be a number of at least 0. Received: centring={self.centring!r}"
            )


@dataclass(frozen=True)
class VoiceOptions:
    """What a voice task is made of, beside its data.

    Attributes:
        network: `backbone`, a name in `network.backbones.registry`, and its options.
        losses: Weights of the losses.
        spec: The front end.
        serving: How the network serves.
    """

    network: Mapping[str, Any]
    losses: LossOptions
    spec: Spec
    serving: ServingOptions


class VoiceTask:
    """Trains a voice network. See `train.loop.task.Task`.

    Args:
        batches: Source of training samples.
        trials: The dev lists.
        options: Network, losses, front end, and how it serves.

    Raises:
        DatasetError: It is to be centred on a data set that it is not trained on.
    """

    name = "voice"
    metric = "mean_score"
    inputs = "features"

    def __init__(self, batches: VoiceBatches, trials: VoiceTrials, options: VoiceOptions) -> None:
        self._batches = batches
        self._trials = trials
        self.epoch_steps = batches.epoch_steps
        self._losses = options.losses
        self.spec = options.spec
        self._serving = options.serving
        _check_sets(options.serving.centred_on, batches.speakers)
        self.serving_shape: tuple[int | None, ...] | None = (None, None, self.spec.n_mels)
        # Multiply-adds are counted per second of speech.
        self.example_length = round(1000 / self.spec.hop_ms)
        self.network = build_network(options.network, self.spec)
        self._build_heads()
        self.start: Start | None = None
        signature = [tf.TensorSpec((None, None, self.spec.n_mels), tf.float32)]
        self._embed = tf.function(
            lambda features: self.network(features, training=False), input_signature=signature
        )

    def batch(self, step: int, progress: float) -> dict[str, NDArray[Any]]:
        """Features, class numbers and teacher embeddings."""
        return self._batches.batch(step, batch_progress(self.start, progress))

    def loss(self, batch: Mapping[str, tf.Tensor], progress: tf.Tensor) -> dict[str, tf.Tensor]:
        """Weighted sum of the losses, and each by itself."""
        weights = self._losses
        embeddings = self.network(batch["features"], training=self.start is None)
        margin = weights.margin_at(progress)
        parts = {"margin_head": self.classifier.loss(embeddings, batch["label"], margin)}
        parts["accuracy"] = self.classifier.accuracy(embeddings, batch["label"])
        total = weights.margin_head * parts["margin_head"]
        if self._projection is not None:
            parts["teacher"], parts["relation"] = _distillation(
                self._projection, embeddings, batch["target"]
            )
            total += weights.teacher * parts["teacher"] + weights.relation * parts["relation"]
        if self.start is not None:
            parts["start"] = self.start.loss(batch["features"], embeddings)
            total += weights.margin_head * self.start.keep * parts["start"]
        return {"loss": total, **parts}

    def validate(self, full: bool, progress: float = 1.0) -> dict[str, float]:
        """Validate over whole utterances.

        Unless `full`, they are cut to multiples of 0.16 s, for larger batches.
        `progress` changes nothing here.

        Returns:
            EER, minDCF and threshold of each list (`VoiceTrials.error_rates`), and
            `mean_score`, 1 minus the mean EER (higher is better).
        """
        del progress
        metrics = self._trials.error_rates(self.embed, step_frames=1 if full else 16)
        rates = [value for name, value in metrics.items() if name.endswith("_eer")]
        metrics[self.metric] = 1 - float(np.mean(rates))
        return metrics | (self._by_duration() if full else {})

    def finalise_weights(self) -> dict[str, float]:
        """Take out what all speech has in common, before publishing.

        Returns:
            The metrics afterwards, none where nothing changed.
        """
        frames = round(CENTRED_S * 1000 / self.spec.hop_ms)
        speech = self._batches.utterances(self._serving.centred_on, frames)
        if not speech:
            return {}
        centre(self.network, speech, self._serving.centring, self._serving.time_reversal)
        return self.validate(full=True)

    @property
    def int8_inputs(self) -> list[Float32Array]:
        """Features (1, frames, n_mels) that set the ranges of 8-bit convolutions.

        None are needed for float32.
        """
        if not self._serving.int8_convolutions:
            return []
        return [one[None] for one in self._batches.batch(0, 1.0)["features"]]

    def first_utterances(self, frames: int) -> list[Float32Array]:
        """Clean speech of each speaker, features (at most `frames`, n_mels)."""
        return self._batches.first_utterances(frames)

    def card_input(self) -> dict[str, Any]:
        """The front end that serves, and whether speech is embedded backwards too."""
        return {**card_entry(self.spec), "time_reversal": self._serving.time_reversal}

    def embed(self, features: Float32Array) -> Float32Array:
        """Embed (n, frames, n_mels) features with the present weights.

        It embeds as the service does: (n, 512) float32 of unit norm.
        """
        embeddings: Float32Array = self._embed(tf.constant(features)).numpy()
        if not self._serving.time_reversal:
            return embeddings
        both = embeddings + self._embed(tf.constant(features[:, ::-1])).numpy()
        return unit(np.asarray(both, np.float32))

    def _build_heads(self) -> None:
        batches = self._batches
        self.classifier = self._losses.make_classifier(batches.classes)
        self._projection: TeacherProjection | None = None
        self.heads: Sequence[keras.layers.Layer] = [self.classifier]
        if batches.target_size:
            self._projection = TeacherProjection(batches.target_size, name="projection")
            self.heads = [self.classifier, self._projection]
        for head in self.heads:
            head.build((None, self.network.output_shape[-1]))

    def _by_duration(self) -> dict[str, float]:
        """EER of each list by duration: the middle 1, 2, 3 and 5 s of each utterance."""
        metrics: dict[str, float] = {}
        for seconds in DURATIONS_S:
            rates = self._trials.equal_error_rates(self.embed, seconds=seconds)
            metrics |= {f"{name}_{seconds}s_eer": value for name, value in rates.items()}
        return metrics


def build_network(network: Mapping[str, Any], spec: Spec) -> keras.Model:
    """Build the untrained network that a table `[network]` names, for a front end."""
    options = {"backbone": DEFAULT_BACKBONE, **network}
    name = options.pop("backbone")
    return build_backbone(name, Modality.VOICE, n_mels=spec.n_mels, **options)


def _check_sets(names: Sequence[str], speakers: Sequence[str]) -> None:
    """Check that all data sets are trained on. Raises DatasetError."""
    groups = {group_of(speaker) for speaker in speakers}
    if absent := sorted(set(names) - groups):
        raise DatasetError(
            f"centred_on must name data sets that are trained on: {', '.join(sorted(groups))}."
            f" Received: {', '.join(absent)}",
            "Change it in the table [serving] of the configuration.",
        )


def _distillation(
    projection: TeacherProjection, embeddings: tf.Tensor, targets: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Teacher and relation loss over the samples that have a target.

    Both are 0 where fewer than two have one.
    """
    taught = tf.where(tf.reduce_any(targets != 0, axis=1))[:, 0]
    wanted = tf.gather(targets, taught)
    students = tf.gather(embeddings, taught)
    return tf.cond(
        tf.size(taught) > 1,
        lambda: (projection.loss(students, wanted), relation_loss(students, wanted)),
        lambda: (tf.constant(0.0), tf.constant(0.0)),
    )


def create(config: Mapping[str, Any], context: TaskContext) -> VoiceTask:
    """Build the task from a training configuration.

    Args:
        config: Parsed TOML with the tables `data`, `sampling`, `frontend`, `network`,
            `augment`, `teacher` (may be missing), `loss` and `serving`.
        context: Seed, and folder of the research data.
    """
    return VoiceTask(*read_parts(config, context))


def read_parts(
    config: Mapping[str, Any], context: TaskContext, *, views: int = 0
) -> tuple[VoiceBatches, VoiceTrials, VoiceOptions]:
    """Read what a voice task is made of.

    `views` asks for batches that hold the crops without variation too, and each crop in
    so many. Other arguments as for `create`.
    """
    # Before the data are read, which takes minutes: a slip of the pen is told at once
    spec = read_spec(config.get("frontend", {}))
    sampling = SampleOptions(**fit_fields(SampleOptions, config.get("sampling", {})))
    augment = MelAugment(**fit_fields(MelAugment, config.get("augment", {})))
    options = VoiceOptions(
        network=_with_tuples(config.get("network", {})),
        losses=replace(VOICE_LOSSES, **fit_fields(LossOptions, config.get("loss", {}))),
        spec=spec,
        serving=ServingOptions(**fit_fields(ServingOptions, config.get("serving", {}))),
    )
    check_channels(config["data"])
    sources, trials = read_sources(config, context.seed, context.shared, spec)
    batches = VoiceBatches(
        sources,
        sampling,
        augment,
        spec,
        seed=context.seed,
        clean=views > 0,
        views=max(views, 1),
    )
    return batches, trials, options


def _with_tuples(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table of a configuration with tuples in place of lists."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
