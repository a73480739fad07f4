"""Finding the faces in the frames of a clip as they come.

Every third frame is a turn. Where faces are plain, they are followed from frame to frame,
and at a turn others are looked for beside them: at every second one those that are small
as well. Elsewhere a turn is searched in full, and the frames since the one before it near
the faces of both. Rows are those of `align.cascade`, with the indices of all frames.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from align import cascade
from align.detector_networks import Networks
from utils.arrays import Float64Array, ImageArray

# Of the frames, one in so many is a turn, and one is looked at for small faces in any case
_TURN_EVERY = 3
_SMALL_EVERY = 6

# Least probability and width of faces that are plain
_PLAIN = 0.95
_PLAIN_PX = 40

# Others are looked for from this share of the width of the narrowest known face. Smaller
# ones are background (`align.tracks`).
_OTHERS_SHARE = 0.3


class Follower:
    """Finds faces in the frames of a clip as they come.

    A face beside others is missed where it comes and goes between two turns, or where it
    is small beside plain ones and comes and goes between every second turn.
    """

    def __init__(self, networks: Networks, *, is_thorough: bool = False) -> None:
        """`is_thorough`: each turn is searched in full."""
        self._networks = networks
        self._is_thorough = is_thorough
        self._images: list[ImageArray] = []
        self._rows = np.empty((0, 16))
        self._followed = np.empty((0, 16))
        self._is_plain = False
        self._last_turn = -1

    def add(self, image: ImageArray) -> None:
        """Take the next image in order of time, as `cascade.detect` has it."""
        self._images.append(image)
        newest = len(self._images) - 1
        if self._is_plain:
            self._follow(newest)
        if newest % _TURN_EVERY == 0:
            self._take_turn(newest)

    @property
    def search_count(self) -> int:
        """How many images are searched for good: those up to the last turn."""
        return self._last_turn + 1

    def finish(self) -> Float64Array:
        """Return the (n, 16) rows of all images, surest first."""
        newest = len(self._images) - 1
        if newest != self._last_turn:
            self._take_turn(newest)
        return np.asarray(self._rows[np.argsort(-self._rows[:, 5], kind="stable")], np.float64)

    def _follow(self, newest: int) -> None:
        """Look near the faces of the frame before. All of them must be plain again."""
        before = _select(np.concatenate([self._rows, self._followed]), newest - 1)
        rows = cascade.look_near(self._images, before, [newest], self._networks)
        self._followed = np.concatenate([self._followed, rows])
        self._is_plain = len(rows) == len(before) and _are_plain(rows)

    def _take_turn(self, newest: int) -> None:
        if self._is_plain and not self._finds_others(newest):
            self._rows = np.concatenate([self._rows, self._followed])
        else:
            rows = self._detect([newest])
            between = self._look_between(newest, rows)
            self._rows = np.concatenate([self._rows, between, rows])
            self._is_plain = not self._is_thorough and _are_plain(rows)
        self._followed = self._followed[:0]
        self._last_turn = newest

    def _finds_others(self, newest: int) -> bool:
        faces = _select(self._followed, newest)
        is_small = newest % _SMALL_EVERY == 0
        least_px = 0.0 if is_small else _OTHERS_SHARE * _measure_narrowest(faces)
        return len(cascade.look_beside(self._images[newest], faces, least_px, self._networks)) > 0

    def _look_between(self, newest: int, rows: Float64Array) -> Float64Array:
        """Look near the faces of the two turns beside. Where one is lost, search in full."""
        between = range(self._last_turn + 1, newest)
        sides = _select(self._rows, self._last_turn), rows
        near = cascade.look_near(self._images, np.concatenate(sides), between, self._networks)
        most = max(1, *map(len, sides))
        lost = [i for i in between if len(_select(near, i)) < most]
        found = near[~np.isin(near[:, 0], lost)]
        return np.concatenate([found, self._detect(lost)])

    def _detect(self, chosen: Sequence[int]) -> Float64Array:
        """Search some of the images in full. The rows have the indices of all."""
        if not chosen:
            return np.empty((0, 16))
        rows = cascade.detect([self._images[i] for i in chosen], self._networks)
        rows[:, 0] = np.asarray(chosen)[rows[:, 0].astype(int)]
        return rows


def follow(images: Sequence[ImageArray], networks: Networks) -> Float64Array:
    """Find faces in all frames of a clip, in order of time, as `Follower` does."""
    follower = Follower(networks)
    for image in images:
        follower.add(image)
    return follower.finish()


def _select(rows: Float64Array, image: int) -> Float64Array:
    return rows[rows[:, 0] == image]


def _are_plain(rows: Float64Array) -> bool:
    """Whether there is a face, and all are sure and not small."""
    is_sure = len(rows) > 0 and rows[:, 5].min() >= _PLAIN
    return bool(is_sure) and _measure_narrowest(rows) >= _PLAIN_PX


def _measure_narrowest(rows: Float64Array) -> float:
    return float((rows[:, 3] - rows[:, 1]).min())
