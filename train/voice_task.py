"""The voice training task: angular-margin classification of speakers (each speed a speaker of its own) together with distillation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from network.heads import AngularMargin, TeacherProjection, relation_loss
from network.voice import voice_network
from train.datasets import read_listing
from train.voice_augment import CHANNELS, MelAugment, Variant
from train.voice_batches import SampleOptions, VoiceBatches, load_targets
from train.voice_data import cached_features
from train.voice_dev import VoiceTrials
from utils.features import FrontendSpec


@dataclass(frozen=True)
class LossOptions:
    """Weights of the losses (table `[loss]`).

    Attributes:
        teacher: cosine to the teacher's embedding after a linear projection.
        relation: agreement of all cosines within the batch with the teacher's.
        margin_head: cross-entropy of the angular-margin classifier.
        margin: its margin in radians, reached linearly between the two points of progress `margin_ramp`.
        scale: its factor on the cosines.
    """

    teacher: float = 3.0
    relation: float = 20.0
    margin_head: float = 0.5
    margin: float = 0.25
    margin_ramp: tuple[float, float] = (0.1, 0.5)
    scale: float = 30.0


class VoiceTask:
    """See `train.loop.Task`.

    Args:
        batches: source of training samples.
        trials: the dev lists; None for none.
        network: arguments of `network.voice.voice_network`.
        losses: weights of the losses.
        spec: the front end.
    """

    name = "voice"
    metric = "mean_score"

    def __init__(
        self,
        batches: VoiceBatches,
        trials: VoiceTrials | None,
        network: Mapping[str, Any],
        losses: LossOptions,
        spec: FrontendSpec,
    ) -> None:
        self._batches, self._trials, self._losses, self.spec = batches, trials, losses, spec
        self.network = voice_network(n_mels=spec.n_mels, **network)
        self._classifier = AngularMargin(batches.classes, losses.scale, name="classifier")
        self._projection = TeacherProjection(batches.target_size, name="projection") if batches.target_size else None
        self.heads: Sequence[keras.layers.Layer] = [head for head in (self._classifier, self._projection) if head]
        for head in self.heads:
            head.build((None, self.network.output_shape[-1]))
        signature = [tf.TensorSpec((None, None, spec.n_mels), tf.float32)]
        self._embed = tf.function(lambda features: self.network(features, training=False), input_signature=signature)

    def batch(self, step: int, progress: float) -> dict[str, NDArray[Any]]:
        """Features, class numbers and teacher embeddings."""
        return self._batches.batch(step, progress)

    def loss(self, batch: Mapping[str, tf.Tensor], progress: tf.Tensor) -> dict[str, tf.Tensor]:
        """Weighted sum of the losses, and each by itself."""
        weights = self._losses
        embeddings = self.network(batch["features"], training=True)
        start, end = weights.margin_ramp
        margin = weights.margin * tf.clip_by_value((progress - start) / (end - start), 0.0, 1.0)
        parts = {"margin_head": self._classifier.loss(embeddings, batch["label"], margin)}
        total = weights.margin_head * parts["margin_head"]
        if self._projection is not None:
            taught = tf.where(tf.reduce_any(batch["target"] != 0, axis=1))[:, 0]
            targets, students = tf.gather(batch["target"], taught), tf.gather(embeddings, taught)
            parts["teacher"] = self._projection.loss(students, targets)
            parts["relation"] = relation_loss(students, targets)
            total += weights.teacher * parts["teacher"] + weights.relation * parts["relation"]
        return {"loss": total, **parts}

    def validate(self, full: bool, progress: float = 1.0) -> dict[str, float]:
        """EER of each dev list, and `mean_score` = 1 - their mean (higher is better); whole utterances, cut to 0.16 s steps unless `full`."""
        del progress
        if self._trials is None:
            return {}
        rates = self._trials.equal_error_rates(self.embed, step_frames=1 if full else 16)
        return {**rates, "mean_score": 1 - float(np.mean(list(rates.values())))}

    def embed(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed (n, frames, n_mels) features with the present weights; (n, 512) float32 of unit norm."""
        embeddings: NDArray[np.float32] = self._embed(tf.constant(features)).numpy()
        return embeddings


def create(config: Mapping[str, Any], seed: int, shared: Path) -> VoiceTask:
    """Build the task from a training configuration.

    Args:
        config: parsed TOML; tables `data`, `sampling`, `frontend`, `network`, `augment`, `teacher` (may be missing) and `loss`.
        seed: of all chance.
        shared: folder that relative paths of the configuration start from.
    """
    data, spec = config["data"], FrontendSpec(**config.get("frontend", {}))
    cache = Path(data["cache"])
    listing = read_listing(shared / data["train"], "audio")
    channels = data.get("channels", CHANNELS)
    banks = [[cached_features(listing, cache, Variant(speed, name), spec) for name in channels] for speed in data["speeds"]]
    teacher = config.get("teacher")
    targets = load_targets([shared / file for file in teacher["files"]], listing, len(data["speeds"])) if teacher else None
    batches = VoiceBatches(
        listing,
        banks,
        _noise(shared / data["noise"], cache, spec) if data.get("noise") else [],
        targets,
        SampleOptions(**_tuples(config.get("sampling", {}))),
        MelAugment(**_tuples(config.get("augment", {}))),
        spec,
        seed,
    )
    lists = {name: shared / file for name, file in data.get("dev_trials", {}).items()}
    trials = VoiceTrials(read_listing(shared / data["dev"], "audio", "dev"), lists, cache, spec) if lists else None
    losses = LossOptions(**_tuples(config.get("loss", {})))
    return VoiceTask(batches, trials, _tuples(config.get("network", {})), losses, spec)


def _noise(source: Path, cache: Path, spec: FrontendSpec) -> list[NDArray[Any]]:
    """Log-mel powers of the noise files; impulse responses are no noise."""
    listing = read_listing(source, "audio", "noise" if source.suffix == ".csv" else "train")
    bank = cached_features(listing, cache, Variant(1.0, "clean"), spec)
    return [bank[number] for number, item in enumerate(listing.items) if "_ir/" not in item.path]


def _tuples(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
