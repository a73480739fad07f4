"""The face training task: distillation from a teacher together with a classifier.

The classifier has an angular margin.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from network.backbones.classifiers import Classifier
from network.backbones.heads import TeacherProjection, relation_loss, same_person_loss
from network.backbones.registry import build_backbone
from train.data.datasets import Listing, hold_out, read_listing
from train.face.augment import AugmentOptions
from train.face.batches import BatchOptions, FaceBatches, TeacherOptions
from train.face.dev import FacePairs, held_out_pairs, published_pairs
from train.face.emphasis import emphasise
from train.face.pairs import PairOptions
from train.face.teacher import read_networks, teacher_tag
from train.loop.fine_tune import Start, batch_progress
from train.loop.losses import FACE_LOSSES, LossOptions
from train.loop.task import TaskContext
from utils.arrays import EMBEDDING_SIZE, FACE_SIZE_PX, Float32Array, ImageArray
from utils.fields import fit_fields
from utils.modality import Modality

# Batches that the projection to the teacher is fitted on, and how much it is held small.
FIT_BATCHES = 32
FIT_RIDGE = 0.01


_Options = TypeVar("_Options")


@dataclass(frozen=True)
class FaceOptions:
    """What a face task is made of, beside its data.

    Attributes:
        backbone: Name of the network in `network.backbones.registry`.
        losses: Weights of the losses.
        precision: "float32", or "mixed_bfloat16" with float32 weights.
        teacher_emphasis: Weight of `emphasise` when the network is published, which
            needs a teacher.
        held_before: Start of the name of the first layer that learns. All before it keep
            their weights and statistics. "" for none.

    Raises:
        ValueError: `teacher_emphasis` is negative.
    """

    backbone: str
    losses: LossOptions = FACE_LOSSES
    precision: str = "float32"
    teacher_emphasis: float = 0.0
    held_before: str = ""

    def __post_init__(self) -> None:
        if self.teacher_emphasis < 0:
            raise ValueError(
                "teacher_emphasis must not be negative. Received:"
                f" teacher_emphasis={self.teacher_emphasis}"
            )


class FaceTask:
    """Trains a face network. See `train.loop.task.Task`."""

    name = "face"
    inputs = "image"
    serving_shape: tuple[int | None, ...] | None = (None, FACE_SIZE_PX, FACE_SIZE_PX, 3)
    example_length = 1

    def __init__(self, batches: FaceBatches, pairs: FacePairs | None, options: FaceOptions) -> None:
        """Build network and heads for `batches`. `pairs` is the dev set, None for none."""
        self._batches = batches
        self._pairs = pairs
        self.epoch_steps = math.ceil(len(batches.labels) / batches.options.batch_size)
        self._options = options
        self.metric = list(pairs.lists)[-1] if pairs else ""
        self.network = _build(options.backbone, options.precision)
        _hold(self.network, options.held_before)
        self._build_heads()
        self.start: Start | None = None
        self._embed = self._new_embed()

    def batch(self, step: int, progress: float) -> dict[str, npt.NDArray[Any]]:
        """Views, class numbers and teacher embeddings."""
        return self._batches.batch(step, batch_progress(self.start, progress))

    def loss(self, batch: Mapping[str, tf.Tensor], progress: tf.Tensor) -> dict[str, tf.Tensor]:
        """Weighted sum of the losses, and each by itself."""
        weights = self._options.losses
        images = tf.cast(batch["image"], tf.float32)
        embeddings = self.network(images, training=self.start is None)
        parts: dict[str, tf.Tensor] = {}
        total = tf.constant(0.0)
        if self.classifier is not None:
            labelled = batch["label"] >= 0  # blended faces are nobody's
            labels = tf.boolean_mask(batch["label"], labelled)
            classified = tf.boolean_mask(embeddings, labelled)
            parts["margin_head"] = self.classifier.loss(
                classified, labels, weights.margin_at(progress)
            )
            parts["accuracy"] = self.classifier.accuracy(classified, labels)
            total += weights.margin_head * parts["margin_head"]
        if self._projection is not None:
            parts["teacher"] = self._projection.loss(embeddings, batch["teacher"])
            parts["relation"] = relation_loss(embeddings, batch["teacher"])
            total += weights.teacher * parts["teacher"] + weights.relation * parts["relation"]
            total += self._same_person(embeddings, batch, parts)
        if self.start is not None:
            parts["start"] = self.start.loss(images, embeddings)
            total += weights.margin_head * self.start.keep * parts["start"]
        return {"loss": total, **parts}

    def _same_person(
        self, embeddings: tf.Tensor, batch: Mapping[str, tf.Tensor], parts: dict[str, tf.Tensor]
    ) -> tf.Tensor:
        pairs = self._batches.options.pairs
        if pairs is None:
            return tf.constant(0.0)
        parts["same_person"] = same_person_loss(embeddings, batch["teacher"], batch["label"])
        return pairs.weight * parts["same_person"]

    def validate(self, full: bool, progress: float) -> dict[str, float]:
        """Measure the CFP accuracies.

        Until the end they are measured at the resolution that training has reached.
        """
        if self._pairs is None:
            return {}
        size = FACE_SIZE_PX
        if not full:
            size = self._batches.size_px(batch_progress(self.start, progress))
        metrics = self._pairs.accuracies(self.embed, size, mirror=False)
        if full:
            mirrored = self._pairs.accuracies(self.embed, size, mirror=True)
            metrics |= {f"{name}_mirror": value for name, value in mirrored.items()}
        return metrics

    def finalise_weights(self) -> dict[str, float]:
        """Turn the weights to float32 and add the teacher's emphasis, before publishing.

        Returns:
            The metrics afterwards, none where nothing changed.
        """
        options = self._options
        teacher = self._projection if options.teacher_emphasis > 0 else None
        if options.precision == "float32" and teacher is None:
            return {}
        trained = self.network
        self.network = _build(options.backbone, "float32")
        self.network.set_weights(trained.get_weights())
        if teacher is not None:
            emphasise(self.network, teacher.kernel.numpy(), options.teacher_emphasis)
        # Both are in the weights now.
        self._options = replace(options, teacher_emphasis=0.0, precision="float32")
        self._embed = self._new_embed()
        return self.validate(full=True, progress=1.0)

    def card_input(self) -> dict[str, Any]:
        """RGB crops in [0, 255], which the network scales itself, and mirror images.

        Profile faces gain most from their mirror images.
        """
        return {"layout": "nhwc", "mirror": True}

    def embed(self, images: ImageArray, batch: int = 64) -> Float32Array:
        """Embed (n, s, s, 3) uint8 crops with the present weights.

        Returns:
            (n, 512) float32 of unit length.
        """
        starts = range(0, len(images), batch)
        parts = [
            self._embed(tf.constant(images[start : start + batch], tf.float32)) for start in starts
        ]
        return np.concatenate([part.numpy() for part in parts])

    def fit_projection(self) -> None:
        """Fit the projection to the teacher by least squares, with the present weights.

        From random values, the first steps would pull the embeddings anywhere. Without
        a teacher nothing happens.
        """
        if self._projection is None:
            return
        batches = [self._batches.batch(step, 1.0) for step in range(FIT_BATCHES)]
        student = np.concatenate([self.embed(batch["image"]) for batch in batches])
        teacher = np.concatenate([batch["teacher"] for batch in batches])
        gram = student.T @ student
        gram += FIT_RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram), dtype=np.float32)
        self._projection.kernel.assign(np.linalg.solve(gram, student.T @ teacher))

    def _build_heads(self) -> None:
        batches = self._batches
        losses = self._options.losses
        self.classifier: Classifier | None = None
        self._projection: TeacherProjection | None = None
        if losses.margin_head > 0 or not batches.teacher_size:
            self.classifier = losses.make_classifier(int(batches.labels.max()) + 1)
        if batches.teacher_size:
            self._projection = TeacherProjection(batches.teacher_size, name="projection")
        both = (self.classifier, self._projection)
        self.heads: Sequence[keras.layers.Layer] = [head for head in both if head is not None]
        for head in self.heads:
            head.build((None, EMBEDDING_SIZE))

    def _new_embed(self) -> Callable[[tf.Tensor], tf.Tensor]:
        network = self.network
        # One trace a resolution: the global depthwise convolution takes its kernel from
        # the static shape.
        return tf.function(lambda images: network(images, training=False), reduce_retracing=False)


def _build(backbone: str, precision: str) -> keras.Model:
    """A face network that computes in `precision` (see `FaceOptions`)."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        return build_backbone(backbone, Modality.FACE)
    finally:
        keras.config.set_dtype_policy(before)


