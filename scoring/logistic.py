"""Logistic regression of trials by Newton's method, both classes weighted alike (even
prior odds).

The affine calibration of Brümmer & du Preez 2006: the result is a natural
log-likelihood ratio. Where trials can be separated without error the slopes would be
infinite: with few trials that is chance, and the targets of Platt 1999 ("Probabilistic
Outputs for Support Vector Machines"), (n + 1) / (n + 2) instead of 1 and 1 / (n + 2)
instead of 0 for a class of n, say how far they can be trusted. A small quadratic
penalty does the same where n is large.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from utils.arrays import Float64Array

PENALTY = 1e-6
STEPS = 100
PRECISION = 1e-9


def fit(
    features: npt.ArrayLike, labels: npt.ArrayLike, support: int | None = None
) -> tuple[Float64Array, float]:
    """Slopes (d,) and intercept: llr = features · slopes + intercept.

    Args:
        features: (n, d) scores, finite.
        labels: (n,) of 0 and 1, both present.
        support: how many target trials these are worth, where several are of the same
            people (None: all).

    Raises:
        ValueError: one class only, or shapes that do not fit.
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
    weight = np.where(y == 1, 0.5 / y.sum(), 0.5 / (len(y) - y.sum()))
    targets = support or y.sum()
    impostors = len(y) - y.sum()
    theta = _newton(z, np.where(y == 1, (targets + 1) / (targets + 2), 1 / (impostors + 2)), weight)
    slopes = theta[:-1] / spread
    return slopes, float(theta[-1] - slopes @ mean)


def _newton(z: Float64Array, y: Float64Array, weight: Float64Array) -> Float64Array:
    penalty = np.full(z.shape[1], PENALTY)
    penalty[-1] = 0.0
    theta = np.zeros(z.shape[1])
    loss = _loss(theta, z, y, weight, penalty)
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(z @ theta, -500, 500)))
        gradient = z.T @ (weight * (p - y)) + penalty * theta
        curvature = (
            (z * (weight * p * (1 - p))[:, None]).T @ z
            + np.diag(penalty)
            + 1e-12 * np.eye(len(theta))
        )
        step = np.linalg.solve(curvature, gradient)
        size = 1.0
        while (lower := _loss(theta - size * step, z, y, weight, penalty)) > loss and size > 1e-6:
            size /= 2
        theta = theta - size * step
        improvement = loss - lower
        loss = lower
        if improvement < PRECISION:
            break
    return theta


def _loss(
    theta: Float64Array,
    z: Float64Array,
    y: Float64Array,
    weight: Float64Array,
    penalty: Float64Array,
) -> float:
    score = z @ theta
    return float(
        weight @ (y * np.logaddexp(0, -score) + (1 - y) * np.logaddexp(0, score))
        + penalty @ theta**2 / 2
    )
