"""Quality of aligned faces: each property moves the way it should, and only that one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from align.quality import assess_face, estimate_yaw, measure_roll_deg, measure_sharpness, score_face
from align.warp import TEMPLATE_XY, align
from demo.faces import face
from utils.media import FaceDetection, FaceQuality

LANDMARKS = (np.array([[159, 181], [241, 181], [200, 234], [172, 276], [228, 276]]) * 1.0).astype(
    np.float32
)

PROPERTIES = ("size_px", "sharpness", "yaw", "brightness", "contrast", "confidence")


def quality_of(
    picture: np.ndarray, width: float = 200, landmarks: np.ndarray = LANDMARKS
) -> FaceQuality:
    box = np.array([100, 80, 100 + width, 80 + 1.3 * width], np.float32)
    return assess_face(align(picture, landmarks), FaceDetection(box, landmarks, 0.999))


def test_a_clear_face_scores_high() -> None:
    quality = quality_of(face(3))
    assert quality.score > 0.85
    assert abs(quality.yaw) < 0.1
    assert abs(quality.roll_deg) < 1
    assert quality.size_px == 200


@pytest.mark.parametrize("sigma", [4.0, 9.0])
def test_blur_lowers_sharpness_and_score(sigma: float) -> None:
    clear = quality_of(face(3))
    blurred = quality_of(cv2.GaussianBlur(face(3), (0, 0), sigma))
    assert blurred.sharpness < 0.7 * clear.sharpness
    assert blurred.score < 0.85 * clear.score


def test_sharpness_does_not_depend_on_contrast() -> None:
    grey = (align(face(3), LANDMARKS)[..., 1] / 255).astype(np.float32)
    dull = (grey * 0.5 + 0.2).astype(np.float32)
    assert measure_sharpness(dull) == pytest.approx(measure_sharpness(grey), abs=0.02)
    assert measure_sharpness(np.full((40, 40), 0.5, np.float32)) == 0


@pytest.mark.parametrize(("light", "field"), [(0.12, "dark"), (3.2, "bright")])
def test_bad_light_lowers_the_score(light: float, field: str) -> None:
    lit = np.clip(face(3).astype(np.float32) * light, 0, 255).astype(np.uint8)
    quality = quality_of(lit)
    assert quality.score < 0.5
    assert (quality.brightness < 0.15) == (field == "dark")


def test_small_faces_score_lower() -> None:
    scores = [quality_of(face(3), width).score for width in (20, 40, 80, 300)]
    assert scores == sorted(scores)
    assert scores[0] < 0.4
    assert scores[2] == pytest.approx(scores[3])


def test_yaw_follows_the_nose() -> None:
    turned = TEMPLATE_XY.copy()
    turned[2, 0] += 12
    assert estimate_yaw(TEMPLATE_XY) == pytest.approx(0, abs=0.02)
    assert estimate_yaw(turned) > 0.5
    mirrored = turned[[1, 0, 2, 4, 3]] * np.array([-1, 1], np.float32)
    assert estimate_yaw(mirrored) == pytest.approx(-estimate_yaw(turned), abs=0.05)
    assert estimate_yaw(np.zeros((5, 2), np.float32)) == 1


def test_yaw_does_not_depend_on_tilt_and_size() -> None:
    turned = TEMPLATE_XY.copy()
    turned[2, 0] += 8
    a = np.radians(30)
    tilted = turned @ (2.5 * np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]))
    assert estimate_yaw(tilted.astype(np.float32)) == pytest.approx(estimate_yaw(turned), abs=0.01)
    assert measure_roll_deg(tilted.astype(np.float32)) == pytest.approx(
        30 + measure_roll_deg(turned), abs=0.1
    )


def test_score_stays_in_range_at_the_extremes() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        values = rng.uniform([0, 0, -1, 0, 0, 0], [2000, 1, 1, 1, 0.5, 1]).tolist()
        assert 0 <= score_face(**dict(zip(PROPERTIES, values, strict=True))) <= 1
    good = (200, 0.7, 0.0, 0.5, 0.15, 0.99)
    assert score_face(**dict(zip(PROPERTIES, good, strict=True))) == 1