def _hold(network: keras.Model, before: str) -> None:
    """Let only the layers learn from the first one on whose name begins with `before`.

    No gradient is computed for the others, which is most of a step. Raises ValueError
    where no layer has that name.
    """
    if not before:
        return
    names = [layer.name for layer in network.layers]
    places = [place for place, name in enumerate(names) if name.startswith(before)]
    if not places:
        raise ValueError(
            f"held_before must begin the name of a layer. Received: held_before={before!r}"
        )
    for layer in network.layers[: places[0]]:
        layer.trainable = False


def create(config: Mapping[str, Any], context: TaskContext) -> FaceTask:
    """Build the task from a training configuration.

    Args:
        config: Parsed TOML with the tables `data`, `network`, `augment`, `teacher` and
            `pairs` (may be missing), `loss` and `serving`.
        context: Seed, and folder of the research data.
    """
    data = config["data"]
    network = config["network"]
    # Before the data are read, which takes minutes: a slip of the pen is told at once
    augmentation = _options(AugmentOptions, config.get("augment"))
    pair_options = _options(PairOptions, config.get("pairs"))
    teacher = _teacher_options(config.get("teacher"))
    options = FaceOptions(
        backbone=network["backbone"],
        losses=replace(FACE_LOSSES, **fit_fields(LossOptions, config.get("loss", {}))),
        precision=network.get("precision", "float32"),
        held_before=network.get("held_before", ""),
        **fit_fields(FaceOptions, config.get("serving", {})),
    )
    listing, pairs = _split(data, context)
    batches = FaceBatches(
        listing,
        Path(data["cache"]),
        BatchOptions(
            batch_size=data["batch_size"],
            seed=context.seed,
            resolutions=_resolutions(data),
            augmentation=augmentation,
            teacher=teacher,
            unlabelled=_read_nameless(config, context.shared),
            pairs=pair_options,
        ),
    )
    return FaceTask(batches, pairs, options)


