"""Logistic regression of trials by Newton's method, at even prior odds.

The affine calibration of Brümmer & du Preez 2006: the result is a natural
log-likelihood ratio, and both classes weigh alike. Where trials can be separated without
error the slopes would be infinite. With few trials that is chance, and the targets of
Platt 1999 ("Probabilistic Outputs for Support Vector Machines") say how far they can be
trusted: (n + 1) / (n + 2) instead of 1, and 1 / (n + 2) instead of 0, for a class of n.
A small quadratic penalty does the same where n is large.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from utils.arrays import Float64Array

PENALTY = 1e-6
STEPS = 100
PRECISION = 1e-9
SMALLEST_STEP = 1e-6


def fit(
    features: npt.ArrayLike,
    labels: npt.ArrayLike,
    support: int | None = None,
    weights: npt.ArrayLike | None = None,
) -> tuple[Float64Array, float]:
    """Fit slopes (d,) and intercept: llr = features · slopes + intercept.

    Args:
        features: (n, d) scores, finite.
        labels: (n,) of 0 and 1, both present.
        support: How many target trials these are worth, where several are of the same
            people. None: all.
        weights: (n,) how much each trial counts within its class. None: alike.

    Raises:
        ValueError: There is one class only, or the shapes do not fit.
    """
    x = np.asarray(features, np.float64)
    y = np.asarray(labels, np.float64)
    if x.ndim != 2 or y.shape != (len(x),) or not 0 < y.sum() < len(y):
        raise ValueError(
            "features (n, d) and labels (n,) of both classes are needed. "
            f"Received: {x.shape}, {y.shape}, {int(y.sum())} targets"
        )
    mean = x.mean(axis=0)
    spread = np.maximum(x.std(axis=0), 1e-12)
    z = np.column_stack([(x - mean) / spread, np.ones(len(x))])
    own = np.ones(len(y)) if weights is None else np.asarray(weights, np.float64)
    weight = own * np.where(y == 1, 0.5 / (own @ y), 0.5 / (own @ (1 - y)))
    targets = support or y.sum()
    impostors = len(y) - y.sum()
    expected = np.where(y == 1, (targets + 1) / (targets + 2), 1 / (impostors + 2))
    theta = _minimise(_Cost(z, expected, weight))
    slopes = theta[:-1] / spread
    return slopes, float(theta[-1] - slopes @ mean)


@dataclass(frozen=True)
class _Cost:
    """Weighted cross-entropy with a penalty on all numbers but the last, the intercept.

    `z` (n, d) holds the standardised features and a column of ones, `y` (n,) the
    probability expected of each trial, `weight` (n,) how much it counts.
    """

    z: Float64Array
    y: Float64Array
    weight: Float64Array

    @property
    def penalty(self) -> Float64Array:
        penalty = np.full(self.z.shape[1], PENALTY)
        penalty[-1] = 0.0
        return penalty

    def at(self, theta: Float64Array) -> float:
        score = self.z @ theta
        return float(
            self.weight @ (self.y * np.logaddexp(0, -score) + (1 - self.y) * np.logaddexp(0, score))
            + self.penalty @ theta**2 / 2
        )

    def newton_step(self, theta: Float64Array) -> Float64Array:
        p = 1 / (1 + np.exp(-np.clip(self.z @ theta, -500, 500)))
        gradient = self.z.T @ (self.weight * (p - self.y)) + self.penalty * theta
        curvature = (
            (self.z * (self.weight * p * (1 - p))[:, None]).T @ self.z
            + np.diag(self.penalty)
            + 1e-12 * np.eye(len(theta))
        )
        return np.asarray(np.linalg.solve(curvature, gradient), np.float64)


def _minimise(cost: _Cost) -> Float64Array:
    theta = np.zeros(cost.z.shape[1])
    loss = cost.at(theta)
    for _ in range(STEPS):
        step = cost.newton_step(theta)
        size = 1.0
        while (lower := cost.at(theta - size * step)) > loss and size > SMALLEST_STEP:
            size /= 2
        theta = theta - size * step
        improvement = loss - lower
        loss = lower
        if improvement < PRECISION:
            break
    return theta
