"""Augmentation of aligned face crops, as by kiosks, webcams and photo collections.

Plain numpy and cv2 on one (112, 112, 3) uint8 RGB crop, about a third of a millisecond
each. So one background thread keeps up with the network. Every function takes the
random generator, so a batch is a pure function of its seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from utils.arrays import FACE_SIZE_PX, ImageArray


@dataclass(frozen=True)
class AugmentOptions:
    """Probability of each disturbance, and strength of the misalignment.

    Attributes:
        rotation_deg, scale, shift_px: Standard deviation of the small misalignment (px
            at 112 × 112).
        misaligned, shrunk, coded, blurred, lit, tinted, covered, grey: Probability of
            each.
    """

    rotation_deg: float = 3.0
    scale: float = 0.035
    shift_px: float = 1.6
    misaligned: float = 0.7
    shrunk: float = 0.3
    coded: float = 0.15
    blurred: float = 0.12
    lit: float = 0.6
    tinted: float = 0.3
    covered: float = 0.12
    grey: float = 0.04


def augment(
    image: ImageArray, rng: np.random.Generator, options: AugmentOptions, size_px: int
) -> ImageArray:
    """One random view of a crop.

    Args:
        image: (112, 112, 3) uint8 RGB. Not changed.
        rng: Source of all chance.
        options: Probabilities and strength.
        size_px: Height and width of the view that comes out.

    Returns:
        (size_px, size_px, 3) uint8 RGB.
    """
    steps: list[tuple[float, Callable[[ImageArray, np.random.Generator], ImageArray]]] = [
        (options.lit, _light),
        (options.tinted, _tint),
        (options.grey, _grey),
        (options.blurred, _blur),
        (options.shrunk, _shrink),
        (options.coded, _code),
        (options.covered, _cover),
    ]
    view = _misalign(image, rng, options, size_px)
    for probability, step in steps:
        if rng.random() < probability:
            view = step(view, rng)
    return view


def _misalign(
    image: ImageArray, rng: np.random.Generator, options: AugmentOptions, size_px: int
) -> ImageArray:
    """Rotate, scale and shift a little (or not), and resample to `size_px`.

    Borders are black or smeared.
    """
    height, width = image.shape[:2]
    angle = scale = shift_x = shift_y = 0.0
    if rng.random() < options.misaligned:
        angle = rng.normal(0, options.rotation_deg)
        scale = rng.normal(0, options.scale)
        shift_x, shift_y = rng.normal(0, options.shift_px, 2)
    ratio = size_px / width
    if ratio <= 0.75:  # averages first: bilinear sampling alone would alias
        image = np.asarray(
            cv2.resize(image, (size_px, size_px), interpolation=cv2.INTER_AREA), np.uint8
        )
        height = width = size_px
        shift_x = shift_x * ratio
        shift_y = shift_y * ratio
        ratio = 1.0
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1 + scale)
    matrix[:, 2] += np.array([shift_x, shift_y])
    matrix = np.array([[ratio, 0, (ratio - 1) / 2], [0, ratio, (ratio - 1) / 2]]) @ np.vstack(
        [matrix, [0, 0, 1]]
    )
    border = cv2.BORDER_CONSTANT if rng.random() < 0.5 else cv2.BORDER_REPLICATE
    return np.asarray(
        cv2.warpAffine(image, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR, borderMode=border)
    )


def _light(image: ImageArray, rng: np.random.Generator) -> ImageArray:
    """Change gamma, contrast and brightness by one lookup table."""
    gamma = np.exp(rng.normal(0, 0.25))
    contrast = np.exp(rng.normal(0, 0.15))
    offset = rng.normal(0, 12)
    values = 255 * (np.arange(256) / 255) ** gamma
    table = np.clip((values - 127.5) * contrast + 127.5 + offset, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table))


def _tint(image: ImageArray, rng: np.random.Generator) -> ImageArray:
    """Add a colour cast, as of lamps and white balances: a factor for each channel."""
    factors = np.exp(rng.normal(0, 0.1, 3))
    tables = np.clip(np.arange(256)[:, None] * factors, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, tables[None]))


def _grey(image: ImageArray, rng: np.random.Generator) -> ImageArray:  # noqa: ARG001  same signature as the others
    """Remove the colour, as of infrared cameras and old photos."""
    return np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))


def _blur(image: ImageArray, rng: np.random.Generator) -> ImageArray:
    """Blur as out of focus (Gaussian) or moving (a line in a random direction).

    The blur is in proportion to the image size.
    """
    unit = image.shape[0] / FACE_SIZE_PX
    if rng.random() < 0.6:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), max(rng.uniform(0.6, 2.2) * unit, 0.3)))
    length = int(rng.integers(3, 8) * unit) | 1
    kernel = np.zeros((length, length), np.float32)
    centre = length // 2
    angle = rng.uniform(0, np.pi)
    tip = (round(centre + centre * np.cos(angle)), round(centre + centre * np.sin(angle)))
    tail = (2 * centre - tip[0], 2 * centre - tip[1])
    cv2.line(kernel, tail, tip, 1.0)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()))


def _shrink(image: ImageArray, rng: np.random.Generator) -> ImageArray:
    """Scale down and up again, as of a face far from the camera.

    It is scaled to between a fifth and the whole of 112 px.
    """
    size = image.shape[0]
    small = min(int(np.exp(rng.uniform(np.log(24), np.log(FACE_SIZE_PX)))), size)
    interpolation = cv2.INTER_AREA if rng.random() < 0.7 else cv2.INTER_LINEAR
    down = cv2.resize(image, (small, small), interpolation=interpolation)
    return np.asarray(cv2.resize(down, (size, size), interpolation=cv2.INTER_LINEAR))


def _code(image: ImageArray, rng: np.random.Generator) -> ImageArray:
    """Code as JPEG at a random quality, now and then as WebP (several times slower)."""
    quality = int(rng.integers(15, 80))
    suffix = ".jpg"
    flag = cv2.IMWRITE_JPEG_QUALITY
    if rng.random() < 0.15:
        suffix = ".webp"
        flag = cv2.IMWRITE_WEBP_QUALITY
    _, data = cv2.imencode(suffix, image, [flag, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


def _cover(image: ImageArray, rng: np.random.Generator) -> ImageArray:
    """Cover part of the face with a box of one colour or of noise, or cut a border off.

    Tight photo crops have black borders.
    """
    image = image.copy()
    size = image.shape[0]
    if rng.random() < 0.4:
        depth = int(rng.uniform(0.03, 0.2) * size)
        side = int(rng.integers(4))
        np.rot90(image, side)[:depth] = 0
        return image
    height, width = (int(rng.uniform(0.12, 0.45) * size) for _ in range(2))
    top = int(rng.integers(0, size - height))
    left = int(rng.integers(0, size - width))
    shape = (3,) if rng.random() < 0.7 else (height, width, 3)
    colour = rng.integers(0, 256, shape)
    image[top : top + height, left : left + width] = colour
    return image
