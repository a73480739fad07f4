"""Shrunken copies of frames."""

from __future__ import annotations

import numpy as np
import pytest

from align.copies import Copy, shrink, shrink_factor
from align.looks import FAST_PX
from utils.arrays import ImageArray

GREY = 127


def random_image(height: int, width: int, seed: int = 0) -> ImageArray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


SIZES = [(320, 240, 1), (640, 480, 2), (1280, 720, 3), (30, 4000, 1), (200, 100, 1), (1, 1, 1)]


@pytest.mark.parametrize(("width", "height", "factor"), SIZES)
def test_shrink_factor(width: int, height: int, factor: int) -> None:
    assert shrink_factor(width, height, FAST_PX) == factor


@pytest.mark.parametrize("factor", [2, 3, 4, 5])
def test_shrinking_averages_squares(factor: int) -> None:
    height = 11
    width = 7
    image = random_image(height * factor + 1, width * factor + 1, factor)
    squares = image[:-1, :-1].reshape(height, factor, width, factor, 3).astype(np.float64)
    np.testing.assert_allclose(shrink(image, factor), squares.mean(axis=(1, 3)), atol=0.501)


@pytest.mark.parametrize("factor", [1, 2, 3])
@pytest.mark.parametrize(
    "boxes",
    [
        [[30.0, 20, 50, 40]],
        [[-5.5, -8, 12, 14], [20, 10, 30, 22]],
        [[70.2, 50.7, 99, 80]],
        [[-200.0, -200, 400, 400]],
        [[-80.0, 300, -40, 340]],
    ],
)
def test_a_copy_is_the_same_near_a_box(factor: int, boxes: list[list[float]]) -> None:
    frame = random_image(60 * factor + 1, 90 * factor + 1)
    near = Copy(frame, factor).near(np.array(boxes))
    whole = Copy(frame, factor).whole
    assert near.shape == whole.shape
    for x1, y1, x2, y2 in boxes:
        reach = 0.75 * max(x2 - x1, y2 - y1)
        middle = np.array([(y1 + y2) / 2, (x1 + x2) / 2])
        first = np.maximum(middle - reach, 0).astype(int)
        last = np.ceil(middle + reach).astype(int)
        part = np.s_[first[0] : last[0], first[1] : last[1]]
        assert np.array_equal(near[part], whole[part])


def test_the_rest_is_grey_where_it_is_not_made_yet() -> None:
    copy = Copy(random_image(180, 270), 3)
    box = np.array([[30.0, 20, 40, 30]])
    assert (copy.near(box)[:, 60:] == GREY).all()
    assert (copy.whole[:, 60:] != GREY).any()
    assert copy.near(box) is copy.whole
