"""Warping a face onto the five-point template at 112 × 112.

The warp is a similarity transform: rotation, uniform scale and translation. Its
least-squares estimate is that of S. Umeyama, "Least-squares estimation of
transformation parameters between two point patterns", IEEE TPAMI 13(4), 1991,
https://doi.org/10.1109/34.88573, written out for the plane. Points are (x, y) in pixels, y
downwards.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import product
from operator import mul
from typing import NamedTuple, cast

import cv2
import numpy as np

from utils.arrays import FACE_SIZE_PX, Float32Array, ImageArray

Region = tuple[slice, slice]
"""Rows and columns of an aligned face."""

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
    if np.shape(source_xy) != np.shape(target_xy):
        shapes = f"{np.shape(source_xy)} and {np.shape(target_xy)}"
        raise ValueError(f"Both point sets must have the same shape. Received: {shapes}.")
    return _fit(_read_points(source_xy), _read_points(target_xy)).matrix


class _Points(NamedTuple):
    """Points about their middle. Of five, numbers of Python take a third of arrays' time.

    Attributes:
        x: the middle.
        y: likewise.
        across: how far each point lies to the right of it.
        down: how far each lies below it.
        squares: sum of the squares of both.
    """

    x: float
    y: float
    across: list[float]
    down: list[float]
    squares: float


class _Fit(NamedTuple):
    """A similarity transform [[c, -s, x], [s, c, y]], and the squared error that it leaves."""

    c: float
    s: float
    x: float
    y: float
    squares: float

    @property
    def matrix(self) -> Float32Array:
        rows = [[self.c, -self.s, self.x], [self.s, self.c, self.y]]
        return np.array(rows, np.float32)


def _read_points(points_xy: Float32Array) -> _Points:
    points = np.asarray(points_xy, np.float64)
    if points.ndim == 2 and points.shape[1] == 2 and len(points) >= 2:
        xs, ys = points.T.tolist()
        x = sum(xs) / len(xs)
        y = sum(ys) / len(ys)
        across = [value - x for value in xs]
        down = [value - y for value in ys]
        squares = sum(map(mul, across, across)) + sum(map(mul, down, down))
        if math.isfinite(squares):
            return _Points(x, y, across, down, squares)
    raise ValueError(
        f"Points must be finite and of shape (n, 2), n at least 2. Received: shape {points.shape}."
    )


def _fit(source: _Points, target: _Points) -> _Fit:
    """Fit points onto others: in the plane, [[c, -s], [s, c]] has two linear unknowns."""
    spread = math.sqrt(source.squares / len(source.across))
    if spread < _LEAST_SPREAD_PX:
        raise ValueError(f"The points must not coincide. Received: spread={spread:.3f} px.")
    along = sum(map(mul, source.across, target.across)) + sum(map(mul, source.down, target.down))
    beside = sum(map(mul, source.across, target.down)) - sum(map(mul, source.down, target.across))
    c = along / source.squares
    s = beside / source.squares
    return _Fit(
        c=c,
        s=s,
        x=target.x - c * source.x + s * source.y,
        y=target.y - s * source.x - c * source.y,
        squares=target.squares - (c * c + s * s) * source.squares,
    )


@cache
def _read_template(size_px: int) -> _Points:
    return _read_points(TEMPLATE_XY * (size_px / FACE_SIZE_PX))


def is_plausible(landmarks_xy: Float32Array) -> bool:
    """Whether landmarks (5, 2) can be those of a face.

    They are finite, spread out, and fit the template to within half its eye distance
    (root mean square). A face seen from the side still does.
    """
    if np.shape(landmarks_xy) != TEMPLATE_XY.shape:
        return False
    try:
        fit = _fit(_read_points(landmarks_xy), _read_template(FACE_SIZE_PX))
    except ValueError:
        return False
    misfit = math.sqrt(max(0.0, fit.squares) / len(TEMPLATE_XY))
    eye_distance = float(TEMPLATE_XY[1, 0] - TEMPLATE_XY[0, 0])
    return misfit < _MOST_MISFIT * eye_distance


def scale_of(matrix: Float32Array) -> float:
    """Scale factor of a similarity transform (2, 3): above 1 it enlarges."""
    return float(np.hypot(matrix[0, 0], matrix[1, 0]))


def align(
    image: ImageArray,
    landmarks_xy: Float32Array,
    size_px: int = FACE_SIZE_PX,
    *,
    halve: bool = False,
) -> ImageArray:
    """Warp the face with these landmarks onto the template.

    Args:
        image: (h, w, 3) uint8 RGB.
        landmarks_xy: (5, 2) in pixels of `image`.
        size_px: side of the result. The template is scaled with it.
        halve: a face that is twice as large or more is halved first, which takes half of
            the time. Embeddings stay the same to a cosine of 0.997 (docs/research/views.md).

    Returns:
        (size_px, size_px, 3) uint8 RGB, black outside the image. Shrinking averages
        over the area of a pixel, so that nothing aliases.

    Raises:
        ValueError: the landmarks coincide or are not finite.
    """
    matrix = _fit(_read_points(landmarks_xy), _read_template(size_px)).matrix
    return _warp(image, matrix, (size_px, size_px), halve=halve)


def align_part(image: ImageArray, landmarks_xy: Float32Array, part: Region) -> ImageArray:
    """Warp a part of a face (h, w) alone, at 112 × 112: about as `align`, in less time."""
    matrix = _fit(_read_points(landmarks_xy), _read_template(FACE_SIZE_PX)).matrix
    rows, columns = part
    matrix[:, 2] -= (columns.start, rows.start)
    return _warp(image, matrix, (columns.stop - columns.start, rows.stop - rows.start))


def _warp(
    image: ImageArray, matrix: Float32Array, size: tuple[int, int], *, halve: bool = False
) -> ImageArray:
    """Warp an image to a width and height."""
    patch, matrix = _shrink(image, matrix, size, halve=halve)
    face = cv2.warpAffine(patch, matrix, size, flags=cv2.INTER_LINEAR, borderValue=(0, 0, 0))
    return cast(ImageArray, face)


def _shrink(
    image: ImageArray, matrix: Float32Array, size: tuple[int, int], *, halve: bool
) -> tuple[ImageArray, Float32Array]:
    """Cut out what the warp will look at and shrink it as far as the warp would.

    Area averaging shrinks it, at once or from a half. Where the warp enlarges, nothing is done.

    Returns:
        The patch, and the matrix that maps it instead of the image.
    """
    scale = scale_of(matrix)
    if scale >= 1:
        return image, matrix
    left, top, right, bottom = _source_box(image, matrix, size)
    if right <= left or bottom <= top:
        return image, matrix
    patch = image[top:bottom, left:right]
    factor = 2 if halve and scale <= 1 / 2 and min(patch.shape[:2]) > 1 else 1
    if factor == 2:
        patch = _halve(patch)
    width = max(1, round(patch.shape[1] * factor * scale))
    height = max(1, round(patch.shape[0] * factor * scale))
    small = cv2.resize(patch, (width, height), interpolation=cv2.INTER_AREA)
    # Pixel centres: a small pixel i covers the patch from i·r to (i+1)·r, its centre
    # lies at (i + 0.5)·r − 0.5
    across = patch.shape[1] * factor / width
    down = patch.shape[0] * factor / height
    x = (across - 1) / 2 + left
    y = (down - 1) / 2 + top
    (a, b, u), (c, d, v) = matrix.tolist()
    rows = [[a * across, b * down, a * x + b * y + u], [c * across, d * down, c * x + d * y + v]]
    return cast(ImageArray, small), np.array(rows, np.float32)


def _halve(patch: ImageArray) -> ImageArray:
    """Average squares of 2 × 2 pixels, as OpenCV does fastest. An odd row or column is left out."""
    size = (patch.shape[1] // 2, patch.shape[0] // 2)
    squares = patch[: size[1] * 2, : size[0] * 2]
    return cast(ImageArray, cv2.resize(squares, size, interpolation=cv2.INTER_AREA))


def _source_box(
    image: ImageArray, matrix: Float32Array, size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the part of the image that the warp will look at."""
    (c, _, u), (s, _, v) = matrix.tolist()
    squares = c * c + s * s
    corners = [(x - u, y - v) for x, y in product((0, size[0]), (0, size[1]))]
    xs = [(c * x + s * y) / squares for x, y in corners]
    ys = [(c * y - s * x) / squares for x, y in corners]
    height, width = image.shape[:2]
    return (
        max(math.floor(min(xs)) - 2, 0),
        max(math.floor(min(ys)) - 2, 0),
        min(math.ceil(max(xs)) + 2, width),
        min(math.ceil(max(ys)) + 2, height),
    )
