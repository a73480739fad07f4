"""Schedules, optimizers and margins by name, each against a formula of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from train.loop.options import LoopOptions

BASE = LoopOptions(
    total_steps=100, peak_rate=1.0, final_rate=0.01, warmup=0.2, step_at=(0.45, 0.75)
)
# Progress 0.6 is half of what comes after the warm-up.
EXPECTED = {
    "cosine": (0.505, 0.01),
    "exponential": (0.1, 0.01),
    "step": (0.1, 0.01),
    "constant": (1.0, 1.0),
}


def test_every_schedule_has_values() -> None:
    from train.loop.schedules import SCHEDULES

    assert set(SCHEDULES) == set(EXPECTED)


@pytest.mark.parametrize("schedule", EXPECTED)
def test_rates_warm_up_and_follow_their_schedule(schedule: str) -> None:
    options = replace(BASE, schedule=schedule)
    middle, end = EXPECTED[schedule]
    assert options.learning_rate(0.1) == pytest.approx(0.5)
    assert options.learning_rate(0.2) == pytest.approx(1.0)
    assert options.learning_rate(0.6) == pytest.approx(middle)
    assert options.learning_rate(1.0) == pytest.approx(end)


def test_a_length_in_epochs_follows_the_steps_of_an_epoch() -> None:
    options = replace(BASE, total_steps=0, epochs=4)
    assert options.progress(30, 0.0, 10) == 0.75
    assert options.progress(50, 0.0, 10) == 1.0


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "lion"},
        {"schedule": "zigzag"},
        {"warmup": 1.0},
        {"peak_rate": 0.0},
        {"schedule": "exponential", "final_rate": 0.0},
        {"epochs": 3.0},
    ],
)
def test_unknown_names_and_impossible_rates_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Received"):
        replace(BASE, **changes)


def adamw(value: float, gradients: list[float], rate: float, decay: float) -> float:
    """Algorithm 2 of Loshchilov and Hutter 2019."""
    return _adam_steps(value, gradients, rate, decoupled=decay)


def adam(value: float, gradients: list[float], rate: float, decay: float) -> float:
    return _adam_steps(value, gradients, rate, coupled=decay)


def _adam_steps(
    value: float,
    gradients: list[float],
    rate: float,
    *,
    decoupled: float = 0.0,
    coupled: float = 0.0,
) -> float:
    first = second = 0.0
    for step, gradient in enumerate(gradients, start=1):
        whole = gradient + coupled * value
        first = 0.9 * first + 0.1 * whole
        second = 0.999 * second + 0.001 * whole**2
        value -= rate * decoupled * value
        corrected = (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-7)
        value -= rate * corrected
    return value


def sgd(value: float, gradients: list[float], rate: float, decay: float) -> float:
    velocity = 0.0
    for gradient in gradients:
        velocity = 0.9 * velocity - rate * (gradient + decay * value)
        value += velocity
    return value


def relative_adam(value: float, gradients: list[float], rate: float, decay: float) -> float:
    first = second = 0.0
    for step, gradient in enumerate(gradients, 1):
        pulled = gradient + decay * value
        first = 0.9 * first + 0.1 * pulled
        second = 0.98 * second + 0.02 * pulled**2
        corrected = (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.98**step)) + 1e-7)
        value -= rate * min(max(abs(value), 0.01), 0.3) * corrected
    return value


RULES = {"adamw": adamw, "relative_adam": relative_adam, "adam": adam, "sgd": sgd}


@pytest.mark.tf
@pytest.mark.parametrize("name", RULES)
def test_an_optimizer_takes_the_steps_of_its_formula(name: str) -> None:
    import keras
    import tensorflow as tf

    from train.loop.optimizers import OPTIMIZERS, add_decay, make_optimizer

    assert set(OPTIMIZERS) == set(RULES)
    options = replace(BASE, optimizer=name, peak_rate=0.1, weight_decay=0.3)
    kernel = keras.Variable(np.array([[2.0]], np.float32), name="kernel")
    bias = keras.Variable(np.array([2.0], np.float32), name="bias")
    optimizer = make_optimizer(options, [kernel, bias])
    gradients = [0.5, -0.2, 0.9]
    for gradient in gradients:
        raw = [tf.constant([[gradient]]), tf.constant([gradient])]
        optimizer.apply(add_decay(raw, [kernel, bias], options), [kernel, bias])
    assert float(kernel[0, 0]) == pytest.approx(RULES[name](2.0, gradients, 0.1, 0.3), abs=1e-4)
    assert float(bias[0]) == pytest.approx(RULES[name](2.0, gradients, 0.1, 0.0), abs=1e-4)


@pytest.mark.tf
def test_the_margin_grows_over_its_ramp() -> None:
    from train.loop.losses import FACE_LOSSES

    linear = replace(FACE_LOSSES, margin=0.4, margin_ramp=(0.2, 0.6))
    assert [float(linear.margin_at(x)) for x in (0.1, 0.4, 0.9)] == pytest.approx([0, 0.2, 0.4])
    fast = replace(linear, margin_growth="exponential")
    halfway = 0.4 * (1 - 0.001**0.5) / 0.999
    assert [float(fast.margin_at(x)) for x in (0.1, 0.4, 0.9)] == pytest.approx([0, halfway, 0.4])
    for wrong in ({"classifier": "other"}, {"margin_growth": "other"}):
        with pytest.raises(ValueError, match="must be one of"):
            replace(linear, **wrong)  # type: ignore[arg-type]


@pytest.mark.tf
@pytest.mark.parametrize("name", ["softmax", "am", "aam", "sphereface2"])
def test_a_configuration_names_the_classifier(name: str) -> None:
    from network.backbones.classifiers import CLASSIFIERS
    from train.loop.losses import VOICE_LOSSES

    options = replace(VOICE_LOSSES, classifier=name, sub_centres=2, power=2.0)
    head = options.make_classifier(7)
    assert type(head) is CLASSIFIERS[name]
    assert (head.classes, head.sub_centres, head.scale) == (7, 2, options.scale)
    assert getattr(head, "power", 2.0) == 2.0
