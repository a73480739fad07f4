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
from align.copies import Copy
from align.detector_networks import Networks
from utils.arrays import Float64Array, ImageArray

# Of the frames, one in so many is a turn, and one is looked at for small faces in any case
_TURN_EVERY = 3
_SMALL_EVERY = 6
_SMALL_PX = 20

# Least probability, width and contrast (standard deviation of the green) of faces that are
# plain. Measured: a contrast of 27 or more, also blurred, and 6 to 8 with 15 % of the light.
_PLAIN = 0.95
_PLAIN_PX = 40
_PLAIN_CONTRAST = 15

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
        self._copies: list[Copy] = []
        self._rows = np.empty((0, 16))
        self._followed = np.empty((0, 16))
        self._is_plain = False
        self._last_turn = -1

    def add(self, copy: Copy) -> None:
        """Take the next frame in order of time."""
        self._copies.append(copy)
        newest = len(self._copies) - 1
        is_turn = newest % _TURN_EVERY == 0
        if self._is_plain:
            self._follow(newest, whole=is_turn)
        if is_turn:
            self._take_turn(newest)

    @property
    def so_far(self) -> Float64Array:
        """Rows (n, 16) of faces that are searched for good, and of those that are followed.

        The latter count unless the next turn shows others.
        """
        return np.concatenate([self._rows, self._followed]) if self._is_plain else self._rows

    def finish(self) -> Float64Array:
        """Return the (n, 16) rows of all images, surest first."""
        newest = len(self._copies) - 1
        if newest != self._last_turn:
            self._take_turn(newest)
        return np.asarray(self._rows[np.argsort(-self._rows[:, 5], kind="stable")], np.float64)

    def _follow(self, newest: int, *, whole: bool) -> None:
        """Look near the faces of the frame before. All of them must be plain again."""
        before = _select(np.concatenate([self._rows, self._followed]), newest - 1)
        rows = self._look_near([newest], before, whole=whole)
        if len(rows) == len(before) and not _are_plain(rows):
            # Who moved far is seen better from where they are now
            rows = self._look_near([newest], rows, whole=whole)
        self._followed = np.concatenate([self._followed, rows])
        self._is_plain = len(rows) == len(before) and _are_plain(rows)

    def _take_turn(self, newest: int) -> None:
        if self._is_plain and not self._finds_others(newest):
            self._rows = np.concatenate([self._rows, self._followed])
        else:
            rows = self._detect([newest])
            self._rows = np.concatenate([self._rows, self._look_between(newest, rows), rows])
        self._followed = self._followed[:0]
        self._last_turn = newest
        self._is_plain = not self._is_thorough and self._is_plain_at(newest)

    def _is_plain_at(self, turn: int) -> bool:
        faces = _select(self._rows, turn)
        return _are_plain(faces) and _has_contrast(self._copies[turn].whole, faces)

    def _finds_others(self, newest: int) -> bool:
        faces = _select(self._followed, newest)
        is_small = newest % _SMALL_EVERY == 0
        least_px = _SMALL_PX if is_small else _OTHERS_SHARE * _measure_narrowest(faces)
        image = self._copies[newest].whole
        return len(cascade.look_beside(image, faces, least_px, self._networks)) > 0

    def _look_between(self, newest: int, rows: Float64Array) -> Float64Array:
        """Look near the faces of the two turns beside. Where one is lost, search in full."""
        between = range(self._last_turn + 1, newest)
        sides = _select(self._rows, self._last_turn), rows
        near = self._look_near(between, np.concatenate(sides))
        most = max(1, *map(len, sides))
        lost = [i for i in between if len(_select(near, i)) < most]
        near = near[~np.isin(near[:, 0], lost)]
        return np.concatenate([near, self._detect(lost)])

    def _look_near(
        self, chosen: Sequence[int], faces: Float64Array, *, whole: bool = False
    ) -> Float64Array:
        """Look in some of the frames near faces. The rows have the indices of all.

        `whole`: all of the copies is needed anyway.
        """
        copies = [self._copies[i] for i in chosen]
        images = [copy.whole if whole else copy.near(faces[:, 1:5]) for copy in copies]
        return _number(cascade.look_near(images, faces, self._networks), chosen)

    def _detect(self, chosen: Sequence[int]) -> Float64Array:
        """Search some of the frames in full, likewise."""
        images = [self._copies[i].whole for i in chosen]
        return _number(cascade.detect(images, self._networks), chosen)


def _number(rows: Float64Array, chosen: Sequence[int]) -> Float64Array:
    """Give the rows of some frames the indices of these."""
    rows = rows.copy()
    rows[:, 0] = np.asarray(chosen)[rows[:, 0].astype(int)]
    return rows


def _select(rows: Float64Array, image: int) -> Float64Array:
    return np.asarray(rows[rows[:, 0] == image], np.float64)


def _are_plain(rows: Float64Array) -> bool:
    """Whether there is a face, and all are sure and not small."""
    is_sure = len(rows) > 0 and rows[:, 5].min() >= _PLAIN
    return bool(is_sure) and _measure_narrowest(rows) >= _PLAIN_PX


def _measure_narrowest(rows: Float64Array) -> float:
    return float((rows[:, 3] - rows[:, 1]).min())


def _has_contrast(image: ImageArray, rows: Float64Array) -> bool:
    """Whether all faces are well lit."""
    height, width = image.shape[:2]
    corners = rows[:, 1:5].clip(0, [width, height, width, height]).astype(int)
    greens = [image[top:bottom, left:right, 1] for left, top, right, bottom in corners]
    return all(green.size > 0 and green.std() >= _PLAIN_CONTRAST for green in greens)
