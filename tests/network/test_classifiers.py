"""Every classifier against the formula of its paper, written out in numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from utils.arrays import Float32Array, unit

pytestmark = pytest.mark.tf
CLASSES = 5
SCALE = 10.0
MARGIN = 0.2
LABELS = np.array([0, 1, 2, 3, 4, 0], np.int32)
ROWS = np.arange(len(LABELS))


@pytest.fixture
def embeddings() -> Float32Array:
    return unit(np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32))


def make(name: str, **options: Any) -> Any:
    from network.backbones.classifiers import CLASSIFIERS

    head = CLASSIFIERS[name](CLASSES, SCALE, **options)
    head.build((None, 8))
    rng = np.random.default_rng(1)
    head.kernel.assign(rng.normal(size=head.kernel.shape))
    if name == "softmax":
        head.bias.assign(rng.normal(size=head.bias.shape))
    return head


def cosines_of(head: Any, embeddings: Float32Array) -> np.ndarray:
    """Cosines with the nearest centre of each class, (n, classes) float64."""
    centres = np.asarray(head.kernel, np.float64)
    every = embeddings @ (centres / np.linalg.norm(centres, axis=0))
    return every.reshape(len(embeddings), CLASSES, -1).max(axis=2)


def cross_entropy(logits: np.ndarray) -> float:
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_odds = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-log_odds[ROWS, LABELS].mean())


def softmax_loss(head: Any, embeddings: Float32Array) -> float:
    every = (embeddings @ head.kernel.numpy()).reshape(len(embeddings), CLASSES, -1)
    return cross_entropy(SCALE * every.max(axis=2) + head.bias.numpy())


def am_loss(head: Any, embeddings: Float32Array) -> float:
    logits = cosines_of(head, embeddings)
    logits[ROWS, LABELS] -= MARGIN
    return cross_entropy(SCALE * logits)


def aam_loss(head: Any, embeddings: Float32Array) -> float:
    logits = cosines_of(head, embeddings)
    logits[ROWS, LABELS] = np.cos(np.arccos(logits[ROWS, LABELS]) + MARGIN)
    return cross_entropy(SCALE * logits)


def sphereface2_loss(head: Any, embeddings: Float32Array) -> float:
    """Equation 9 of the paper, class by class."""
    similar = 2 * ((cosines_of(head, embeddings) + 1) / 2) ** 3 - 1
    bias = float(head.bias)
    total = 0.0
    for row, label in enumerate(LABELS):
        for k in range(CLASSES):
            if k == label:
                logit = SCALE * (similar[row, k] - MARGIN) + bias
                total += 0.7 / SCALE * np.log(1 + np.exp(-logit))
            else:
                logit = SCALE * (similar[row, k] + MARGIN) + bias
                total += 0.3 / SCALE * np.log(1 + np.exp(logit))
    return total / len(LABELS)


FORMULAS: dict[str, Callable[[Any, Float32Array], float]] = {
    "softmax": softmax_loss,
    "am": am_loss,
    "aam": aam_loss,
    "sphereface2": sphereface2_loss,
}


def test_every_classifier_has_a_formula() -> None:
    from network.backbones.classifiers import CLASSIFIERS

    assert set(FORMULAS) == set(CLASSIFIERS)


@pytest.mark.parametrize("sub_centres", [1, 3])
@pytest.mark.parametrize("name", FORMULAS)
def test_the_loss_is_that_of_the_paper(
    name: str, sub_centres: int, embeddings: Float32Array
) -> None:
    head = make(name, sub_centres=sub_centres)
    loss = float(head.loss(embeddings, LABELS, MARGIN))
    assert loss == pytest.approx(FORMULAS[name](head, embeddings), rel=1e-4)


@pytest.mark.parametrize("name", FORMULAS)
def test_all_weights_get_gradients_and_accuracy_counts_the_nearest(
    name: str, embeddings: Float32Array
) -> None:
    import tensorflow as tf

    head = make(name)
    with tf.GradientTape() as tape:
        loss = head.loss(tf.constant(embeddings), tf.constant(LABELS), MARGIN)
    gradients = tape.gradient(loss, [variable.value for variable in head.trainable_variables])
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)
    nearest = cosines_of(head, embeddings).argmax(axis=1)
    if name == "softmax":
        nearest = np.asarray(head(embeddings, LABELS)).argmax(axis=1)
    accuracy = float(head.accuracy(tf.constant(embeddings), tf.constant(LABELS)))
    assert accuracy == pytest.approx((nearest == LABELS).mean())


def test_sphereface2_starts_in_balance() -> None:
    """At cosines of 0 and without a margin, true and other classes pull alike."""
    import tensorflow as tf

    head = make("sphereface2")
    zero = tf.zeros((1, 8))
    with tf.GradientTape() as tape:
        logits = head(zero, np.array([2]))
        true = tf.one_hot([2], CLASSES)
        tape.watch(logits)
        each = 0.7 * true * tf.nn.softplus(-logits) + 0.3 * (1 - true) * tf.nn.softplus(logits)
    pulls = np.asarray(tape.gradient(each, logits))[0]
    assert pulls.sum() == pytest.approx(0, abs=1e-6)
    assert pulls[2] < 0


@pytest.mark.parametrize(
    ("name", "options"),
    [("aam", {"sub_centres": 0}), ("sphereface2", {"balance": 1.0}), ("sphereface2", {"power": 0})],
)
def test_impossible_options_are_refused(name: str, options: dict[str, Any]) -> None:
    from network.backbones.classifiers import CLASSIFIERS

    with pytest.raises(ValueError, match="Received"):
        CLASSIFIERS[name](CLASSES, SCALE, **options)
