"""Mouths that move, and pictures that do not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from align.faces import FaceDetector, find_faces
from align.mouth import (
    MOUTH,
    STILL,
    UPPER_FACE,
    measure_changes,
    measure_changes_within,
    measure_motion,
)
from align.warp import align
from demo.faces import face
from utils.arrays import ImageArray
from utils.media import Frame

MOUTHS = (0.0, 0.6, 1.0, 0.3, 0.8, 0.1)


@pytest.fixture(scope="module")
def landmarks() -> np.ndarray:
    """Where the points of a drawn face lie."""
    (found,) = find_faces(FaceDetector(), [Frame(face(1, 240), 0.0)])
    return found[0].landmarks_xy


def crops(landmarks: np.ndarray, mouths: tuple[float, ...], jitter_px: float) -> list[ImageArray]:
    """Aligned faces of somebody whose mouth is open so far, by points that jitter."""
    rng = np.random.default_rng(0)
    images = []
    for mouth in mouths:
        points = landmarks + rng.normal(0, jitter_px, 2).astype(np.float32)
        light = rng.uniform(0.95, 1.05)
        picture = np.clip(face(1, 240, mouth).astype(np.float32) * light, 0, 255)
        images.append(align(picture.astype(np.uint8), points))
    return images


def test_a_mouth_that_talks_moves(landmarks: np.ndarray) -> None:
    assert measure_motion(crops(landmarks, MOUTHS, 1.0)) > STILL


@pytest.mark.parametrize("mouth", [0.0, 1.0])
def test_a_picture_is_still_however_the_camera_shakes(landmarks: np.ndarray, mouth: float) -> None:
    assert measure_motion(crops(landmarks, (mouth,) * 6, 1.5)) < STILL


def test_changes_are_between_neighbours(landmarks: np.ndarray) -> None:
    changes = measure_changes(crops(landmarks, (0.0, 0.0, 1.0, 1.0), 0.0))
    assert changes.shape == (3,)
    assert changes[1] > STILL > max(changes[0], changes[2])


def test_one_face_and_a_blank_one_do_not_move(landmarks: np.ndarray) -> None:
    assert measure_motion(crops(landmarks, (0.0,), 0.0)) == 0.0
    assert measure_motion([np.zeros((112, 112, 3), np.uint8)] * 3) == 0.0


def test_a_picture_that_is_held_askew_is_stiller_beside_the_motion_of_the_face(
    landmarks: np.ndarray,
) -> None:
    images = [tilt(crops(landmarks, (0.5,), 0.0)[0], degrees) for degrees in (0, 3, -2, 4, 1)]
    mouth, upper = measure_changes_within(images, (MOUTH, UPPER_FACE))
    assert mouth.shape == upper.shape == (4,)
    assert max(mouth.max(), upper.max()) < 0.1 * measure_changes(images).max()


def tilt(image: ImageArray, degrees: float) -> ImageArray:
    """Turn a face by so much, and put it a part of a pixel elsewhere."""
    turn = cv2.getRotationMatrix2D((56, 56), degrees, 1 + degrees / 100)
    matrix = turn + np.array([[0, 0, 0.4], [0, 0, 0.4]])
    border = cv2.BORDER_REPLICATE
    return np.asarray(cv2.warpAffine(image, matrix, image.shape[:2], borderMode=border), np.uint8)


def test_only_the_mouth_of_somebody_who_talks_moves_by_itself(landmarks: np.ndarray) -> None:
    mouth, upper = measure_changes_within(crops(landmarks, MOUTHS, 1.0), (MOUTH, UPPER_FACE))
    assert np.quantile(mouth, 0.75) > STILL > 3 * np.quantile(upper, 0.75)


def test_faces_that_cannot_be_laid_over_each_other_are_compared_as_they_are() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (2, 112, 112, 3), dtype=np.uint8)
    blank = np.zeros((112, 112, 3), np.uint8)
    changes, _ = measure_changes_within([noise[0], noise[1], blank, blank], (MOUTH, UPPER_FACE))
    assert changes[0] > 0.5
    assert list(changes[1:]) == [0.0, 0.0]
