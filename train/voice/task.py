"""The voice training task: angular-margin classification of speakers (each speed a
speaker of its own) together with distillation.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from network.backbones.heads import AngularMargin, TeacherProjection, relation_loss
from network.backbones.registry import build_backbone
from network.frontends.log_mel import FrontendSpec
from network.serving.card import CARD_FILE, read_card
from train.data.datasets import Listing, read_listing
from train.loop.fine_tune import Start, stage
from train.voice.augment import MelAugment, Variant
from train.voice.banks import Bank, cached_features, group_of, training_files
from train.voice.batches import SampleOptions, VoiceBatches
from train.voice.centring import centre
from train.voice.dev import VoiceTrials, held_out_trials, published_trials
from train.voice.targets import TeacherTargets, load_targets
from train.voice.teacher import prosodies, teacher_file, voices
from utils.arrays import Float32Array, unit
from utils.errors import DatasetError
from utils.modality import Modality

log = logging.getLogger("duet.train")
# Of configurations that name none.
DEFAULT_BACKBONE = "voice_separable"
DURATIONS_S = (1, 2, 3, 5)
CENTRED_S = 8.0  # of an utterance at most, for the mean over all


@dataclass(frozen=True)
class LossOptions:
    """Weights of the losses (table `[loss]`).

    Attributes:
        teacher: cosine to the teacher's embedding after a linear projection.
        relation: agreement of all cosines within the batch with the teacher's.
        margin_head: cross-entropy of the angular-margin classifier.
        margin: its margin in radians, reached linearly between the two points of
            progress `margin_ramp`.
        scale: its factor on the cosines.
    """

    teacher: float = 3.0
    relation: float = 20.0
    margin_head: float = 0.5
    margin: float = 0.25
    margin_ramp: tuple[float, float] = (0.1, 0.5)
    scale: float = 30.0

    def __post_init__(self) -> None:
        """Refuse a ramp that does not rise."""
        if len(self.margin_ramp) != 2 or not self.margin_ramp[0] < self.margin_ramp[1]:
            raise ValueError(
                "margin_ramp must be a start and an end after it. Received:"
                f" margin_ramp={self.margin_ramp}"
            )


@dataclass(frozen=True)
class ServingOptions:
    """How the network serves (table `[serving]`).

    Attributes:
        time_reversal: as the mean of an utterance's embedding and that of the same
            backwards; so it is validated, too.
        centred_on: data sets whose mean embedding is taken out when the network is
            published (`train/voice/centring.py`); none: nothing is.
        centring: its weight. A run that starts from centred weights keeps their centre
            while it trains and gets one of its own then.
    """

    time_reversal: bool = False
    centred_on: tuple[str, ...] = ()
    centring: float = 1.0

    def __post_init__(self) -> None:
        """Refuse before the training what would end its publication."""
        if not isinstance(self.time_reversal, bool):
            raise ValueError(
                "time_reversal must be true or false. Received:"
                f" time_reversal={self.time_reversal!r}"
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


class VoiceTask:
    """See `train.loop.trainer.Task`.

    Args:
        batches: source of training samples.
        trials: the dev lists.
        network: `backbone`, a name in `network.backbones.registry`, and its options.
        losses: weights of the losses.
        spec: the front end.
        serving: how it serves.
    """

    name = "voice"
    metric = "mean_score"
    inputs = "features"

    def __init__(
        self,
        batches: VoiceBatches,
        trials: VoiceTrials,
        network: Mapping[str, Any],
        losses: LossOptions,
        spec: FrontendSpec,
        serving: ServingOptions,
    ) -> None:
        self._batches = batches
        self._trials = trials
        self._losses = losses
        self.spec = spec
        self._serving = serving
        _check_sets(serving.centred_on, batches.speakers)
        self.serving_shape = (None, None, spec.n_mels)
        # Multiply-adds are counted per second of speech
        self.example_length = round(1000 / spec.hop_ms)
        self.network = build_network(network, spec)
        self.classifier = AngularMargin(batches.classes, losses.scale, name="classifier")
        self._projection = (
            TeacherProjection(batches.target_size, name="projection")
            if batches.target_size
            else None
        )
        self.heads: Sequence[keras.layers.Layer] = [
            head for head in (self.classifier, self._projection) if head
        ]
        for head in self.heads:
            head.build((None, self.network.output_shape[-1]))
        self.start: Start | None = None
        signature = [tf.TensorSpec((None, None, spec.n_mels), tf.float32)]
        self._embed = tf.function(
            lambda features: self.network(features, training=False), input_signature=signature
        )

    def batch(self, step: int, progress: float) -> dict[str, NDArray[Any]]:
        """Features, class numbers and teacher embeddings."""
        return self._batches.batch(step, stage(self.start, progress))

    def loss(self, batch: Mapping[str, tf.Tensor], progress: tf.Tensor) -> dict[str, tf.Tensor]:
        """Weighted sum of the losses, and each by itself."""
        weights = self._losses
        embeddings = self.network(batch["features"], training=self.start is None)
        start, end = weights.margin_ramp
        margin = weights.margin * tf.clip_by_value((progress - start) / (end - start), 0.0, 1.0)
        parts = {"margin_head": self.classifier.loss(embeddings, batch["label"], margin)}
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
        """EER of each list and `mean_score`, 1 minus their mean (higher is better),
        over whole utterances.

        Unless `full`, they are cut to multiples of 0.16 s: larger batches. `progress`
        changes nothing here.
        """
        del progress
        rates = self._trials.equal_error_rates(self.embed, step_frames=1 if full else 16)
        metrics = {f"{name}_eer": value for name, value in rates.items()} | {
            self.metric: 1 - float(np.mean(list(rates.values())))
        }
        return metrics | (self._by_duration() if full else {})

    def _by_duration(self) -> dict[str, float]:
        """EER of each list with only the middle 1, 2, 3 and 5 seconds of each
        utterance.
        """
        found = {
            seconds: self._trials.equal_error_rates(self.embed, seconds=seconds)
            for seconds in DURATIONS_S
        }
        return {
            f"{name}_{seconds}s_eer": value
            for seconds, rates in found.items()
            for name, value in rates.items()
        }

    def settle(self) -> dict[str, float]:
        """Before publishing: take out what all speech has in common. Its metrics; none
        where nothing changed.
        """
        speech = self._batches.utterances(
            self._serving.centred_on, round(CENTRED_S * 1000 / self.spec.hop_ms)
        )
        if not speech:
            return {}
        centre(self.network, speech, self._serving.centring, self._serving.time_reversal)
        return self.validate(full=True)

    def card_input(self) -> dict[str, Any]:
        """The front end that serving must use, and whether it embeds the speech
        backwards too.
        """
        return {"frontend": self.spec.to_dict(), "time_reversal": self._serving.time_reversal}

    def embed(self, features: Float32Array) -> Float32Array:
        """Embed (n, frames, n_mels) features with the present weights, as serving does;
        (n, 512) float32 of unit norm.
        """
        embeddings: Float32Array = self._embed(tf.constant(features)).numpy()
        if not self._serving.time_reversal:
            return embeddings
        both = embeddings + self._embed(tf.constant(features[:, ::-1])).numpy()
        return unit(np.asarray(both, np.float32))


def build_network(network: Mapping[str, Any], spec: FrontendSpec) -> keras.Model:
    """Build the untrained network that a table `[network]` names, for a front end."""
    options = {"backbone": DEFAULT_BACKBONE, **network}
    name = options.pop("backbone")
    return build_backbone(name, Modality.VOICE, n_mels=spec.n_mels, **options)


def _check_sets(names: Sequence[str], speakers: Sequence[str]) -> None:
    """Raises DatasetError where one of the data sets is not trained on."""
    known = {group_of(speaker) for speaker in speakers}
    if absent := sorted(set(names) - known):
        raise DatasetError(
            f"centred_on must name data sets that are trained on: {', '.join(sorted(known))}."
            f" Received: {', '.join(absent)}",
            "Change it in the table [serving] of the configuration.",
        )


def _distillation(
    projection: TeacherProjection, embeddings: tf.Tensor, targets: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Teacher and relation loss over the samples that have a target; 0 where fewer than
    two have one.
    """
    taught = tf.where(tf.reduce_any(targets != 0, axis=1))[:, 0]
    known = tf.gather(targets, taught)
    students = tf.gather(embeddings, taught)
    return tf.cond(
        tf.size(taught) > 1,
        lambda: (projection.loss(students, known), relation_loss(students, known)),
        lambda: (tf.constant(0.0), tf.constant(0.0)),
    )


