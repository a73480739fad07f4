"""The face training task: distillation from a teacher together with an angular-margin
classifier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from network.backbones.heads import AngularMargin, TeacherProjection, relation_loss
from network.backbones.registry import build_backbone
from train.data.datasets import hold_out, read_listing
from train.face.augment import AugmentOptions
from train.face.batches import FaceBatches, TeacherOptions
from train.face.dev import FacePairs, held_out_pairs, published_pairs
from train.face.emphasis import emphasise
from train.loop.fine_tune import Start, stage
from utils.arrays import EMBEDDING_SIZE, FACE_SIZE_PX, Float32Array, ImageArray
from utils.modality import Modality


@dataclass(frozen=True)
class LossOptions:
    """Weights of the losses (table `[loss]`).

    Attributes:
        teacher: Cosine to the teacher's embedding after a linear projection.
        relation: Agreement of all cosines within the batch with the teacher's.
        margin_head: Cross-entropy of the angular-margin classifier.
        margin: Its margin in radians, reached linearly between the two points of
            progress `margin_ramp`.
        scale: Its factor on the cosines.
    """

    teacher: float = 1.0
    relation: float = 20.0
    margin_head: float = 0.02
    margin: float = 0.3
    margin_ramp: Sequence[float] = (0.15, 0.5)
    scale: float = 32.0

    def __post_init__(self) -> None:
        """Refuse a ramp that does not rise."""
        if len(self.margin_ramp) != 2 or not self.margin_ramp[0] < self.margin_ramp[1]:
            raise ValueError(
                "margin_ramp must be a start and an end after it. Received:"
                f" margin_ramp={self.margin_ramp}"
            )


class FaceTask:
    """See `train.loop.trainer.Task`."""

    name = "face"
    inputs = "image"
    serving_shape = (None, FACE_SIZE_PX, FACE_SIZE_PX, 3)
    example_length = 1

    def __init__(
        self,
        batches: FaceBatches,
        pairs: FacePairs | None,
        backbone: str,
        losses: LossOptions,
        precision: str = "float32",
        teacher_emphasis: float = 0.0,
    ) -> None:
        """Build network and heads for `batches`; `pairs` is the dev set, None for none;
        `precision` as in `_build`; `teacher_emphasis` is the weight of `emphasise` when
        the network is published, which needs a teacher.
        """
        if teacher_emphasis < 0:
            raise ValueError(
                "teacher_emphasis must not be negative. Received:"
                f" teacher_emphasis={teacher_emphasis}"
            )
        self._batches = batches
        self._pairs = pairs
        self._losses = losses
        self.metric = list(pairs.lists)[-1] if pairs else ""
        self._backbone = backbone
        self._precision = precision
        self._emphasis = teacher_emphasis
        self.network = _build(backbone, precision)
        self.classifier = AngularMargin(
            int(batches.labels.max()) + 1, losses.scale, name="classifier"
        )
        self._projection = (
            TeacherProjection(batches.teacher_size, name="projection")
            if batches.teacher_size
            else None
        )
        self.heads: Sequence[keras.layers.Layer] = [
            head for head in (self.classifier, self._projection) if head
        ]
        for head in self.heads:
            head.build((None, EMBEDDING_SIZE))
        self.start: Start | None = None
        self._embed = self._new_embed()

    def batch(self, step: int, progress: float) -> dict[str, npt.NDArray[Any]]:
        """Views, class numbers and teacher embeddings."""
        return self._batches.batch(step, stage(self.start, progress))

    def loss(self, batch: Mapping[str, tf.Tensor], progress: tf.Tensor) -> dict[str, tf.Tensor]:
        """Weighted sum of the losses, and each by itself."""
        weights = self._losses
        images = tf.cast(batch["image"], tf.float32)
        embeddings = self.network(images, training=self.start is None)
        start, end = weights.margin_ramp
        margin = weights.margin * tf.clip_by_value((progress - start) / (end - start), 0.0, 1.0)
        known = batch["label"] >= 0  # blended faces are nobody's
        labels = tf.boolean_mask(batch["label"], known)
        parts = {
            "margin_head": self.classifier.loss(tf.boolean_mask(embeddings, known), labels, margin)
        }
        total = weights.margin_head * parts["margin_head"]
        if self._projection is not None:
            parts["teacher"] = self._projection.loss(embeddings, batch["teacher"])
            parts["relation"] = relation_loss(embeddings, batch["teacher"])
            total += weights.teacher * parts["teacher"] + weights.relation * parts["relation"]
        if self.start is not None:
            parts["start"] = self.start.loss(images, embeddings)
            total += weights.margin_head * self.start.keep * parts["start"]
        return {"loss": total, **parts}

    def validate(self, full: bool, progress: float) -> dict[str, float]:
        """CFP accuracies; until the end at the resolution that training has reached."""
        if self._pairs is None:
            return {}
        size = FACE_SIZE_PX if full else self._batches.size_px(stage(self.start, progress))
        metrics = self._pairs.accuracies(self.embed, size, mirror=False)
        if full:
            mirrored = self._pairs.accuracies(self.embed, size, mirror=True)
            metrics |= {f"{name}_mirror": value for name, value in mirrored.items()}
        return metrics

    def settle(self) -> dict[str, float]:
        """Before publishing: the weights in float32, with the emphasis of the teacher.
        Its metrics; none where nothing changed.
        """
        teacher = self._projection if self._emphasis > 0 else None
        if self._precision == "float32" and teacher is None:
            return {}
        trained = self.network
        self.network = _build(self._backbone, "float32")
        self.network.set_weights(trained.get_weights())
        if teacher is not None:
            emphasise(self.network, teacher.kernel.numpy(), self._emphasis)
        self._emphasis = 0.0  # it is in the weights now
        self._precision = "float32"
        self._embed = self._new_embed()
        return self.validate(full=True, progress=1.0)

    def card_input(self) -> dict[str, Any]:
        """RGB crops in [0, 255]: the network scales them itself. Profile faces gain
        most from their mirror images.
        """
        return {"layout": "nhwc", "mirror": True}

    def embed(self, images: ImageArray, batch: int = 64) -> Float32Array:
        """Embed (n, s, s, 3) uint8 crops with the present weights; (n, 512) float32 of
        unit length.
        """
        starts = range(0, len(images), batch)
        parts = [
            self._embed(tf.constant(images[start : start + batch], tf.float32)) for start in starts
        ]
        return np.concatenate([part.numpy() for part in parts])

    def _new_embed(self) -> Callable[[tf.Tensor], tf.Tensor]:
        network = self.network
        # One trace a resolution: the global depthwise convolution takes its kernel from
        # the static shape.
        return tf.function(lambda images: network(images, training=False), reduce_retracing=False)


def _build(backbone: str, precision: str) -> keras.Model:
    """A face network that computes in `precision`: "float32", or "mixed_bfloat16" with
    float32 weights.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        return build_backbone(backbone, Modality.FACE)
    finally:
        keras.config.set_dtype_policy(before)


