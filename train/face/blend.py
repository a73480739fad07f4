"""Blended and turned faces: more inputs for a teacher to describe than a data set has.

A student that learns a teacher's function needs many inputs but no labels ("function
matching", Beyer et al. 2022, arXiv:2106.05237). Aligned crops have their eyes and
mouths in the same places. So two of them blend into a face of somebody else, and a face
bent round a cylinder comes near a half profile. The teacher gives its embedding. The
face need not be realistic, only close to where real faces lie.
"""

from __future__ import annotations

import cv2
import numpy as np

from align.warp import TEMPLATE_XY, umeyama
from utils.arrays import FACE_SIZE_PX, Float32Array, ImageArray, IndexArray

CENTRE_PX = 56.0
# Radius of the cylinder that a face is bent round. Ears lie about 50 px from the centre
# of a crop.
RADIUS_PX = 58.0
# The tip of the nose stands out from the cylinder.
NOSE_RADIUS = 1.3
MOST_TURN_DEG = 55.0
CANDIDATES = 12


class Blender:
    """Makes faces out of a set of aligned crops.

    A face is a pure function of (crops, weights, seed, number).
    """

    def __init__(
        self, images: ImageArray, small: Float32Array, weights: Float32Array, *, seed: int
    ) -> None:
        """Prepare to look partners up.

        Args:
            images: (n, 112, 112, 3) uint8 RGB aligned crops. A memory map will do.
            small: Their `thumbnails`.
            weights: (n,) how much each crop is wanted, at least 0, one of them above 0.
            seed: Seed of all chance.
        """
        self._images = images
        self._seed = seed
        self._share = np.cumsum(weights, dtype=np.float64) / np.sum(weights, dtype=np.float64)
        self._small = small

    def face(self, number: int) -> ImageArray:
        """Make face `number`, (112, 112, 3) uint8 RGB.

        It is made of one crop or of two (blended, or one part each), turned or not.
        """
        rng = np.random.default_rng((self._seed, 1 << 41, number))
        kind = rng.choice(4, p=(0.35, 0.3, 0.2, 0.15))
        place = int(self._draw(rng, 1)[0])
        face = np.asarray(self._images[place])
        if kind == 0:  # both faces everywhere
            partner = _match_colours(self._partner(place, rng), face)
            face = _mix(face, partner, np.float32(rng.uniform(0.3, 0.5)))
        elif kind in (1, 2):  # one face on either side of a soft seam
            partner = _match_colours(self._partner(place, rng), face)
            face = _mix(face, partner, _draw_seam(rng))
        if kind > 1:
            face = turn(face, rng.uniform(15, MOST_TURN_DEG) * rng.choice((-1, 1)))
        return np.ascontiguousarray(face[:, ::-1] if rng.random() < 0.5 else face)

    def _draw(self, rng: np.random.Generator, number: int) -> IndexArray:
        return np.minimum(np.searchsorted(self._share, rng.random(number)), len(self._share) - 1)

    def _partner(self, place: int, rng: np.random.Generator) -> ImageArray:
        """The most similar of a few crops and their mirror images.

        They are compared when small, so the partner has a similar pose and similar
        hair.
        """
        places = self._draw(rng, CANDIDATES)
        small = self._small[places]
        both = np.concatenate([small, small[:, :, ::-1]])
        distance = np.square(both - self._small[place]).sum(axis=(1, 2))
        distance[np.tile(places == place, 2)] = np.inf  # a face and itself make no new one
        best = int(np.argmin(distance))
        image = np.asarray(self._images[places[best % CANDIDATES]])
        return image if best < CANDIDATES else image[:, ::-1]


def thumbnails(images: ImageArray) -> Float32Array:
    """Small grey pictures of crops, (n, 8, 8), each with mean 0 and spread 1."""
    return np.stack([_thumbnail(np.asarray(image)) for image in images])


def lopsidedness(small: Float32Array) -> Float32Array:
    """How much each thumbnail differs from its mirror image, (n,) in [0, 2].

    It is 1 − their correlation. Of CFP's crops it tells profile from frontal ones with
    an area under the curve of 0.95, the embedding of a face network with 0.97.
    """
    own = np.sum(np.square(small), axis=(1, 2))
    mirrored = np.sum(small * small[:, :, ::-1], axis=(1, 2))
    return np.asarray(1 - mirrored / np.maximum(own, 1e-6), np.float32)


def _thumbnail(image: ImageArray) -> Float32Array:
    """(8, 8) grey values with mean 0 and spread 1."""
    grey = cv2.resize(
        cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (8, 8), interpolation=cv2.INTER_AREA
    ).astype(np.float32)
    return np.asarray((grey - grey.mean()) / (grey.std() + 1), np.float32)


def turn(face: ImageArray, degrees: float) -> ImageArray:
    """Turn a crop that is bent round an upright cylinder, and align it again.

    Args:
        face: (112, 112, 3) uint8 RGB.
        degrees: Angle in [-80, 80]. Above 0 the face's middle moves to the right.
    """
    angle = np.deg2rad(degrees)
    points = np.array(TEMPLATE_XY, np.float64)
    radius = RADIUS_PX * np.array([1, 1, NOSE_RADIUS, 1, 1])
    on_cylinder = np.arcsin(np.clip((points[:, 0] - CENTRE_PX) / radius, -1, 1))
    points[:, 0] = CENTRE_PX + radius * np.sin(on_cylinder + angle)
    back = cv2.invertAffineTransform(umeyama(points.astype(np.float32), TEMPLATE_XY))
    y, x = np.mgrid[:FACE_SIZE_PX, :FACE_SIZE_PX].astype(np.float64)
    seen_x, seen_y = (row[0] * x + row[1] * y + row[2] for row in back)
    around = np.arcsin(np.clip((seen_x - CENTRE_PX) / RADIUS_PX, -1, 1)) - angle
    source = CENTRE_PX + RADIUS_PX * np.sin(np.clip(around, -np.pi / 2, np.pi / 2))
    return np.asarray(
        cv2.remap(face, source.astype(np.float32), seen_y.astype(np.float32), cv2.INTER_LINEAR)
    )


def _match_colours(face: ImageArray, other: ImageArray) -> Float32Array:
    """Give `face` the mean and spread of `other` in each channel.

    Both are taken over the middle of the crop, so that no seam shows.
    """
    middle = (slice(24, 100), slice(24, 88))
    mean, spread = cv2.meanStdDev(face[middle])
    other_mean, other_spread = cv2.meanStdDev(other[middle])
    factor = np.clip(other_spread / np.maximum(spread, 1), 0.5, 2).ravel()
    return ((face.astype(np.float32) - mean.ravel()) * factor + other_mean.ravel()).astype(
        np.float32
    )


def _draw_seam(rng: np.random.Generator) -> Float32Array:
    """(112, 112, 1) share of the second face, along a random line near the centre.

    It is 0 on one side of the line and 1 on the other.
    """
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:FACE_SIZE_PX, :FACE_SIZE_PX] - CENTRE_PX
    distance = x * np.cos(angle) + (y - 10) * np.sin(angle) - rng.uniform(-12, 12)
    return np.asarray(1 / (1 + np.exp(-distance / rng.uniform(3, 10))), np.float32)[..., None]


def _mix(face: ImageArray, other: Float32Array, share: Float32Array | np.float32) -> ImageArray:
    """Weighted mean of two faces."""
    return np.clip(face + share * (other - face.astype(np.float32)), 0, 255).astype(np.uint8)
