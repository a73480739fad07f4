"""How much the mouth of a face moves from one frame to the next. Pure.

The aligned faces of a track are compared one after the other. The mouth of each is looked
for in the face before it, a few pixels around its place, by the normalised correlation of
the pixels (J. P. Lewis, "Fast normalized cross-correlation", Vision Interface 1995). So
neither a shaking camera, nor the jitter of the landmarks, nor the light counts as motion.
A mouth that opens and closes does.

What is left beside the motion of the whole face is measured as well: the face before is
first laid over the next by the affine map that makes both most alike (G. D. Evangelidis and
E. Z. Psarakis, "Parametric image alignment using enhanced correlation coefficient
maximization", IEEE TPAMI 30(10), 2008). It takes off what a few pixels of shift leave: the
tilt of a picture, and parts of a pixel.

Measured with the 12 frames of a clip: 0.03 to 0.4 for people who talk, 0.000 for pictures
in a video, up to 0.012 for photographs in front of a shaking camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise

import cv2
import numpy as np

from align.warp import Region
from utils.arrays import FACE_SIZE_PX, Float32Array, Float64Array, ImageArray

STILL = 0.02
"""Motion below which a face is a picture, or somebody who does not talk."""

MOUTH: Region = (slice(76, 108), slice(34, 78))
UPPER_FACE: Region = (slice(34, 76), slice(24, 88))
"""Eyes and nose, which talking does not move."""

# What one face is laid over the next by: eyes, nose, mouth and chin
_FACE: Region = (slice(34, 108), slice(24, 88))

# All of half a face may be laid there
_EVERYWHERE = np.ones((FACE_SIZE_PX // 2, FACE_SIZE_PX // 2), np.uint8)

# Rounds of the search for the map, and the gain of likeness that ends it
_SEARCH = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 20, 1e-4)

# Deviation of grey levels up to which a region has no contrast
_LEAST_CONTRAST = 1.0

# How far a region may be off its place
_REACH_PX = 4

# Evens out the noise of the sensor
_BLUR_PX = 1.2


def measure_changes(images: Sequence[ImageArray], region: Region = MOUTH) -> Float32Array:
    """Measure how a region, the mouth, changes from each aligned face to the next.

    Args:
        images: n aligned faces (112, 112, 3) uint8 RGB, in order of time.
        region: rows and columns, at least 4 px from each edge.

    Returns:
        (n - 1,) float32 in [0, 2]: one less the correlation of the two.
    """
    grey = [_soften(image) for image in images]
    pairs = pairwise(grey)
    return np.array([_change(before, after, region) for before, after in pairs], np.float32)


def measure_changes_within(
    images: Sequence[ImageArray], regions: Sequence[Region]
) -> tuple[Float32Array, ...]:
    """Measure how regions change beside the motion of the whole face.

    Args:
        images: n aligned faces (112, 112, 3) uint8 RGB, in order of time.
        regions: rows and columns, each within eyes, nose, mouth and chin.

    Returns:
        (n - 1,) float32 in [0, 2] for each region: one less the correlation of the two.
    """
    grey = [_soften(image) for image in images]
    changes = [_differ(_lay_over(*pair), pair[1], regions) for pair in pairwise(grey)]
    return tuple(np.array(changes, np.float32).reshape(-1, len(regions)).T)


def measure_motion(images: Sequence[ImageArray]) -> float:
    """Measure how much the mouth of a track moves: the upper quartile of its changes.

    `images` are aligned faces (112, 112, 3) uint8 RGB, in order of time. 0.0 for fewer than
    two faces, which show no motion.
    """
    changes = measure_changes(images)
    return float(np.quantile(changes, 0.75)) if len(changes) else 0.0


def _soften(image: ImageArray) -> Float32Array:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), _BLUR_PX), np.float32)


def _change(before: Float32Array, after: Float32Array, region: Region) -> float:
    rows, columns = region
    part = np.ascontiguousarray(after[rows, columns])
    around = before[
        rows.start - _REACH_PX : rows.stop + _REACH_PX,
        columns.start - _REACH_PX : columns.stop + _REACH_PX,
    ]
    likeness = cv2.matchTemplate(np.ascontiguousarray(around), part, cv2.TM_CCOEFF_NORMED)
    # What has no contrast correlates with nothing, and does not move either
    return 1.0 - float(likeness.max()) if part.std() > _LEAST_CONTRAST else 0.0


def _lay_over(before: Float32Array, after: Float32Array) -> Float32Array:
    """Lay a face (112, 112) over the next one. It stays as it is where no map is found."""
    part = np.ascontiguousarray(after[_FACE])
    laid = before.copy()
    laid[_FACE] = cv2.warpAffine(
        before,
        _find_map(before, part),
        part.shape[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return laid


def _find_map(before: Float32Array, part: Float32Array) -> Float64Array:
    """Find the map (2, 3) from `_FACE` of the next face to this one, at half their size.

    Both are so blurred that half the size shows as much. It takes a third of the time.
    """
    rows, columns = _FACE
    matrix = np.array([[1, 0, columns.start / 2], [0, 1, rows.start / 2]], np.float32)
    # Faces that are too unlike, or have no contrast, have no map
    with suppress(cv2.error):
        _, affine = cv2.findTransformECC(
            _halve(part),
            _halve(before),
            matrix.copy(),
            motionType=cv2.MOTION_AFFINE,
            criteria=_SEARCH,
            inputMask=_EVERYWHERE,
            gaussFiltSize=1,
        )
        matrix = np.asarray(affine, np.float32)
    # Pixel i of the half lies at 2 i + 0.5
    full = matrix.astype(np.float64)
    full[:, 2] = 2 * full[:, 2] + 0.5 - full[:, :2].sum(axis=1) / 2
    return full


def _halve(image: Float32Array) -> Float32Array:
    height, width = image.shape
    size = (width // 2, height // 2)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)


def _differ(before: Float32Array, after: Float32Array, regions: Sequence[Region]) -> list[float]:
    """One less the correlation of each region."""
    return [1.0 - _correlate(before[region], after[region]) for region in regions]


def _correlate(one: Float32Array, other: Float32Array) -> float:
    """The correlation of two regions. 1 where one of them has no contrast."""
    a, b = (np.subtract(each, each.mean(), dtype=np.float64).ravel() for each in (one, other))
    powers = np.vdot(a, a), np.vdot(b, b)
    if min(powers) <= len(a) * _LEAST_CONTRAST**2:
        return 1.0
    return float(np.vdot(a, b) / np.sqrt(powers[0] * powers[1]))
