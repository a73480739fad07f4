"""Least squares on activations: what can be fitted exactly is found."""

from __future__ import annotations

import numpy as np
import pytest

from train.voice.least_squares import (
    patches,
    ridge,
    separate,
    shift,
    strongest,
    windows,
)


def rows(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def test_a_linear_map_is_recovered_with_its_bias() -> None:
    inputs = rows(3, 400, 6) + 2.0
    kernel = rows(6, 4, seed=1)
    found, bias = ridge(inputs, inputs @ kernel + 5.0, np.zeros((6, 4)), 1e-9)
    np.testing.assert_allclose(found, kernel, atol=1e-4)
    np.testing.assert_allclose(bias, 5.0, atol=1e-3)


def test_without_evidence_the_kernel_stays_where_it_is_pulled() -> None:
    inputs = rows(500, 3)
    inputs[:, 2] = 0
    pull = np.ones((3, 2))
    kernel, _ = ridge(inputs, inputs @ np.zeros((3, 2)), pull, 1e-3)
    np.testing.assert_allclose(kernel[2], 1.0, atol=1e-9)
    assert np.abs(kernel[:2]).max() < 0.01


@pytest.mark.parametrize("dilation", [1, 2])
def test_a_separable_convolution_is_recovered(dilation: int) -> None:
    hidden = np.maximum(rows(4, 90, 8), 0)
    point = rows(8, 3, seed=1)
    taps = rows(3, 3, seed=2)

    def convolve(point: np.ndarray, taps: np.ndarray) -> np.ndarray:
        moved = [shift(hidden, step) @ point for step in (dilation, 0, -dilation)]
        return sum(part * tap for part, tap in zip(moved, taps, strict=True))

    wanted = convolve(point, taps)
    start = np.einsum("cg,kg->kcg", point, taps) + 0.2 * rows(3, 8, 3, seed=3)
    recovered = convolve(*separate(hidden, wanted, start, dilation))
    assert np.mean((recovered - wanted) ** 2) < 1e-4 * np.mean(np.var(wanted, axis=(0, 1)))


@pytest.mark.parametrize("strides", [(1, 1), (1, 2), (2, 2)])
@pytest.mark.parametrize("size", [(7, 8), (6, 5)])
def test_patches_are_what_a_convolution_reads(
    strides: tuple[int, int], size: tuple[int, int]
) -> None:
    images = rows(2, *size, 3)
    kernel = rows(3, 3, 3, 4, seed=1)
    made = patches(images, strides) @ kernel.reshape(-1, 4)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    for row in range(0, size[0], strides[0]):
        for column in range(0, size[1], strides[1]):
            read = padded[:, row : row + 3, column : column + 3]
            np.testing.assert_allclose(
                made[:, row // strides[0], column // strides[1]],
                np.einsum("nhwc,hwco->no", read, kernel),
            )


def test_windows_are_what_a_temporal_convolution_reads() -> None:
    values = rows(1, 7, 2)
    made = windows(values, 5, 2)
    assert made.shape == (1, 4, 10)
    np.testing.assert_array_equal(made[0, 0], np.concatenate([np.zeros(4), values[0, :3].ravel()]))
    np.testing.assert_array_equal(made[0, 2], values[0, 2:7].ravel())


def test_the_strongest_come_in_rising_order() -> None:
    assert strongest(np.array([3.0, 9.0, 1.0, 9.5]), 3).tolist() == [0, 1, 3]
