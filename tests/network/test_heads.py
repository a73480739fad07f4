"""Training heads against the formulas of their papers, written out in numpy."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.tf


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.fixture
def embeddings() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)


def test_angular_margin_is_added_to_the_true_angle_only(embeddings: np.ndarray) -> None:
    from network.backbones.classifiers import AngularMargin

    head = AngularMargin(5, scale=10.0)
    labels = np.array([0, 1, 2, 3, 4, 0], np.int32)
    plain = head(embeddings, labels, margin=0.0).numpy()
    margined = head(embeddings, labels, margin=0.4).numpy()
    cosines = unit(embeddings) @ unit(head.kernel.numpy().T).T
    assert np.allclose(plain, 10 * cosines, atol=1e-4)
    rows = np.arange(6)
    assert np.allclose(
        margined[rows, labels], 10 * np.cos(np.arccos(cosines[rows, labels]) + 0.4), atol=1e-4
    )
    margined[rows, labels] = plain[rows, labels]
    assert np.allclose(margined, plain, atol=1e-5)


def test_angular_margin_makes_the_task_harder_everywhere() -> None:
    from network.backbones.classifiers import AngularMargin

    head = AngularMargin(2, scale=1.0)
    head.build((None, 2))
    head.kernel.assign(np.eye(2, dtype=np.float32))
    angles = np.linspace(0.01, np.pi - 0.01, 50)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    labels = np.zeros(50, np.int32)
    true = head(points, labels, margin=0.5).numpy()[:, 0]
    assert np.all(true < np.cos(angles)), "also where angle + margin passes π"
    assert np.all(np.diff(true) < 0)


def test_angular_margin_loss_has_gradients_at_the_poles() -> None:
    import tensorflow as tf

    from network.backbones.classifiers import AngularMargin

    head = AngularMargin(2)
    head.build((None, 2))
    head.kernel.assign(np.eye(2, dtype=np.float32))
    x = tf.constant([[1.0, 0.0], [-1.0, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = head.loss(x, tf.constant([0, 0]), 0.3)
    assert np.all(np.isfinite(tape.gradient(loss, x)))


def test_a_classifier_needs_two_classes() -> None:
    from network.backbones.classifiers import AngularMargin

    with pytest.raises(ValueError, match="classes=1"):
        AngularMargin(1)


def test_teacher_loss_is_one_minus_cosine(embeddings: np.ndarray) -> None:
    from network.backbones.heads import TeacherProjection

    head = TeacherProjection(4)
    teacher = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)
    loss = float(head.loss(embeddings, teacher))
    expected = 1 - np.sum(unit(embeddings @ head.kernel.numpy()) * unit(teacher), axis=1)
    assert loss == pytest.approx(expected.mean(), abs=1e-5)
    assert float(head.loss(embeddings, embeddings @ head.kernel.numpy())) == pytest.approx(
        0, abs=1e-6
    )


def test_relation_loss_compares_geometry_not_axes(embeddings: np.ndarray) -> None:
    from network.backbones.heads import relation_loss

    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))
    turned = (embeddings @ turn).astype(np.float32) * 3
    assert float(relation_loss(embeddings, turned)) == pytest.approx(0, abs=1e-6)
    other = np.random.default_rng(2).normal(size=(6, 4)).astype(np.float32)
    difference = unit(embeddings) @ unit(embeddings).T - unit(other) @ unit(other).T
    assert float(relation_loss(embeddings, other)) == pytest.approx(
        (difference**2).sum() / 30, rel=1e-4
    )


def test_one_persons_samples_are_to_be_alike(embeddings: np.ndarray) -> None:
    from network.backbones.heads import same_person_loss

    unlike = np.array([[1, 0], [0, 1], [-1, 0]], np.float32)
    labels = np.array([4, 4, -1], np.int32)
    # Both of person 4 stand at a right angle, and 0.5 is wanted where the teacher says less
    assert float(same_person_loss(unlike, unlike, labels)) == pytest.approx(0.25)
    agreed = np.ones((3, 2), np.float32)
    assert float(same_person_loss(unlike, agreed, labels)) == pytest.approx(1)
    assert float(same_person_loss(agreed, agreed, labels)) == pytest.approx(0, abs=1e-6)
    nobody = np.array([-1, -1, -1], np.int32)
    assert float(same_person_loss(unlike, agreed, nobody)) == 0
    assert float(same_person_loss(embeddings, embeddings, np.arange(len(embeddings)))) == 0