def _split(data: Mapping[str, Any], context: TaskContext) -> tuple[Listing, FacePairs]:
    """Training files, and the dev lists or else pairs of held-out identities."""
    cache = Path(data["cache"])
    listing = read_listing(context.shared / data["train"])
    if not data.get("dev_pairs"):
        listing, held_out = hold_out(listing, data["held_out"], context.seed)
        return listing, held_out_pairs(held_out, cache, context.seed)
    lists = {f"{name}_accuracy": context.shared / file for name, file in data["dev_pairs"].items()}
    return listing, published_pairs(context.shared / data["dev"], lists, cache)


def _resolutions(data: Mapping[str, Any]) -> tuple[tuple[float, int], ...]:
    fitted = fit_fields(BatchOptions, {"resolutions": data["resolutions"]})
    return tuple((start, size) for start, size in fitted["resolutions"])


def _read_nameless(config: Mapping[str, Any], shared: Path) -> tuple[Listing, ...]:
    """Crops without names, which a teacher alone can describe."""
    sources = config["data"].get("unlabelled", []) if config.get("teacher") else []
    return tuple(read_listing(shared / source) for source in sources)


def _teacher_options(table: Mapping[str, Any] | None) -> TeacherOptions | None:
    if not table:
        return None
    others = {name: value for name, value in table.items() if name != "networks"}
    options = TeacherOptions(
        networks=read_networks(table["networks"]), **fit_fields(TeacherOptions, others)
    )
    for network in options.networks:
        teacher_tag(network.path, options.mirror)  # its card is there
    return options


def _options(cls: type[_Options], table: Mapping[str, Any] | None) -> _Options | None:
    """Options of a table that may be missing."""
    return None if table is None else cls(**fit_fields(cls, table))