def create(config: Mapping[str, Any], seed: int, shared: Path) -> VoiceTask:
    """Build the task from a training configuration.

    Args:
        config: parsed TOML; tables `data`, `sampling`, `frontend`, `network`,
            `augment`, `teacher` (may be missing), `loss` and `serving`.
        seed: of all chance.
        shared: folder that relative paths of the configuration start from.
    """
    data = config["data"]
    spec = FrontendSpec(**config.get("frontend", {}))
    cache = Path(data["cache"])
    listing, trials = _split(data, seed, shared, spec)
    batches = VoiceBatches(
        listing,
        _banks(data, listing, spec),
        _noise(shared / data["noise"], cache, spec) if data.get("noise") else [],
        (
            _targets(config["teacher"], data, listing, shared, spec.hop_ms)
            if config.get("teacher")
            else None
        ),
        SampleOptions(**_tuples(config.get("sampling", {}))),
        MelAugment(**_tuples(config.get("augment", {}))),
        spec,
        seed,
        prosodies=len(prosodies(data)),
    )
    losses = LossOptions(**_tuples(config.get("loss", {})))
    serving = ServingOptions(**_tuples(config.get("serving", {})))
    return VoiceTask(batches, trials, _tuples(config.get("network", {})), losses, spec, serving)


def _banks(data: Mapping[str, Any], listing: Listing, spec: FrontendSpec) -> list[list[Bank]]:
    """Feature banks by voice: speeds through every channel, disguises and prosodies
    clean; the first voice of fluent speech through some more.
    """
    cache = Path(data["cache"])
    fluent = data.get("fluent", ())
    banks: list[list[Bank]] = []
    for number, (voice, groups) in enumerate(voices(data)):
        heard = (
            [(name, ()) for name in data["channels"]]
            if number < len(data["speeds"])
            else [("clean", groups)]
        )
        if not banks:
            heard += [(name, fluent) for name in data.get("fluent_channels", [])]
        banks.append(
            [
                cached_features(listing, cache, replace(voice, channel=name), spec, who)
                for name, who in heard
            ]
        )
    return banks + [[cached_features(listing, cache, voice, spec)] for voice in prosodies(data)]


