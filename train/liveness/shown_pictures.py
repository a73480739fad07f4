"""Pictures of people that are shown on a screen or as a print, made out of genuine ones.

They are simulated, and named so. A screen has a bezel, a cold light, glare and moire: the
beat of its pixels with those of the camera. A print has a white edge and flat colours.
Images are (80, 80, 3) uint8 RGB, a face with surroundings (`align.surroundings`).
"""

from __future__ import annotations

import cv2
import numpy as np

from utils.arrays import Float32Array, ImageArray

Rng = np.random.Generator

# Side of what is shown over the side of the picture that is taken of it
_SHARE = (0.62, 1.15)

# Moire: waves across the picture, and how strong they are
_WAVES = (8.0, 38.0)
_STRENGTH = (0.02, 0.12)
_BEZEL = (0.03, 0.10)
_TILT = 0.06


def show_on_screen(image: ImageArray, around: ImageArray, rng: Rng) -> ImageArray:
    """Show a picture on a simulated screen before something else."""
    lit = image.astype(np.float32) / 255
    lit = np.clip(lit ** rng.uniform(0.7, 1.1) * rng.uniform(0.9, 1.2), 0, 1)
    lit = lit * (np.float32(1) + rng.normal(0, 0.04, 3).astype(np.float32) + [-0.03, 0, 0.05])
    lit = lit * _moire(image.shape[0], rng)[..., None]
    shown = _place(lit.astype(np.float32), around, rng, edge=(0.02, 0.15), width=_BEZEL)
    return _finish(shown, rng, glare=0.5)


def show_as_print(image: ImageArray, around: ImageArray, rng: Rng) -> ImageArray:
    """Show a picture as a simulated print before something else."""
    flat = image.astype(np.float32) / 255
    grey = flat.mean(axis=(0, 1), keepdims=True)
    flat = grey + (flat - grey) * rng.uniform(0.6, 0.95) + rng.uniform(0, 0.1)
    flat = flat * rng.uniform(0.7, 1.05)
    shown = _place(flat.astype(np.float32), around, rng, edge=(0.7, 1.0), width=(0.0, 0.08))
    return _finish(shown, rng, glare=0.25)


def _moire(size: int, rng: Rng) -> Float32Array:
    """Two waves (size, size) about 1, bent a little as lenses do."""
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    waves = np.ones((size, size), np.float32)
    for _ in range(2):
        angle = rng.uniform(0, np.pi)
        along = x * np.cos(angle) + y * np.sin(angle) + rng.uniform(-0.1, 0.1) * x * y
        phase = 2 * np.pi * rng.uniform(*_WAVES) * along + rng.uniform(0, 6)
        waves += rng.uniform(*_STRENGTH) * np.sin(phase)
    return waves


def _place(
    picture: Float32Array,
    around: ImageArray,
    rng: Rng,
    *,
    edge: tuple[float, float],
    width: tuple[float, float],
) -> Float32Array:
    """Place a picture with an edge of some brightness before another one, a little tilted."""
    size = picture.shape[0]
    border = round(size * rng.uniform(*width))
    level = rng.uniform(*edge)
    sides = ((border, border), (border, border), (0, 0))
    framed = np.pad(picture.astype(np.float32), sides, constant_values=level)
    share = rng.uniform(*_SHARE)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float32) * share
    corners += rng.normal(0, _TILT, corners.shape) + rng.normal(0, 0.05, 2)
    target = ((corners + 1) / 2 * size).astype(np.float32)
    last = framed.shape[0] - 1
    source = np.array([(0, 0), (last, 0), (last, last), (0, last)], np.float32)
    matrix = cv2.getPerspectiveTransform(source, target)
    ground = around[::-1, ::-1].astype(np.float32) / 255
    return np.asarray(
        cv2.warpPerspective(
            framed, matrix, (size, size), dst=ground.copy(), borderMode=cv2.BORDER_TRANSPARENT
        ),
        np.float32,
    )


def _finish(picture: Float32Array, rng: Rng, *, glare: float) -> ImageArray:
    """Add glare now and then, blur and noise of a camera."""
    size = picture.shape[0]
    if rng.random() < glare:
        y, x = np.mgrid[:size, :size].astype(np.float32) / size
        centre = rng.uniform(0.1, 0.9, 2)
        radius = rng.uniform(0.05, 0.3)
        spot = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * radius**2))
        picture = picture + np.float32(rng.uniform(0.2, 0.7)) * spot[..., None]
    blurred = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 0.9))
    noisy = blurred * 255 + rng.normal(0, 2, picture.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)
