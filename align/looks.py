"""Second looks for a face, where the first one finds none or is not sure.

A face that fills the picture is found with a border around it, which also shows it
smaller. Faces far away are found in larger copies. A camera or a screen that stands on
its side shows faces turned by a quarter: the picture is turned for the look, and boxes
and landmarks are turned back, so that the warp puts the face upright.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from align.quality import measure_roll_deg
from utils.arrays import Float32Array, ImageArray
from utils.media import FaceDetection

Detect = Callable[[Sequence[ImageArray], int], list[list[FaceDetection]]]
"""Finds the faces in images of one size, in copies of about so many pixels."""

# Pixels of the copies that are looked at
FAST_PX = 320 * 240
THOROUGH_PX = 1280 * 720
CLOSE_PX = 2048 * 1536

# Width of the border, as a share of the shorter side
_BORDER = 0.5

# Quarter turns, counterclockwise, in the order in which they are tried
_TURNS = (1, 3, 2)

_MOST_ROLL_DEG = 45.0

# Detector score from which a face in a turned picture counts. Each turn is one more chance to
# take fur or leaves for a face: those were found at 0.94, people from 0.97 on.
_LEAST_TURNED = 0.95
_GREY = 127


def look_again(
    detect: Detect, images: Sequence[ImageArray], closely: Sequence[int]
) -> Iterator[list[list[FaceDetection]]]:
    """Look at a few images of one size in other ways, one after the other.

    Args:
        detect: finds faces.
        images: (h, w, 3) uint8 RGB.
        closely: pixels of the larger copies that show more than the first look did.

    Yields:
        Per image the detections, in pixels of that image.
    """
    yield look_with_border(detect, images)
    for about_px in closely:
        yield select_upright(detect(images, about_px))
    for turns in _TURNS:
        yield look_turned(detect, images, turns)


def look_with_border(detect: Detect, images: Sequence[ImageArray]) -> list[list[FaceDetection]]:
    """Look for faces that fill the picture: with a grey border around it.

    The images (h, w, 3) uint8 RGB have one size. The places are those in them.
    """
    border = round(_BORDER * min(images[0].shape[:2]))
    detections = select_upright(detect([_frame(image, border) for image in images], FAST_PX))
    return _change_each(detections, lambda face: _move(face, -border))


def look_turned(
    detect: Detect, images: Sequence[ImageArray], turns: int
) -> list[list[FaceDetection]]:
    """Look for faces in images turned by so many quarters, counterclockwise.

    The images (h, w, 3) uint8 RGB have one size. The places are those in them, unturned.
    """
    turned = [np.ascontiguousarray(np.rot90(image, turns)) for image in images]
    size = images[0].shape[1::-1]
    upright = select_upright(detect(turned, FAST_PX))
    detections = [_leave_out_weak(faces) for faces in upright]
    return _change_each(detections, lambda face: _turn_back(face, turns, size))


def _leave_out_weak(faces: Sequence[FaceDetection]) -> list[FaceDetection]:
    return [face for face in faces if face.score >= _LEAST_TURNED]


def select_upright(detections: Sequence[Sequence[FaceDetection]]) -> list[list[FaceDetection]]:
    """Select the faces that stand upright in each image, as far as 45°.

    The detector finds some faces that lie on their side, but misplaces their landmarks.
    """
    return [list(filter(_is_upright, faces)) for faces in detections]


def _is_upright(face: FaceDetection) -> bool:
    return abs(measure_roll_deg(face.landmarks_xy)) <= _MOST_ROLL_DEG


def _change_each(
    detections: Sequence[Sequence[FaceDetection]], change: Callable[[FaceDetection], FaceDetection]
) -> list[list[FaceDetection]]:
    return [list(map(change, faces)) for faces in detections]


def _frame(image: ImageArray, border: int) -> ImageArray:
    """Put a grey border of so many pixels around an image."""
    sides = ((border, border), (border, border), (0, 0))
    return np.pad(image, sides, constant_values=_GREY)


def _move(face: FaceDetection, by_px: float) -> FaceDetection:
    return FaceDetection(
        box_xyxy=face.box_xyxy + np.float32(by_px),
        landmarks_xy=face.landmarks_xy + np.float32(by_px),
        score=face.score,
    )


def _turn_back(face: FaceDetection, turns: int, size: tuple[int, int]) -> FaceDetection:
    """Turn a detection back into an image of this (width, height)."""
    corners = _turn_points(face.box_xyxy.reshape(2, 2), turns, size)
    return FaceDetection(
        box_xyxy=np.concatenate([corners.min(axis=0), corners.max(axis=0)]),
        landmarks_xy=_turn_points(face.landmarks_xy, turns, size),
        score=face.score,
    )


def _turn_points(points_xy: Float32Array, turns: int, size: tuple[int, int]) -> Float32Array:
    """Undo quarter turns of the picture for points (n, 2) in it."""
    width, height = size
    x, y = points_xy.T
    back = {
        1: (width - 1 - y, x),
        2: (width - 1 - x, height - 1 - y),
        3: (y, height - 1 - x),
    }
    return np.stack(back[turns], axis=1).astype(np.float32)
