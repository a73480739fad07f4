"""Warping a face onto the five-point template at 112 × 112 by a similarity transform
(rotation, uniform scale, translation).

The least-squares transform is that of S. Umeyama, "Least-squares estimation of
transformation parameters between two point patterns", IEEE TPAMI 13(4), 1991,
https://doi.org/10.1109/34.88573, equations (38) to (43). Points are (x, y) in pixels, y
downwards.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from utils.arrays import FACE_SIZE_PX, Float32Array, ImageArray

TEMPLATE_XY = np.array(
    [[38.29, 51.70], [73.53, 51.50], [56.03, 71.74], [41.55, 92.37], [70.73, 92.20]], np.float32
)
"""Eye on the image's left, other eye, nose, corners of the mouth, in a 112 × 112 image:
the usual template of ArcFace and its kin.
"""

_LEAST_SPREAD_PX = 1.0


def umeyama(source_xy: Float32Array, target_xy: Float32Array) -> Float32Array:
    """The similarity transform that maps `source_xy` onto `target_xy` with the least
    squared error.

    Args:
        source_xy, target_xy: points (n, 2), n at least 2, in pixels.

    Returns:
        (2, 3) float32: target ≈ matrix[:, :2] @ source + matrix[:, 2]. Never a
        reflection.

    Raises:
        ValueError: wrong shapes, not finite, or points that coincide.
    """
    source = _points(source_xy)
    target = _points(target_xy)
    if source.shape != target.shape:
        raise ValueError(
            f"Both point sets must have the same shape. Received: {source.shape} and"
            f" {target.shape}."
        )
    source_mean = source.mean(0)
    target_mean = target.mean(0)
    a = source - source_mean
    b = target - target_mean
    variance = (a**2).sum() / len(a)
    if np.sqrt(variance) < _LEAST_SPREAD_PX:
        raise ValueError(
            f"The points must not coincide. Received: a spread of {np.sqrt(variance):.3f} px."
        )
    u, singular, vt = np.linalg.svd(b.T @ a / len(a))
    signs = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt)) or 1.0])
    rotation = (u * signs) @ vt
    scale = (singular * signs).sum() / variance
    shift = target_mean - scale * rotation @ source_mean
    return np.hstack([scale * rotation, shift[:, None]]).astype(np.float32)


def is_plausible(landmarks_xy: Float32Array) -> bool:
    """Whether five landmarks (5, 2) can be those of a face: finite, spread out, and on
    the template to within half its eye distance (root mean square), which a face seen
    from the side still is.
    """
    points = np.asarray(landmarks_xy, np.float64)
    if points.shape != (5, 2) or not np.isfinite(points).all():
        return False
    try:
        matrix = umeyama(points.astype(np.float32), TEMPLATE_XY)
    except ValueError:
        return False
    misfit = np.sqrt(((points @ matrix[:, :2].T + matrix[:, 2] - TEMPLATE_XY) ** 2).sum(1).mean())
    return bool(
        scale_of(matrix) > 0 and misfit < 0.5 * float(TEMPLATE_XY[1, 0] - TEMPLATE_XY[0, 0])
    )


def scale_of(matrix: Float32Array) -> float:
    """Scale factor of a similarity transform (2, 3): above 1 it enlarges."""
    return float(np.hypot(matrix[0, 0], matrix[1, 0]))


def align(image: ImageArray, landmarks_xy: Float32Array, size_px: int = FACE_SIZE_PX) -> ImageArray:
    """Warp the face with these landmarks onto the template.

    Args:
        image: (h, w, 3) uint8 RGB.
        landmarks_xy: (5, 2) in pixels of `image`.
        size_px: side of the result; the template is scaled with it.

    Returns:
        (size_px, size_px, 3) uint8 RGB, black outside the image. Shrinking averages
        over the area of a pixel, so that nothing aliases.

    Raises:
        ValueError: landmarks that coincide or are not finite.
    """
    matrix = umeyama(landmarks_xy, TEMPLATE_XY * (size_px / FACE_SIZE_PX))
    patch, matrix = _shrink(image, matrix, size_px)
    return cast(
        ImageArray,
        cv2.warpAffine(
            patch, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR, borderValue=(0, 0, 0)
        ),
    )


def _shrink(
    image: ImageArray, matrix: Float32Array, size_px: int
) -> tuple[ImageArray, Float32Array]:
    """Cut out what the warp will look at and, where it would shrink that, resize by
    area averaging; the matrix is changed to suit.
    """
    scale = scale_of(matrix)
    if scale >= 1:
        return image, matrix
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    corners = (
        np.array([[0, 0, 1], [size_px, 0, 1], [0, size_px, 1], [size_px, size_px, 1]]) @ inverse.T
    )
    left, top = np.maximum(np.floor(corners[:, :2].min(0)).astype(int) - 2, 0)
    right, bottom = np.minimum(
        np.ceil(corners[:, :2].max(0)).astype(int) + 2, [image.shape[1], image.shape[0]]
    )
    if right <= left or bottom <= top:
        return image, matrix
    patch = image[top:bottom, left:right]
    small = cv2.resize(
        patch,
        (max(1, round(patch.shape[1] * scale)), max(1, round(patch.shape[0] * scale))),
        interpolation=cv2.INTER_AREA,
    )
    ratio = np.array([patch.shape[1] / small.shape[1], patch.shape[0] / small.shape[0]])
    linear = matrix[:, :2] * ratio
    # pixel centres: a small pixel i covers the patch from i·r to (i+1)·r, its centre
    # lies at (i + 0.5)·r − 0.5
    offset = matrix[:, :2] @ ((ratio - 1) / 2 + [left, top]) + matrix[:, 2]
    return cast(ImageArray, small), np.hstack([linear, offset[:, None]]).astype(np.float32)


def _points(points_xy: Float32Array) -> np.ndarray:
    points = np.asarray(points_xy, np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2 or not np.isfinite(points).all():
        raise ValueError(
            "Points must be finite and of shape (n, 2), n at least 2. Received: shape"
            f" {points.shape}."
        )
    return points
