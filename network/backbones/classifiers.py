"""Classifiers of identities for training, by name, each with its loss.

All of them compare embeddings (n, d) with one centre per class, or with the nearest of
several (sub-centres: Deng et al. 2020, "Sub-center ArcFace"), and take their margin at
every step, so that a schedule can raise it:

- `softmax`: a linear layer with cross-entropy, without a margin
- `am`: additive margin on the cosine (Wang et al. 2018, arXiv:1801.05599)
- `aam`: additive margin on the angle (ArcFace: Deng et al. 2019, arXiv:1801.07698)
- `sphereface2`: one binary classification a class (Wen et al. 2022, arXiv:2108.01513)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from network.backbones.blocks import PACKAGE
from utils.arrays import Float32Array, unit

# Arccosine has no gradient at ±1.
LARGEST_COSINE = 1 - 1e-6


class Classifier(keras.layers.Layer):
    """What the classifiers share: centres, cosines, cross-entropy and accuracy."""

    def __init__(
        self, classes: int, scale: float = 32.0, *, sub_centres: int = 1, **kwargs: Any
    ) -> None:
        """Set the sizes.

        Args:
            classes: Number of identities, at least 2.
            scale: Factor on the cosines.
            sub_centres: Centres of each class, of which the nearest counts.
            kwargs: Options of a Keras layer.

        Raises:
            ValueError: A number is impossible.
        """
        super().__init__(**kwargs)
        if classes < 2:
            raise ValueError(f"A classifier needs at least 2 classes. Received: classes={classes}")
        if sub_centres < 1:
            raise ValueError(f"sub_centres must be at least 1. Received: sub_centres={sub_centres}")
        self.classes = classes
        self.scale = scale
        self.sub_centres = sub_centres

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the centres, (d, classes * sub_centres), those of a class side by side."""
        shape = (input_shape[-1], self.classes * self.sub_centres)
        self.kernel = self.add_weight(shape=shape, initializer="glorot_normal", name="kernel")

    def cosines(self, embeddings: tf.Tensor) -> tf.Tensor:
        """Return the cosines (n, classes) of embeddings (n, d) with the nearest centres."""
        centres = tf.math.l2_normalize(tf.convert_to_tensor(self.kernel), axis=0)
        return self._nearest(tf.matmul(tf.math.l2_normalize(embeddings, axis=1), centres))

    def call(
        self, embeddings: tf.Tensor, labels: tf.Tensor, margin: tf.Tensor | float = 0.0
    ) -> tf.Tensor:
        """Return the logits (n, classes) of embeddings.

        Args:
            embeddings: (n, d) float32.
            labels: True classes (n,).
            margin: Margin of the true class, in radians or in units of the cosine.
        """
        raise NotImplementedError

    def loss(
        self, embeddings: tf.Tensor, labels: tf.Tensor, margin: tf.Tensor | float
    ) -> tf.Tensor:
        """Return the mean cross-entropy, a scalar."""
        logits = self(embeddings, labels, margin=margin)
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))

    def accuracy(self, embeddings: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Return the share of embeddings whose own class is nearest, without a margin."""
        nearest = tf.argmax(self.cosines(embeddings), axis=1, output_type=labels.dtype)
        return tf.reduce_mean(tf.cast(nearest == labels, tf.float32))

    def set_centres(self, directions: Mapping[int, Float32Array]) -> None:
        """Set the first centre of each of these classes to a direction (d,), not 0."""
        kernel = self.kernel.numpy()
        for label, direction in directions.items():
            kernel[:, label * self.sub_centres] = unit(direction)
        self.kernel.assign(kernel)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        config: dict[str, Any] = super().get_config()
        return config | {
            "classes": self.classes,
            "scale": self.scale,
            "sub_centres": self.sub_centres,
        }

    def _nearest(self, responses: tf.Tensor) -> tf.Tensor:
        """Keep the largest response of each class: (n, classes)."""
        if self.sub_centres == 1:
            return responses
        return tf.reduce_max(tf.reshape(responses, (-1, self.classes, self.sub_centres)), axis=2)


@keras.saving.register_keras_serializable(PACKAGE)
class Softmax(Classifier):
    """Linear classifier: logits are scale × (embedding · weights) + bias."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create weights and bias."""
        super().build(input_shape)
        self.bias = self.add_weight(shape=(self.classes,), initializer="zeros", name="bias")

    def call(
        self, embeddings: tf.Tensor, labels: tf.Tensor, margin: tf.Tensor | float = 0.0
    ) -> tf.Tensor:
        """Return the logits (n, classes). Labels and margin change nothing."""
        del labels, margin
        responses = tf.matmul(embeddings, tf.convert_to_tensor(self.kernel))
        return self.scale * self._nearest(responses) + tf.convert_to_tensor(self.bias)

    def accuracy(self, embeddings: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Return the share of embeddings whose own class has the largest logit."""
        chosen = tf.argmax(self(embeddings, labels), axis=1, output_type=labels.dtype)
        return tf.reduce_mean(tf.cast(chosen == labels, tf.float32))


@keras.saving.register_keras_serializable(PACKAGE)
class AdditiveMargin(Classifier):
    """Logits are scale × cosine, for the true class scale × (cosine − margin)."""

    def call(
        self, embeddings: tf.Tensor, labels: tf.Tensor, margin: tf.Tensor | float = 0.0
    ) -> tf.Tensor:
        """Return the logits (n, classes), `margin` in units of the cosine."""
        cosines = self.cosines(embeddings)
        return self.scale * (cosines - margin * tf.one_hot(labels, self.classes))


@keras.saving.register_keras_serializable(PACKAGE)
class AngularMargin(Classifier):
    """Logits are scale × cos(θ), for the true class scale × cos(θ + margin).

    Where θ + margin would pass π, the linear continuation of the paper's code is used.
    """

    def call(
        self, embeddings: tf.Tensor, labels: tf.Tensor, margin: tf.Tensor | float = 0.0
    ) -> tf.Tensor:
        """Return the logits (n, classes), `margin` in radians."""
        cosines = self.cosines(embeddings)
        places = tf.stack([tf.range(tf.shape(labels)[0]), tf.cast(labels, tf.int32)], axis=1)
        true = tf.clip_by_value(tf.gather_nd(cosines, places), -LARGEST_COSINE, LARGEST_COSINE)
        shifted = tf.cos(tf.acos(true) + margin)
        hard = true - tf.sin(margin) * margin
        target = tf.where(true > tf.cos(math.pi - margin), shifted, hard)
        return self.scale * tf.tensor_scatter_nd_update(cosines, places, target)


@keras.saving.register_keras_serializable(PACKAGE)
class SphereFace2(Classifier):
    """One binary classification for every class.

    With the similarity g(z) = 2 ((z + 1) / 2)^power − 1 of a cosine z, the logit of a
    class is scale × (g(z) − margin) + bias for the true class and scale × (g(z) +
    margin) + bias for another. The true class has the weight `balance`, each other one
    1 − `balance`.
    """

    def __init__(
        self,
        classes: int,
        scale: float = 32.0,
        *,
        balance: float = 0.7,
        power: float = 3.0,
        **kwargs: Any,
    ) -> None:
        """Set the weight of the true class, in (0, 1), and the power of the similarity."""
        super().__init__(classes, scale, **kwargs)
        if not 0 < balance < 1 or power <= 0:
            raise ValueError(
                "balance must lie in (0, 1) and power be positive. Received:"
                f" balance={balance}, power={power}"
            )
        self.balance = balance
        self.power = power

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create centres and bias, which makes both sides pull alike at the start."""
        super().build(input_shape)
        start = keras.initializers.Constant(self._balanced_bias())
        self.bias = self.add_weight(shape=(), initializer=start, name="bias")

    def call(
        self, embeddings: tf.Tensor, labels: tf.Tensor, margin: tf.Tensor | float = 0.0
    ) -> tf.Tensor:
        """Return the logits (n, classes), `margin` in units of the similarity."""
        # A cosine of -1 has no power of less than 1, and rounding may go below.
        half = tf.maximum((self.cosines(embeddings) + 1) / 2, 1e-6)
        similarity = 2 * half**self.power - 1
        sign = 1 - 2 * tf.one_hot(labels, self.classes)
        return self.scale * (similarity + margin * sign) + tf.convert_to_tensor(self.bias)

    def loss(
        self, embeddings: tf.Tensor, labels: tf.Tensor, margin: tf.Tensor | float
    ) -> tf.Tensor:
        """Return the mean over embeddings of the weighted binary losses over `scale`."""
        logits = self(embeddings, labels, margin=margin)
        true = tf.one_hot(labels, self.classes)
        each = self.balance * true * tf.nn.softplus(-logits)
        each += (1 - self.balance) * (1 - true) * tf.nn.softplus(logits)
        return tf.reduce_mean(tf.reduce_sum(each, axis=1)) / self.scale

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        return {**super().get_config(), "balance": self.balance, "power": self.power}

    def _balanced_bias(self) -> float:
        """Bias at which the gradients of true and other classes add up to 0.

        Cosines are 0 at the start, and there is no margin yet. With odds = balance /
        ((1 − balance) (classes − 1)) it solves odds · σ(−x) = σ(x) for the logit x.
        """
        odds = self.balance / ((1 - self.balance) * (self.classes - 1))
        # σ(−x) / σ(x) = exp(−x)
        similarity = 2 * math.pow(0.5, self.power) - 1
        return math.log(odds) - self.scale * similarity


CLASSIFIERS: dict[str, type[Classifier]] = {
    "softmax": Softmax,
    "am": AdditiveMargin,
    "aam": AngularMargin,
    "sphereface2": SphereFace2,
}
