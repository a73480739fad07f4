"""Pictures of drawn people before a wall, RGB uint8. Nobody's likeness."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from demo.faces import face
from utils.arrays import ImageArray

_MOUTHS = (0, 0.3, 0.7, 1, 0.6, 0.2, 0.5, 0.1)
"""How far the mouth is open, every second frame."""


def scene(
    person: int | None = 0,
    size: tuple[int, int] = (640, 360),
    face_px: int = 260,
    at: tuple[float, float] = (0.5, 0.5),
    *,
    mouth: float = 0.0,
    turn: float = 0.0,
    light: float = 1.0,
    blur: float = 0.0,
    others: Sequence[tuple[int, tuple[float, float]]] = (),
) -> ImageArray:
    """Draw a textured wall with a person before it, (h, w, 3) uint8 RGB.

    Args:
        person: number of the person, None for an empty room.
        size: (width, height) in pixels.
        face_px: side of the head-and-shoulders patch; the face itself is about half as
            wide.
        at: where its middle is, as shares of width and height.
        mouth, turn: see `demo.faces.face`.
        light: factor on all pixels (0.1 = dark).
        blur: standard deviation of a Gaussian blur, in pixels.
        others: more people, each with the place of the middle.
    """
    image = _wall(size)
    first = [] if person is None else [(person, at)]
    for number, place in [*first, *others]:
        _paste(image, face(number, face_px, mouth, turn), place)
    if blur:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), blur), np.uint8)
    return np.asarray(np.clip(image.astype(np.float32) * light, 0, 255), np.uint8)


def _wall(size: tuple[int, int]) -> ImageArray:
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width]
    red = 150 + 20 * np.sin(columns / 37.0)
    green = 155 + 18 * np.cos(rows / 29.0)
    blue = 150 + 15 * np.sin((rows + columns) / 41.0)
    return np.stack([red, green, blue], -1).astype(np.uint8)


def _paste(image: ImageArray, patch: ImageArray, at: tuple[float, float]) -> None:
    side = len(patch)
    top = round(at[1] * image.shape[0] - side / 2)
    left = round(at[0] * image.shape[1] - side / 2)
    y0 = max(0, top)
    x0 = max(0, left)
    y1 = min(image.shape[0], top + side)
    x1 = min(image.shape[1], left + side)
    if y1 > y0 and x1 > x0:
        image[y0:y1, x0:x1] = patch[y0 - top : y1 - top, x0 - left : x1 - left]


@lru_cache(maxsize=4)
def talking_frames(
    person: int | None = 0,
    seconds: float = 3.0,
    fps: int = 25,
    size: tuple[int, int] = (640, 360),
    **look: Any,
) -> tuple[ImageArray, ...]:
    """Draw frames of someone talking.

    The mouth opens and closes, the head moves a little. `look` goes to `scene`.
    """
    phases = []
    for i, mouth in enumerate(_MOUTHS):
        place = (0.5 + 0.01 * np.sin(i / 11), 0.5 + 0.01 * np.sin(i / 7))
        phases.append(scene(person, size, mouth=mouth, **{"at": place, **look}))
    return tuple(phases[i // 2 % len(phases)] for i in range(round(seconds * fps)))
