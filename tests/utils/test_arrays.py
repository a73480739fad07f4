"""Vectors of unit length."""

from typing import Any

import numpy as np
import pytest

from utils.arrays import unit


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 5)])
def test_vectors_are_scaled_along_the_last_axis(shape: tuple[int, ...], dtype: Any) -> None:
    vectors = np.random.default_rng(0).normal(size=shape).astype(dtype)
    scaled = unit(vectors)
    assert (scaled.shape, scaled.dtype) == (shape, dtype)
    np.testing.assert_allclose(np.linalg.norm(scaled, axis=-1), 1, rtol=1e-6)
    np.testing.assert_allclose(
        scaled * np.linalg.norm(vectors, axis=-1, keepdims=True), vectors, rtol=1e-6
    )


def test_a_vector_of_zeros_stays_zeros_beside_another() -> None:
    scaled = unit(np.array([[0, 0], [3, 4]], np.float32))
    np.testing.assert_array_equal(scaled, np.array([[0, 0], [0.6, 0.8]], np.float32))


def test_the_argument_is_left_as_it_is() -> None:
    vectors = np.array([[3, 4]], np.float32)
    unit(vectors)
    np.testing.assert_array_equal(vectors, [[3, 4]])
