"""Drawn faces that the face detector finds. Nobody's likeness.

Eyes, nose and mouth are where it expects them. A person is a number: `face(3)` always
looks the same, and unlike `face(4)`. Images are RGB uint8.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from utils.arrays import Float32Array, ImageArray

_SIDE = 400  # faces are drawn at this size, then resized


Colour = Any
"""Three numbers from 0 to 255, in any form that NumPy takes."""


class _Canvas:
    """A picture to paint soft ellipses on.

    `shift` moves each of them sideways, times the depth that it states.
    """

    def __init__(self, colour: Colour, shift: float) -> None:
        self.image: Float32Array = np.full((_SIDE, _SIDE, 3), colour, np.float32)
        self.shift = shift

    def ellipse(
        self,
        centre_xy: tuple[float, float],
        radii_xy: tuple[float, float],
        colour: Colour,
        *,
        blur: float = 1.0,
        angle: float = 0.0,
        depth: float = 0.0,
    ) -> None:
        """Paint one ellipse.

        Lengths in pixels, `angle` in degrees.
        """
        x, y = centre_xy
        mask: Float32Array = np.zeros((_SIDE, _SIDE), np.float32)
        cv2.ellipse(
            img=mask,
            center=(round((x + depth * self.shift) * 16), round(y * 16)),
            axes=(round(radii_xy[0] * 16), round(radii_xy[1] * 16)),
            angle=angle,
            startAngle=0,
            endAngle=360,
            color=1.0,
            thickness=-1,
            lineType=cv2.LINE_AA,
            shift=4,
        )
        mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), blur), np.float32)[..., None]
        paint = np.asarray(np.clip(colour, 0, 255), np.float32)
        self.image = (self.image * (1 - mask) + paint * mask).astype(np.float32)


@lru_cache(maxsize=64)
def face(person: int = 0, size_px: int = 400, mouth: float = 0.0, turn: float = 0.0) -> ImageArray:
    """Draw head and shoulders, (size_px, size_px, 3).

    `mouth` opens it (0 to 1), `turn` moves what is in the face sideways (-1 to 1).
    """
    rng = np.random.default_rng(1000 + person)
    skin = np.array([224, 172, 140]) * rng.uniform(0.55, 1.08) + rng.uniform(-8, 8, 3)
    hair = rng.uniform(10, 120) * np.array([1, rng.uniform(0.6, 0.95), rng.uniform(0.3, 0.9)])
    eye_y = rng.uniform(176, 188)
    nose_y = rng.uniform(228, 240)
    canvas = _Canvas(rng.uniform(90, 200, 3), 26 * turn)
    _head(canvas, rng, skin, hair)
    _eyes(canvas, rng, (skin, hair), eye_y)
    _nose(canvas, rng, skin, (eye_y, nose_y))
    _mouth(canvas, rng, skin, mouth)
    image = canvas.image * np.linspace(1.08, 0.88, _SIDE)[None, :, None] + rng.normal(
        0, 2.0, canvas.image.shape
    )
    pixels = np.clip(image, 0, 255).astype(np.uint8)
    resized = cv2.resize(pixels, (size_px, size_px), interpolation=cv2.INTER_AREA)
    result = np.asarray(resized, np.uint8)
    result.flags.writeable = False
    return result


def _head(canvas: _Canvas, rng: np.random.Generator, skin: Colour, hair: Colour) -> None:
    wide = rng.uniform(88, 108)
    tall = rng.uniform(122, 142)
    canvas.ellipse((200, 400), (150, 90), rng.uniform(20, 200, 3), blur=2)  # shoulders
    canvas.ellipse((200, 320), (42, 60), skin * 0.8, blur=3)  # neck
    canvas.ellipse((200, 180), (wide + 16, tall + 14), hair, blur=2)
    canvas.ellipse((200, 205), (wide, tall - 12), skin, blur=2)
    canvas.ellipse((200, 160), (wide * 0.6, 26), skin * 1.08, blur=14, depth=0.5)  # forehead
    canvas.ellipse((200, 118), (wide * 0.85, rng.uniform(18, 34)), hair, blur=4)  # hairline


def _eyes(
    canvas: _Canvas, rng: np.random.Generator, skin_and_hair: tuple[Colour, Colour], y: float
) -> None:
    skin, hair = skin_and_hair
    dx = rng.uniform(36, 46)
    w = rng.uniform(15, 20)
    h = rng.uniform(7, 10)
    iris = rng.uniform(30, 110, 3)
    brow = rng.uniform(3.5, 6)
    slant = rng.uniform(2, 10)
    for side in (-1, 1):
        x = 200 + side * dx
        canvas.ellipse((x, y), (w * 1.5, h * 2.0), skin * 0.72, blur=5, depth=1)  # socket
        canvas.ellipse((x, y), (w, h), (238, 236, 232), depth=1)
        canvas.ellipse((x, y), (h * 0.95, h * 0.95), iris, blur=0.8, depth=1)
        canvas.ellipse((x, y), (h * 0.5, h * 0.5), (12, 10, 10), blur=0.6, depth=1)
        canvas.ellipse((x, y - h), (w, 2.6), skin * 0.35, depth=1)  # lashes
        canvas.ellipse(
            (x, y - 22), (w * 1.35, brow), hair * 0.7, blur=1.5, angle=side * slant, depth=1
        )
        # Cheek
        canvas.ellipse(
            (200 + side * 54, 240), (22, 18), skin * np.array([1.03, 0.93, 0.92]), blur=9, depth=1
        )


def _nose(
    canvas: _Canvas, rng: np.random.Generator, skin: Colour, from_to_y: tuple[float, float]
) -> None:
    eye_y, y = from_to_y
    w = rng.uniform(11, 19)
    canvas.ellipse((200, (eye_y + y) / 2), (7, (y - eye_y) / 2), skin * 1.1, blur=5, depth=1.4)
    canvas.ellipse((200, y), (w, 8), skin * 0.82, blur=4, depth=1.4)
    for side in (-1, 1):
        canvas.ellipse((200 + side * w * 0.6, y + 4), (4, 3), skin * 0.4, blur=1.5, depth=1.4)


def _mouth(canvas: _Canvas, rng: np.random.Generator, skin: Colour, opened: float) -> None:
    y = rng.uniform(268, 284)
    w = rng.uniform(26, 38)
    canvas.ellipse(
        (200, y), (w, 8 + 10 * opened), skin * np.array([0.82, 0.52, 0.52]), blur=1.5, depth=1
    )
    canvas.ellipse((200, y), (w * 0.86, 1.4 + 9 * opened), (70, 25, 28), depth=1)
    canvas.ellipse((200, y + 26), (w * 0.7, 4), skin * 0.85, blur=4, depth=1)  # chin
