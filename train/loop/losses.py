"""Weights of the losses that face and voice trainings share (table `[loss]`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class LossOptions:
    """Weights of the losses.

    Attributes:
        teacher: Cosine to the teacher's embedding after a linear projection.
        relation: Agreement of all cosines within the batch with the teacher's.
        margin_head: Cross-entropy of the angular-margin classifier.
        margin: Its margin in radians, reached linearly between the two points of
            progress `margin_ramp`.
        scale: Its factor on the cosines.

    Raises:
        ValueError: `margin_ramp` does not rise.
    """

    teacher: float
    relation: float
    margin_head: float
    margin: float
    margin_ramp: Sequence[float]
    scale: float

    def __post_init__(self) -> None:
        if len(self.margin_ramp) != 2 or not self.margin_ramp[0] < self.margin_ramp[1]:
            raise ValueError(
                "margin_ramp must be a start and an end after it. Received:"
                f" margin_ramp={self.margin_ramp}"
            )

    def margin_at(self, progress: tf.Tensor) -> tf.Tensor:
        """The margin at a point of progress in [0, 1], in radians."""
        start, end = self.margin_ramp
        return self.margin * tf.clip_by_value((progress - start) / (end - start), 0.0, 1.0)


# What train/configs/face.toml and voice.toml say, for configurations without a key.
FACE_LOSSES = LossOptions(
    teacher=1.0,
    relation=40.0,
    margin_head=0.02,
    margin=0.3,
    margin_ramp=(0.15, 0.5),
    scale=32.0,
)
VOICE_LOSSES = LossOptions(
    teacher=4.0,
    relation=100.0,
    margin_head=0.3,
    margin=0.25,
    margin_ramp=(0.0, 0.1),
    scale=30.0,
)
