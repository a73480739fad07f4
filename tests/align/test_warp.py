"""The similarity transform and the warp.

The oracle of the transform is an independent solution. The warp is judged by what it
does to pixels.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from align.warp import TEMPLATE_XY, align, align_part, is_plausible, scale_of, umeyama


def similarity(scale: float, degrees: float, shift: tuple[float, float]) -> np.ndarray:
    a = np.radians(degrees)
    return np.array(
        [
            [scale * np.cos(a), -scale * np.sin(a), shift[0]],
            [scale * np.sin(a), scale * np.cos(a), shift[1]],
        ]
    )


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


def by_least_squares(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The oracle: the same problem as a linear one in (a, b, tx, ty), solved by numpy."""
    x, y = source.T
    one = np.ones(len(x))
    zero = np.zeros(len(x))
    left = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
    a, b, tx, ty = np.linalg.lstsq(left, np.concatenate([target[:, 0], target[:, 1]]), rcond=None)[
        0
    ]
    return np.array([[a, -b, tx], [b, a, ty]])


@pytest.mark.parametrize("seed", range(20))
def test_umeyama_is_the_least_squares_solution(seed: int) -> None:
    rng = np.random.default_rng(seed)
    true = similarity(rng.uniform(0.1, 5), rng.uniform(-180, 180), tuple(rng.uniform(-500, 500, 2)))
    source = rng.uniform(0, 300, (5, 2)).astype(np.float32)
    target = (apply(true, source) + rng.normal(0, 3, (5, 2))).astype(np.float32)
    assert umeyama(source, target) == pytest.approx(
        by_least_squares(source, target), rel=1e-3, abs=1e-2
    )


def test_umeyama_recovers_an_exact_similarity() -> None:
    true = similarity(0.37, 25, (40, -12))
    assert umeyama(TEMPLATE_XY, apply(true, TEMPLATE_XY)) == pytest.approx(true, abs=1e-4)


def test_umeyama_never_mirrors() -> None:
    mirrored = TEMPLATE_XY * np.array([-1, 1], np.float32)
    matrix = umeyama(mirrored, TEMPLATE_XY)
    assert np.linalg.det(matrix[:, :2]) > 0


def test_umeyama_agrees_with_opencv_on_clean_points() -> None:
    target = apply(similarity(1.7, -30, (9, 4)), TEMPLATE_XY)
    expected, _ = cv2.estimateAffinePartial2D(TEMPLATE_XY, target.astype(np.float32))
    assert umeyama(TEMPLATE_XY, target) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    "points",
    [
        np.full((5, 2), 7.0),
        np.full((5, 2), np.nan),
        np.zeros((5, 3)),
        np.zeros((1, 2)),
        TEMPLATE_XY * np.inf,
        TEMPLATE_XY * 0.001,
    ],
)
def test_degenerate_landmarks_are_refused(points: np.ndarray) -> None:
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match="Received"):
        umeyama(points, TEMPLATE_XY)


def test_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(4, 2\)"):
        umeyama(TEMPLATE_XY[:4], TEMPLATE_XY)


def test_plausible_faces_at_any_size_and_tilt() -> None:
    for scale, tilt in ((0.2, 0), (1, 30), (6, -45)):
        assert is_plausible(
            apply(similarity(scale, tilt, (100, 50)), TEMPLATE_XY).astype(np.float32)
        )
    profile = TEMPLATE_XY * np.array([0.35, 1], np.float32) + np.array(
        [[0, 0], [0, 0], [14, 0], [0, 0], [0, 0]], np.float32
    )
    assert is_plausible(profile)


def test_implausible_faces() -> None:
    scrambled = TEMPLATE_XY[[0, 3, 2, 1, 4]]
    mirrored = TEMPLATE_XY[[1, 0, 2, 4, 3]]
    assert not is_plausible(np.full((5, 2), 3.0, np.float32))
    assert not is_plausible(np.full((5, 2), np.nan, np.float32))
    assert not is_plausible(scrambled)
    assert not is_plausible(mirrored)
    assert not is_plausible(TEMPLATE_XY[:4])


