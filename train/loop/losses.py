"""The losses that face and voice trainings share, by name (table `[loss]`).

Any classifier goes with any distillation: each part has a weight, and 0 leaves it out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from network.backbones.classifiers import CLASSIFIERS, Classifier

# What is left to grow at the end of an exponential margin.
LAST_PART = 1e-3


def _grow_linearly(part: tf.Tensor) -> tf.Tensor:
    return part


def _grow_exponentially(part: tf.Tensor) -> tf.Tensor:
    return (1 - tf.pow(LAST_PART, part)) / (1 - LAST_PART)


GROWTHS: Mapping[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "linear": _grow_linearly,
    "exponential": _grow_exponentially,
}
"""How the margin grows, from 0 to 1 of it, over the part of its ramp that is over."""


@dataclass(frozen=True)
class LossOptions:
    """Which losses, and their weights.

    Attributes:
        teacher: Weight of the distillation by cosine: to the teacher's embedding after
            a linear projection.
        relation: Weight of the distillation by relations: agreement of all cosines
            within the batch with the teacher's.
        margin_head: Weight of the classifier. A face network with a teacher has no
            classifier where it is 0.
        classifier: Its name in `network.backbones.classifiers`.
        sub_centres: Centres of each class, of which the nearest counts.
        margin: Its margin: in radians for "aam", else in units of the cosine.
        margin_ramp: The two points of progress between which the margin grows from 0.
        margin_growth: "linear", or "exponential": fast at first.
        scale: Factor on the cosines.
        balance, power: See `network.backbones.classifiers.SphereFace2`.

    Raises:
        ValueError: A name is unknown, or `margin_ramp` does not rise.
    """

    teacher: float
    relation: float
    margin_head: float
    margin: float
    margin_ramp: Sequence[float]
    scale: float
    classifier: str = "aam"
    sub_centres: int = 1
    margin_growth: str = "linear"
    balance: float = 0.7
    power: float = 3.0

    def __post_init__(self) -> None:
        if len(self.margin_ramp) != 2 or not self.margin_ramp[0] < self.margin_ramp[1]:
            raise ValueError(
                "margin_ramp must be a start and an end after it. Received:"
                f" margin_ramp={self.margin_ramp}"
            )
        check_name("classifier", self.classifier, CLASSIFIERS)
        check_name("margin_growth", self.margin_growth, GROWTHS)

    def margin_at(self, progress: tf.Tensor) -> tf.Tensor:
        """The margin at a point of progress in [0, 1]."""
        start, end = self.margin_ramp
        part = tf.clip_by_value((progress - start) / (end - start), 0.0, 1.0)
        return self.margin * GROWTHS[self.margin_growth](part)

    def make_classifier(self, classes: int) -> Classifier:
        """Make the classifier of so many identities, not built yet."""
        sizes: dict[str, Any] = {"scale": self.scale, "sub_centres": self.sub_centres}
        if self.classifier == "sphereface2":
            sizes |= {"balance": self.balance, "power": self.power}
        return CLASSIFIERS[self.classifier](classes, name="classifier", **sizes)


def check_name(key: str, name: str, table: Mapping[str, Any]) -> None:
    """Check that a configuration's key names an entry of `table`. Raises ValueError."""
    if name not in table:
        raise ValueError(f"{key} must be one of {', '.join(table)}. Received: {key}={name!r}")


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
