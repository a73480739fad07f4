"""Warping a face onto the five-point template at 112 × 112.

The warp is a similarity transform: rotation, uniform scale and translation. Its
least-squares estimate is that of S. Umeyama, "Least-squares estimation of
transformation parameters between two point patterns", IEEE TPAMI 13(4), 1991,
https://doi.org/10.1109/34.88573, written out for the plane. Points are (x, y) in pixels, y
downwards.
"""

from __future__ import annotations

import math
from typing import cast

import cv2
import numpy as np

from utils.arrays import FACE_SIZE_PX, Float32Array, Float64Array, ImageArray, IndexArray

# Eye on the image's left, other eye, nose, corners of the mouth, in a 112 × 112 image:
# the usual template of ArcFace and its kin
TEMPLATE_XY = np.array(
    [[38.29, 51.70], [73.53, 51.50], [56.03, 71.74], [41.55, 92.37], [70.73, 92.20]],
    np.float32,
)

# Points that are nearer to each other coincide
_LEAST_SPREAD_PX = 1.0

# Root mean square of the misfit of five landmarks, in eye distances of the template, up
# to which they can be those of a face
_MOST_MISFIT = 0.5


def umeyama(source_xy: Float32Array, target_xy: Float32Array) -> Float32Array:
    """Estimate the similarity transform with the least squared error.

    Args:
        source_xy: points (n, 2), n at least 2, in pixels.
        target_xy: where they are mapped to, of the same shape.

    Returns:
        (2, 3) float32: target ≈ matrix[:, :2] @ source + matrix[:, 2]. It is never a
        reflection.

    Raises:
        ValueError: the shapes are wrong, or the points coincide or are not finite.
    """
    source = _check_points(source_xy)
    target = _check_points(target_xy)
    if source.shape != target.shape:
        shapes = f"{source.shape} and {target.shape}"
        raise ValueError(f"Both point sets must have the same shape. Received: {shapes}.")
    source_mean = source.mean(0)
    target_mean = target.mean(0)
    a = source - source_mean
    b = target - target_mean
    squares = (a * a).sum()
    spread = math.sqrt(squares / len(a))
    if spread < _LEAST_SPREAD_PX:
        raise ValueError(f"The points must not coincide. Received: spread={spread:.3f} px.")
    # In the plane, rotation times scale is [[c, -s], [s, c]]: two linear unknowns
    c = (a * b).sum() / squares
    s = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / squares
    x, y = source_mean
    shift_x, shift_y = target_mean
    rows = [[c, -s, shift_x - c * x + s * y], [s, c, shift_y - s * x - c * y]]
    return np.array(rows, np.float32)


def is_plausible(landmarks_xy: Float32Array) -> bool:
    """Whether landmarks (5, 2) can be those of a face.

    They are finite, spread out, and fit the template to within half its eye distance
    (root mean square). A face seen from the side still does.
    """
    points = np.asarray(landmarks_xy, np.float64)
    if points.shape != (5, 2) or not np.isfinite(points).all():
        return False
    try:
        matrix = umeyama(points.astype(np.float32), TEMPLATE_XY)
    except ValueError:
        return False
    errors = points @ matrix[:, :2].T + matrix[:, 2] - TEMPLATE_XY
    misfit = np.sqrt((errors**2).sum(1).mean())
    eye_distance = float(TEMPLATE_XY[1, 0] - TEMPLATE_XY[0, 0])
    return bool(scale_of(matrix) > 0 and misfit < _MOST_MISFIT * eye_distance)


def scale_of(matrix: Float32Array) -> float:
    """Scale factor of a similarity transform (2, 3): above 1 it enlarges."""
    return float(np.hypot(matrix[0, 0], matrix[1, 0]))


def align(image: ImageArray, landmarks_xy: Float32Array, size_px: int = FACE_SIZE_PX) -> ImageArray:
    """Warp the face with these landmarks onto the template.

    Args:
        image: (h, w, 3) uint8 RGB.
        landmarks_xy: (5, 2) in pixels of `image`.
        size_px: side of the result. The template is scaled with it.

    Returns:
        (size_px, size_px, 3) uint8 RGB, black outside the image. Shrinking averages
        over the area of a pixel, so that nothing aliases.

    Raises:
        ValueError: the landmarks coincide or are not finite.
    """
    matrix = umeyama(landmarks_xy, TEMPLATE_XY * (size_px / FACE_SIZE_PX))
    patch, matrix = _shrink(image, matrix, size_px)
    face = cv2.warpAffine(
        patch, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR, borderValue=(0, 0, 0)
    )
    return cast(ImageArray, face)


def _shrink(
    image: ImageArray, matrix: Float32Array, size_px: int
) -> tuple[ImageArray, Float32Array]:
    """Cut out what the warp will look at and shrink it as far as the warp would.

    Area averaging shrinks it. Where the warp enlarges, nothing is done.

    Returns:
        The patch, and the matrix that maps it instead of the image.
    """
    scale = scale_of(matrix)
    if scale >= 1:
        return image, matrix
    (left, top), (right, bottom) = _source_box(image, matrix, size_px)
    if right <= left or bottom <= top:
        return image, matrix
    patch = image[top:bottom, left:right]
    width = max(1, round(patch.shape[1] * scale))
    height = max(1, round(patch.shape[0] * scale))
    small = cv2.resize(patch, (width, height), interpolation=cv2.INTER_AREA)
    ratio = np.array([patch.shape[1] / width, patch.shape[0] / height])
    linear = matrix[:, :2] * ratio
    # Pixel centres: a small pixel i covers the patch from i·r to (i+1)·r, its centre
    # lies at (i + 0.5)·r − 0.5
    offset = matrix[:, :2] @ ((ratio - 1) / 2 + [left, top]) + matrix[:, 2]
    return cast(ImageArray, small), np.hstack([linear, offset[:, None]]).astype(np.float32)


def _source_box(image: ImageArray, matrix: Float32Array, size_px: int) -> IndexArray:
    """The corners (2, 2) of the part of the image that the warp will look at."""
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    square = np.array([[0, 0, 1], [size_px, 0, 1], [0, size_px, 1], [size_px, size_px, 1]])
    corners = (square @ inverse.T)[:, :2]
    first = np.maximum(np.floor(corners.min(0)).astype(int) - 2, 0)
    last = np.minimum(np.ceil(corners.max(0)).astype(int) + 2, image.shape[1::-1])
    return np.stack([first, last])


def _check_points(points_xy: Float32Array) -> Float64Array:
    points = np.asarray(points_xy, np.float64)
    is_valid = points.ndim == 2 and points.shape[1] == 2 and len(points) >= 2
    if not is_valid or not np.isfinite(points).all():
        raise ValueError(
            "Points must be finite and of shape (n, 2), n at least 2."
            f" Received: shape {points.shape}."
        )
    return points
