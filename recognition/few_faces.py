"""Which faces of a clip are enough to say whose they are. Pure.

Faces of one clip resemble each other, and half of them have nearly the embedding of all. So
a question looks at the best face of each of some stretches of time, and at each face that
looks like none of these. They are enough where faces are clear and their embeddings agree.
Bounds are measured on real clips (docs/research/views.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recognition.agreement import Sample
from utils.arrays import BoolArray, Float32Array, ImageArray, IndexArray, unit
from utils.media import AlignedFace

STRETCHES = 6
"""Stretches of time, as even as can be, of which the best face is taken."""

FAST_STRETCHES = 4
"""As many for a fast answer."""

# Median quality of faces below which all are needed: dark ones, and very small or blurred ones
_LEAST_QUALITY = 0.7

# Correlation of the squares of two faces from which they look alike
_ALIKE = 0.95

# Cosine of a face to the mean of the others: of each face, and in the mean
_LEAST_AGREEMENT = 0.6
_MEAN_AGREEMENT = 0.8

# Rows and columns of the 112 × 112 face that are compared, in squares of so many pixels
_SEEN = (slice(16, 112), slice(16, 96))
_SQUARE_PX = 8


def choose_few(faces: Sequence[AlignedFace], stretches: int = STRETCHES) -> BoolArray:
    """Choose faces (n,) that may be enough.

    Args:
        faces: of one track, best first.
        stretches: number of stretches of time.

    Returns:
        (n,) bool. All of them where there are no more than that, or they are not clear.
    """
    chosen = np.ones(len(faces), np.bool_)
    quality = np.median([face.quality.score for face in faces])
    if len(faces) <= stretches or quality < _LEAST_QUALITY:
        return chosen
    chosen[:] = False
    chosen[[stretch.min() for stretch in _divide(faces, stretches)]] = True
    squares = _describe(np.stack([face.image for face in faces]))
    likeness = (squares @ squares[chosen].T).max(axis=1)
    return np.asarray(chosen | (likeness < _ALIKE))


def choose_early(
    faces: Sequence[AlignedFace], frames: int, stretches: int = STRETCHES
) -> list[tuple[AlignedFace, bool]]:
    """Choose faces that `choose_few` is going to choose if there is one in each of the frames.

    Args:
        faces: one of each frame so far, in order of time.
        frames: how many frames there will be.
        stretches: number of stretches of time.

    Returns:
        Each with whether `turn_few` turns it. None where they are not clear so far.
    """
    scores = [face.quality.score for face in faces]
    if frames <= stretches or not scores or np.median(scores) < _LEAST_QUALITY:
        return []
    parts = np.array_split(np.arange(frames), stretches)
    seen = [part for part in parts if part[-1] < len(faces)]
    best = [max(part.tolist(), key=lambda i: scores[i]) for part in seen]
    return [(faces[i], bool(number % 2)) for number, i in enumerate(best)]


def turn_few(faces: Sequence[AlignedFace], stretches: int = STRETCHES) -> BoolArray:
    """Say which faces (n,) of one track are mirrored: those of every second stretch."""
    turned = np.zeros(len(faces), np.bool_)
    turned[np.concatenate(_divide(faces, stretches)[1::2])] = True
    return turned


def _divide(faces: Sequence[AlignedFace], stretches: int) -> list[IndexArray]:
    """Divide the numbers of faces into stretches of time."""
    by_time = np.argsort([face.time_s for face in faces], kind="stable")
    return np.array_split(by_time, stretches)


def agree(faces: Sample) -> bool:
    """Whether the chosen faces are so alike that the others need not be looked at."""
    own = faces.vectors * faces.weights[:, None]
    others = unit(own.sum(axis=0) - own)
    agreement = np.sum(faces.vectors * others, axis=1)
    return bool(agreement.min() >= _LEAST_AGREEMENT and agreement.mean() >= _MEAN_AGREEMENT)


def _describe(images: ImageArray) -> Float32Array:
    """Describe faces (n, 112, 112, 3) by the colours of squares: (n, 360) of unit length."""
    seen = images[(slice(None), *_SEEN)]
    count, height, width, _ = seen.shape
    # Whole rows first: their pixels lie side by side, which is six times as fast
    bands = seen.reshape(count, height // _SQUARE_PX, _SQUARE_PX, width * 3).sum(axis=2)
    squares = bands.reshape(count, -1, _SQUARE_PX, 3).sum(axis=2)
    means = squares.reshape(count, -1) / _SQUARE_PX**2
    return unit(means - means.mean(axis=1, keepdims=True))