def _targets(
    teacher: Mapping[str, Any],
    data: Mapping[str, Any],
    listing: Listing,
    shared: Path,
    hop_ms: float,
) -> TeacherTargets:
    """What `teacher["encoder"]` said by window where it is at hand, otherwise what is
    known of whole files.
    """
    encoder = Path(teacher.get("encoder", ""))
    whole = shared / teacher["whole"] if "whole" in teacher else None
    files: list[Path | None] = [None] * len(voices(data))
    if (encoder / CARD_FILE).is_file():
        name = read_card(encoder).encoder_id
        files = [
            teacher_file(listing, Path(data["cache"]), name, voice, groups)
            for voice, groups in voices(data)
        ]
    absent = [file is None or not file.is_file() for file in files]
    if any(absent):
        log.warning(
            "%d of %d voices have no teacher's windows, which python -m train.voice.teacher makes."
            " %s learned from labels alone.",
            sum(absent),
            len(files),
            _instead(absent, whole),
        )
    return load_targets(
        files,
        whole,
        listing,
        teacher.get("crop_share", 0.5),
        [voice.speed for voice in prosodies(data)],
        hop_ms,
    )


def _instead(absent: Sequence[bool], whole: Path | None) -> str:
    """What `load_targets` takes for the first voice, if its windows are `absent`;
    begins the sentence about those without a teacher.
    """
    if absent[0] and whole is not None:
        return (
            "The first voice and its prosodies take another encoder's embeddings of whole files"
            f" ({whole.name}), the others are"
        )
    return "They are"


def _split(
    data: Mapping[str, Any], seed: int, shared: Path, spec: FrontendSpec
) -> tuple[Listing, VoiceTrials]:
    """Training files, and the dev lists or, where there are none, trials of held-out
    speakers.
    """
    cache = Path(data["cache"])
    listing, held = training_files(data, seed, shared)
    if held is not None:
        return listing, held_out_trials(held, cache, spec, seed)
    lists = {name: shared / file for name, file in data["dev_trials"].items()}
    return listing, published_trials(
        read_listing(shared / data["dev"], "audio", "dev"), lists, cache, spec
    )


def _noise(source: Path, cache: Path, spec: FrontendSpec) -> list[NDArray[Any]]:
    """Log-mel powers of the noise files; impulse responses are no noise. None where the
    noises are not at hand.
    """
    if not source.exists():
        return []
    listing = read_listing(source, "audio", "noise" if source.suffix == ".csv" else "train")
    bank = cached_features(listing, cache, Variant(1.0, "clean"), spec)
    return [bank[number] for number, item in enumerate(listing.items) if "_ir/" not in item.path]


def _tuples(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
