"""Distillation from a teacher's embeddings: by cosine, and by relations.

Both work on embeddings (n, d) float32 of any modality.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from network.backbones.blocks import PACKAGE

# The cosine that two samples of one person have at least.
LEAST_SAME = 0.5


@keras.saving.register_keras_serializable(PACKAGE)
class TeacherProjection(keras.layers.Layer):
    """Linear map from the student's embedding to the teacher's space."""

    def __init__(self, size: int, **kwargs: Any) -> None:
        """Set the length of the teacher's embeddings."""
        super().__init__(**kwargs)
        self.size = size

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the kernel (d, size), orthogonal at the start."""
        shape = (input_shape[-1], self.size)
        self.kernel = self.add_weight(shape=shape, initializer="orthogonal", name="kernel")

    def call(self, embeddings: tf.Tensor) -> tf.Tensor:
        """Map (n, d) to (n, size)."""
        return tf.matmul(embeddings, tf.convert_to_tensor(self.kernel))

    def loss(self, embeddings: tf.Tensor, teacher: tf.Tensor) -> tf.Tensor:
        """Return the mean of 1 − cosine with the teacher, a scalar in [0, 2].

        `embeddings` (n, d) are projected, `teacher` is (n, size).
        """
        student = tf.math.l2_normalize(self(embeddings), axis=1)
        return tf.reduce_mean(
            1 - tf.reduce_sum(student * tf.math.l2_normalize(teacher, axis=1), axis=1)
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        config: dict[str, Any] = super().get_config()
        return config | {"size": self.size}


def relation_loss(embeddings: tf.Tensor, teacher: tf.Tensor) -> tf.Tensor:
    """Return how much the cosines within a batch differ from the teacher's.

    It trains the student's own space to have the teacher's geometry (relational
    distillation: Park et al. 2019, arXiv:1904.05068, with cosines for relations).

    Args:
        embeddings: Of the student, (n, d).
        teacher: Embeddings of the teacher, (n, t).

    Returns:
        Mean squared difference over all pairs, a scalar.
    """
    student = tf.math.l2_normalize(embeddings, axis=1)
    target = tf.math.l2_normalize(teacher, axis=1)
    difference = tf.matmul(student, student, transpose_b=True) - tf.matmul(
        target, target, transpose_b=True
    )
    n = tf.cast(tf.shape(embeddings)[0], tf.float32)
    return tf.reduce_sum(tf.square(difference)) / (n * (n - 1))


def same_person_loss(embeddings: tf.Tensor, teacher: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Return how much the cosines of one person's samples differ from what they should be.

    They should be the teacher's, but at least `LEAST_SAME`: a teacher may know a person
    badly from the side.

    Args:
        embeddings: Of the student, (n, d).
        teacher: Embeddings of the teacher, (n, t).
        labels: (n,) class numbers, below 0 for nobody's.

    Returns:
        Mean squared difference over the pairs of one person, 0 without any.
    """
    student = tf.math.l2_normalize(embeddings, axis=1)
    target = tf.math.l2_normalize(teacher, axis=1)
    wanted = tf.maximum(tf.matmul(target, target, transpose_b=True), LEAST_SAME)
    difference = tf.matmul(student, student, transpose_b=True) - wanted
    same = (labels[:, None] == labels[None]) & (labels >= 0)[:, None]
    weights = tf.cast(tf.linalg.set_diag(same, tf.zeros_like(labels, tf.bool)), tf.float32)
    pairs = tf.maximum(tf.reduce_sum(weights), 1.0)
    return tf.reduce_sum(weights * tf.square(difference)) / pairs