def dotted(landmarks_xy: np.ndarray, size: int, radius: int) -> np.ndarray:
    image = np.full((size, size, 3), 60, np.uint8)
    for x, y in landmarks_xy:
        centre = (round(x * 16), round(y * 16))
        cv2.circle(
            image,
            center=centre,
            radius=radius * 16,
            color=(250, 250, 250),
            thickness=-1,
            lineType=cv2.LINE_AA,
            shift=4,
        )
    return image


@pytest.mark.parametrize(("scale", "tilt"), [(0.5, 0), (1.0, 10), (3.0, -20), (6.5, 35)])
@pytest.mark.parametrize("halve", [False, True])
def test_landmarks_land_on_the_template(scale: float, tilt: float, halve: bool) -> None:
    landmarks = apply(similarity(scale, tilt, (260, 180)), TEMPLATE_XY)
    image = dotted(landmarks, 1200, max(2, round(4 * scale)))
    crop = align(image, landmarks.astype(np.float32), halve=halve)
    assert crop.shape == (112, 112, 3)
    assert crop.dtype == np.uint8
    for x, y in TEMPLATE_XY:
        patch = crop[round(y) - 8 : round(y) + 9, round(x) - 8 : round(x) + 9, 0].astype(float) - 60
        middle = [(patch.sum(a) * np.arange(17)).sum() / patch.sum() for a in (0, 1)]
        assert middle == pytest.approx([x - round(x) + 8, y - round(y) + 8], abs=0.35)


@pytest.mark.parametrize("halve", [False, True])
def test_shrinking_does_not_alias(halve: bool) -> None:
    stripes = np.repeat(np.tile(np.array([0, 255], np.uint8), 600)[None, :, None], 1200, 0).repeat(
        3, 2
    )
    landmarks = apply(similarity(7.3, 0, (100, 100)), TEMPLATE_XY).astype(np.float32)
    smooth = align(stripes, landmarks, halve=halve)[8:-8, 8:-8].std()
    jagged = cv2.warpAffine(stripes, umeyama(landmarks, TEMPLATE_XY), (112, 112))[8:-8, 8:-8].std()
    assert smooth < 8
    assert smooth < 0.2 * jagged


@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (2, 3)])
def test_a_large_face_at_the_edge_of_a_narrow_picture_is_cut_out(shape: tuple[int, int]) -> None:
    landmarks = apply(similarity(6.5, 0, (0, 0)), TEMPLATE_XY).astype(np.float32)
    image = np.full((*shape, 3), 200, np.uint8)
    halved = align(image, landmarks, halve=True).astype(int)
    assert np.abs(halved - align(image, landmarks)).mean() < 1


def test_outside_the_picture_it_is_black() -> None:
    landmarks = TEMPLATE_XY - np.array([60, 0], np.float32)
    crop = align(np.full((112, 112, 3), 200, np.uint8), landmarks)
    assert (crop[:, :50] == 0).all()
    assert (crop[20:90, 70:100] == 200).all()


@pytest.mark.parametrize("scale", [0.4, 1.5])
def test_a_part_is_that_of_the_whole_face(scale: float) -> None:
    part = (slice(74, 112), slice(28, 84))
    y, x = np.mgrid[:300, :300]
    grey = (127 + 100 * np.sin(x / 9) * np.cos(y / 11)).astype(np.uint8)
    points = (TEMPLATE_XY * scale + 20).astype(np.float32)
    whole = align(grey, points)[part].astype(int)
    assert whole.std() > 5
    np.testing.assert_allclose(align_part(grey, points, part), whole, atol=2)


def test_the_template_scales_with_the_size_of_the_crop() -> None:
    landmarks = apply(similarity(2.0, 0, (30, 30)), TEMPLATE_XY).astype(np.float32)
    image = dotted(landmarks, 320, 8)
    small = align(image, landmarks, 112)
    large = align(image, landmarks, 224)
    assert (
        np.abs(
            cv2.resize(large, (112, 112), interpolation=cv2.INTER_AREA).astype(int) - small
        ).mean()
        < 3
    )


def test_scale() -> None:
    assert scale_of(similarity(0.4, 77, (1, 2))) == pytest.approx(0.4)