def create(config: Mapping[str, Any], seed: int, shared: Path) -> FaceTask:
    """Build the task from a training configuration.

    Args:
        config: Parsed TOML; tables `data`, `network`, `augment`, `teacher` (may be
            missing), `loss` and `serving`.
        seed: Of all chance.
        shared: Folder that relative paths of the configuration start from.
    """
    data = config["data"]
    table = config.get("teacher")
    cache = Path(data["cache"])
    listing = read_listing(shared / data["train"])
    if data.get("dev_pairs"):
        lists = {f"{name}_accuracy": shared / file for name, file in data["dev_pairs"].items()}
        pairs = published_pairs(shared / data["dev"], lists, cache)
    else:
        listing, held = hold_out(listing, data["held_out"], seed)
        pairs = held_out_pairs(held, cache, seed)
    batches = FaceBatches(
        listing,
        cache,
        data["batch_size"],
        seed,
        tuple((float(start), int(size)) for start, size in data["resolutions"]),
        AugmentOptions(**config["augment"]) if "augment" in config else None,
        TeacherOptions(**(table | {"path": shared / table["path"]})) if table else None,
    )
    network = config["network"]
    losses = LossOptions(**config.get("loss", {}))
    return FaceTask(
        batches,
        pairs,
        network["backbone"],
        losses,
        network.get("precision", "float32"),
        **config.get("serving", {}),
    )
