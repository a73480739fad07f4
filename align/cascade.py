"""The cascade of MTCNN over a batch of images.

A first network proposes faces in an image pyramid. Two more refine them, and the last
one adds landmarks. Source: K. Zhang et al., "Joint face detection and alignment using
multi-task cascaded convolutional networks", 2016, https://arxiv.org/abs/1604.02878.

Numbers and steps are those of the package `mtcnn` 1.0.0, which a test compares. So faces
are found, and landmarks placed, as in the pictures that the face networks learned from.

Rows are float64: index of the image, x1, y1, x2, y2, probability, and after the last
stage five x and five y of the landmarks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import cv2
import numpy as np

from align.detector_networks import Network, Networks
from utils.arrays import Float32Array, Float64Array, GreyArray, ImageArray

Images = Sequence[ImageArray] | Sequence[GreyArray]
"""Images of one size, all in colour or all grey."""

# The smallest face looked for, and the ratio of one level of the pyramid to the next
_FACE_PX = 20
_PYRAMID = 0.709

# A face is found in a level that is made for faces wider by this factor, too
_REACH = 1.5

# The proposal network sees 12 × 12 pixels and moves by 2
_CELL_PX = 12
_STRIDE = 2

# Least probability of a face after proposal, refinement and output
_LEAST_PROBABILITY = (0.6, 0.7, 0.8)
_LEAST_LOG_ODDS = np.float32(np.log(0.6 / 0.4))

# Pixels given to the proposal network at a time: they bound the memory
_BATCH_PX = 40_000

# Crops given to the other networks at a time, likewise
_CROPS = 16


def detect(images: Sequence[ImageArray], networks: Networks) -> Float64Array:
    """Find faces in images of one size.

    Args:
        images: (h, w, 3) uint8 RGB, at least 12 px each way; faces narrower than about
            20 px are not found.
        networks: the three networks.

    Returns:
        (n, 16) rows, surest first.
    """
    if not images:
        return np.empty((0, 16))
    rows = _propose(images, networks)
    rows = _refine(images, rows, networks)
    return _finish(images, rows, networks)


def locate(images: Images, boxes_xyxy: Float64Array, networks: Networks) -> Float64Array:
    """Find the face again that is about in a known place, by the last network alone.

    Args:
        images: as `detect` has them, or grey ones (h, w).
        boxes_xyxy: (n, 4) where it is about, in each image.
        networks: the three networks.

    Returns:
        (m, 16) rows, at most one an image.
    """
    rows = np.column_stack([np.arange(len(images)), boxes_xyxy, np.ones(len(images))])
    return _finish(images, to_squares(rows), networks)


def look_near(
    images: Sequence[ImageArray], faces: Float64Array, networks: Networks
) -> Float64Array:
    """Look in each image only near faces (n, 6 or more) of other images.

    That is the work of the two last networks. Proposing is most of the work of `detect`.
    """
    near = [_moved_to(faces, i) for i in range(len(images))]
    rows = to_squares(np.concatenate([np.empty((0, 6)), *near]))
    return _finish(images, _refine(images, rows, networks), networks)


def look_beside(
    image: ImageArray, faces: Float64Array, least_px: float, networks: Networks
) -> Float64Array:
    """Look in one image for faces beside those that are known, from `least_px` wide on."""
    rows = _propose([image], networks, _REACH * least_px)
    x, y = (rows[:, None, 1:3] + rows[:, None, 3:5]).transpose(2, 0, 1) / 2
    left, top, right, bottom = faces[:, 1:5].T
    is_known = (left <= x) & (x <= right) & (top <= y) & (y <= bottom)
    rows = _refine([image], rows[~is_known.any(axis=1)], networks)
    return _finish([image], rows, networks)


def _moved_to(faces: Float64Array, image: int) -> Float64Array:
    rows = faces[:, :6].copy()
    rows[:, 0] = image
    return rows


def pyramid_scales(width: int, height: int) -> Float64Array:
    """List the factors by which an image is shrunk for the proposal network.

    Faces from 20 px up to the shorter side look 12 px wide at one of them.
    """
    count = round(-(np.log(min(width, height) / _CELL_PX) / np.log(_PYRAMID) + 1))
    return np.asarray(_CELL_PX / _FACE_PX * _PYRAMID ** np.arange(max(0, count)), np.float64)


def suppress(rows: Float64Array, limit: float, *, over_smaller: bool = False) -> Float64Array:
    """Suppress, in each image, the rows that a more probable one overlaps.

    Args:
        rows: at least the first six columns.
        limit: intersection over union above which a row goes.
        over_smaller: divide by the smaller of the two areas instead of the union.

    Returns:
        The rows that are left, surest first. Fewer than two are `rows` itself.
    """
    if len(rows) < 2:
        return rows
    rows = rows[np.argsort(-rows[:, 5], kind="stable")]
    left, top, right, bottom = rows[:, 1:5].T
    areas = (right - left) * (bottom - top)
    width = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
    height = np.minimum(bottom[:, None], bottom) - np.maximum(top[:, None], top)
    common = np.maximum(0.0, width) * np.maximum(0.0, height)
    pairs = areas[:, None], areas
    whole = np.minimum(*pairs) if over_smaller else np.add(*pairs) - common
    is_beaten = (common > limit * whole) & (rows[:, None, 0] == rows[:, 0])
    surer = np.arange(len(rows))
    is_beaten &= surer[:, None] < surer
    return np.asarray(rows[~is_beaten.any(axis=0)], np.float64)


def to_squares(rows: Float64Array) -> Float64Array:
    """Make the boxes square about their middles, as wide as their longer side."""
    rows = rows.copy()
    sides = rows[:, 3:5] - rows[:, 1:3]
    longest = sides.max(axis=1, keepdims=True)
    rows[:, 1:3] += (sides - longest) / 2
    rows[:, 3:5] = rows[:, 1:3] + longest
    return rows


def _propose(
    images: Sequence[ImageArray], networks: Networks, least_px: float = 0.0
) -> Float64Array:
    height, width = images[0].shape[:2]
    proposals = [np.empty((0, 6))]
    level = list(images)
    scales = pyramid_scales(width, height)
    # The largest one at which a face of the least size is not too large
    for scale in scales[scales * _PYRAMID * least_px < _CELL_PX]:
        # Each level is made from the one above it
        size = (int(width * scale), int(height * scale))
        level = [_resize(image, size) for image in level]
        proposals += _propose_at(scale, level, networks)
    return to_squares(_suppress_by_image(np.concatenate(proposals), 0.7))


def _propose_at(
    scale: float, level: Sequence[ImageArray], networks: Networks
) -> list[Float64Array]:
    """Propose faces in one level of the pyramid, a few images at a time."""
    height, width = level[0].shape[:2]
    step = max(1, _BATCH_PX // (width * height))
    proposals = []
    for first in range(0, len(level), step):
        (cells,) = networks.proposal(_to_input(level[first : first + step]))
        rows = _cells_to_rows(cells, scale)
        rows[:, 0] += first
        proposals.append(suppress(rows, 0.5))
    return proposals


def _resize(image: ImageArray, size: tuple[int, int]) -> ImageArray:
    return cast(ImageArray, cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def _cells_to_rows(cells: Float32Array, scale: float) -> Float64Array:
    """Turn the likely cells (n, 5, y, x) of a proposal map into rows, in pixels of the image.

    Args:
        cells: as `Networks.proposal` gives them.
        scale: factor by which the image was shrunk.
    """
    image, y, x = np.nonzero(cells[:, 4] > _LEAST_LOG_ODDS)
    if not len(image):
        return np.empty((0, 6))
    corner = np.stack([x, y], axis=1) * _STRIDE + 1.0
    side = _CELL_PX - 1
    likely = cells[image, :, y, x]
    boxes = np.concatenate([corner, corner + side], axis=1) + likely[:, :4] * side
    return np.column_stack([image, boxes / scale, 1 / (1 + np.exp(-likely[:, 4]))])


def _refine(images: Sequence[ImageArray], rows: Float64Array, networks: Networks) -> Float64Array:
    if not len(rows):
        return rows
    offsets, faces = _run(networks.refinement, images, rows, 24)
    rows = _adjust(rows, offsets, faces)
    return to_squares(_suppress_by_image(rows[rows[:, 5] > _LEAST_PROBABILITY[1]], 0.7))


def _finish(images: Images, rows: Float64Array, networks: Networks) -> Float64Array:
    if not len(rows):
        return np.empty((0, 16))
    network = networks.grey_output if images[0].ndim == 2 else networks.output
    offsets, landmarks, faces = _run(network, images, rows, 48)
    sides = rows[:, 3:5] - rows[:, 1:3] + 1
    x = landmarks[:, :5] * sides[:, :1] + rows[:, 1:2] - 1
    y = landmarks[:, 5:] * sides[:, 1:] + rows[:, 2:3] - 1
    rows = np.concatenate([_adjust(rows, offsets, faces), x, y], axis=1)
    return suppress(rows[rows[:, 5] > _LEAST_PROBABILITY[2]], 0.7, over_smaller=True)


def _adjust(rows: Float64Array, offsets: Float32Array, faces: Float32Array) -> Float64Array:
    """Move the sides of the boxes, and take over the new probabilities.

    The offsets (n, 4) are shares of width and height.
    """
    rows = rows.copy()
    sides = rows[:, 3:5] - rows[:, 1:3] + 1
    rows[:, 1:5] += offsets * np.concatenate([sides, sides], axis=1)
    rows[:, 5] = faces[:, 1]
    return rows


def _suppress_by_image(rows: Float64Array, limit: float) -> Float64Array:
    """Call `suppress` for one image at a time.

    The table of overlaps grows with the square of the number of rows.
    """
    images = sorted(set(rows[:, 0].tolist()))
    if len(images) < 2:
        return suppress(rows, limit)
    return np.concatenate([suppress(rows[rows[:, 0] == image], limit) for image in images])


def _run(
    network: Network, images: Images, rows: Float64Array, size: int
) -> tuple[Float32Array, ...]:
    batches = [rows[first : first + _CROPS] for first in range(0, len(rows), _CROPS)]
    parts = [network(_to_input(_cut_crops(images, batch, size))) for batch in batches]
    return tuple(np.concatenate(p) for p in zip(*parts, strict=True))


def _cut_crops(images: Images, rows: Float64Array, size: int) -> list[ImageArray]:
    """Cut the boxes out at size × size by linear interpolation.

    Outside the image it is grey. Corners lie as in TensorFlow's `crop_and_resize`.
    """
    height, width = images[0].shape[:2]
    shrink = np.array([(width - 1) / width, (height - 1) / height])
    matrices = np.zeros((len(rows), 2, 3))
    first = rows[:, 1:3] * shrink
    matrices[:, :, 2] = first
    matrices[:, [0, 1], [0, 1]] = (rows[:, 3:5] * shrink - first) / (size - 1)
    crops: list[ImageArray] = []
    for index, matrix in zip(rows[:, 0].tolist(), matrices, strict=True):
        crop = cv2.warpAffine(
            images[int(index)],
            matrix,
            (size, size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderValue=(127, 127, 127),
        )
        crops.append(cast(ImageArray, crop))
    return crops


def _to_input(images: Sequence[ImageArray]) -> Float32Array:
    """Make the input of a network: (n, 3 or 1, h, w) float32 in about [-1, 1]."""
    blob = cv2.dnn.blobFromImages(list(images), 1 / 128, mean=(127.5, 127.5, 127.5))
    return np.asarray(blob, np.float32)
