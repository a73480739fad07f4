"""Mouths that move, and pictures that do not."""

from __future__ import annotations

import numpy as np
import pytest

from align.faces import FaceDetector, find_faces
from align.mouth import STILL, measure_changes, measure_motion
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
