"""Least squares on activations: the layers of a network fitted to those of another.

Sums are kept in float64. Functions take rows of samples: inputs (n, c) or (n, steps, c).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from utils.arrays import Float64Array

Rows = NDArray[np.floating]
# Ridges of the separation, as shares of the mean variance.
POINT_RIDGE = 1e-4
TAP_RIDGE = 1e-6
ROUNDS = 8
# Rows of a product in float32.
CHUNK = 2000


def covariance(inputs: Rows, outputs: Rows) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Means of inputs (n, c) and outputs (n, u), and their covariance (c, u)."""
    mean_in = inputs.mean(axis=0, dtype=np.float64)
    mean_out = outputs.mean(axis=0, dtype=np.float64)
    left = (inputs - mean_in).astype(np.float32)
    right = left if inputs is outputs else (outputs - mean_out).astype(np.float32)
    total = np.zeros((inputs.shape[1], outputs.shape[1]))
    for start in range(0, len(inputs), CHUNK):
        part = slice(start, start + CHUNK)
        total += left[part].T @ right[part]
    return mean_in, mean_out, total / len(inputs)


def ridge(
    inputs: Rows, outputs: Rows, pull: Rows, strength: float
) -> tuple[Float64Array, Float64Array]:
    """Fit outputs = inputs @ kernel + bias.

    Args:
        inputs: (..., c).
        outputs: (..., u).
        pull: Kernel (c, u) that a channel without evidence keeps.
        strength: Weight of the pull, as a share of the mean variance of the inputs.

    Returns:
        Kernel (c, u) and bias (u,).
    """
    rows = inputs.reshape(-1, inputs.shape[-1])
    wanted = outputs.reshape(-1, outputs.shape[-1])
    mean_in, mean_out, cross = covariance(rows, wanted)
    square = covariance(rows, rows)[2]
    weight = strength * np.trace(square) / len(square) + 1e-12
    square += weight * np.eye(len(square))
    kernel = np.linalg.solve(square, cross + weight * np.asarray(pull, np.float64))
    return kernel, mean_out - mean_in @ kernel


def separate(
    hidden: Rows, outputs: Rows, kernel: Rows, dilation: int
) -> tuple[Float64Array, Float64Array]:
    """Fit a temporal convolution of 3 taps by a pointwise one and a depthwise one.

    Starts from the best such pair for the kernel (its singular vectors) and alternates
    between both, each of which is a linear problem.

    Args:
        hidden: Inputs (n, steps, c).
        outputs: Wanted outputs (n, steps, g).
        kernel: The convolution (3, c, g) to start from.
        dilation: Steps between taps.

    Returns:
        Pointwise kernel (c, g), and taps (3, g).
    """
    square, cross = _moments(hidden, outputs, dilation)
    point, taps = _closest(kernel)
    points: list[Rows] = []
    columns: list[Rows] = []
    for unit in range(outputs.shape[-1]):
        one, three = _separate_unit(square, cross[:, :, unit], point[:, unit], taps[:, unit])
        points.append(one)
        columns.append(three)
    return np.stack(points, axis=1), np.stack(columns, axis=1)


def _separate_unit(
    square: Float64Array, cross: Float64Array, point: Rows, taps: Rows
) -> tuple[Rows, Rows]:
    """Fit one output: its pointwise weights (c,), and its taps (3,) of length 1.

    `square` and `cross` are what `_moments` gives, `cross` for this output alone.
    """
    channels = len(point)
    variance = np.mean([np.trace(square[tap, tap]) for tap in range(3)]) / channels
    for _ in range(ROUNDS):
        matrix = np.tensordot(np.outer(taps, taps), square, 2)
        matrix += POINT_RIDGE * variance * np.eye(channels)
        point = np.linalg.solve(matrix, taps @ cross)
        taps = np.linalg.solve((square @ point) @ point + TAP_RIDGE * np.eye(3), cross @ point)
        length = np.linalg.norm(taps) + 1e-9
        point = point * length
        taps = taps / length
    return point, taps


def _moments(hidden: Rows, outputs: Rows, dilation: int) -> tuple[Float64Array, Float64Array]:
    """Second moments (3, 3, c, c) of the taps' inputs and (3, c, g) with the outputs."""
    channels = hidden.shape[-1]
    square = np.zeros((3, 3, channels, channels))
    cross = np.zeros((3, channels, outputs.shape[-1]))
    wanted = outputs.reshape(-1, outputs.shape[-1])
    shifted = [shift(hidden, step).reshape(-1, channels) for step in (dilation, 0, -dilation)]
    for tap, first in enumerate(shifted):
        cross[tap] = first.T @ wanted / len(wanted)
        for other, second in enumerate(shifted[: tap + 1]):
            square[tap, other] = first.T @ second / len(wanted)
            square[other, tap] = square[tap, other].T
    return square, cross


def _closest(kernel: Rows) -> tuple[Float64Array, Float64Array]:
    """The pointwise kernel (c, g) and the taps (3, g) closest to a kernel (3, c, g)."""
    left, values, right = np.linalg.svd(kernel.transpose(2, 0, 1), full_matrices=False)
    return (right[:, 0] * values[:, :1]).T, left[:, :, 0].T


def shift(values: Rows, steps: int) -> Rows:
    """Move (n, length, c) by some steps, later where positive, with zeros."""
    moved = np.zeros_like(values)
    if steps > 0:
        moved[:, steps:] = values[:, :-steps]
    elif steps < 0:
        moved[:, :steps] = values[:, -steps:]
    else:
        moved[:] = values
    return moved


def patches(images: Rows, strides: tuple[int, int]) -> Rows:
    """What a 3 × 3 convolution reads at each place of (n, h, w, c), with zeros around.

    Returns:
        (n, places down, places across, 9 * c).
    """
    down, across = strides
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height = (images.shape[1] - 1) // down + 1
    width = (images.shape[2] - 1) // across + 1
    parts = []
    for row in range(3):
        rows = padded[:, row : row + down * (height - 1) + 1 : down]
        parts += [rows[:, :, at : at + across * (width - 1) + 1 : across] for at in range(3)]
    return np.concatenate(parts, axis=-1)


def strongest(importance: Rows, count: int) -> NDArray[np.int64]:
    """The rising numbers of the `count` most important channels."""
    return np.sort(np.argsort(-importance, kind="stable")[:count])


def windows(values: Rows, taps: int, stride: int) -> Rows:
    """What a temporal convolution reads of (n, length, c), with zeros around.

    Returns:
        (n, steps, taps * c).
    """
    padded = np.pad(values, ((0, 0), (taps // 2, taps // 2), (0, 0)))
    steps = (values.shape[1] - 1) // stride + 1
    parts = [padded[:, tap : tap + stride * (steps - 1) + 1 : stride] for tap in range(taps)]
    return np.concatenate(parts, axis=-1)
