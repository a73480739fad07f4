"""Pairs of one person in a batch, whose crops are seen from different sides.

A teacher describes each crop by itself. Where it knows frontal faces better than those
from the side, the mean of what it says of one person is a better target for both. Two
crops of that person in one batch teach that they are alike, however they are turned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from train.face.blend import turn
from utils.arrays import Float32Array, ImageArray, IndexArray, unit

# A crop whose target is less alike than this to its person's mean may bear a wrong name.
LEAST_ALIKE = 0.3
# How much more often the most lopsided crops are drawn than those that are symmetric.
PLAIN = 0.5
MOST_LOPSIDED = 1.5
CANDIDATES = 4
TURN_DEG = (8.0, 35.0)


@dataclass(frozen=True)
class PairOptions:
    """How pairs of one person are made (table `[pairs]`).

    Attributes:
        share: The share of a batch's crops that come in pairs, in [0, 1).
        weight: Weight of the loss that one person's crops are alike, at least 0.
        centre: How far each target moves to the mean of its person's, in [0, 1].
        turned: The share of named crops that are turned, in [0, 1]. They keep their
            targets.

    Raises:
        ValueError: One of them lies outside.
    """

    share: float = 0.55
    weight: float = 3.0
    centre: float = 0.5
    turned: float = 0.15

    def __post_init__(self) -> None:
        shares = (self.share, self.centre, self.turned)
        if not all(0 <= share <= 1 for share in shares) or self.share == 1 or self.weight < 0:
            raise ValueError(
                "share must lie in [0, 1), centre and turned in [0, 1], weight not be negative."
                f" Received: share={self.share}, centre={self.centre}, turned={self.turned},"
                f" weight={self.weight}"
            )


class PairPicker:
    """Draws pairs of crops of one person.

    Attributes:
        targets: (n, t) float32 unit vectors that take the teacher's place.
    """

    def __init__(
        self,
        labels: npt.NDArray[np.int32],
        targets: Float32Array,
        sides: Float32Array,
        options: PairOptions,
    ) -> None:
        """Find the people of whom there are two crops.

        Args:
            labels: (n,) class numbers, below 0 for nobody's.
            targets: (n, t) unit vectors of the teacher.
            sides: (n,) how lopsided the crops are (`train.face.blend.lopsidedness`).
            options: How pairs are made.
        """
        means = _means(labels, targets)
        alike = np.sum(means * targets, axis=1)
        is_sure = (labels >= 0) & (alike > LEAST_ALIKE)
        moved = unit(targets + options.centre * means)
        self.targets = np.where(is_sure[:, None], moved, targets).astype(np.float32)
        self._options = options
        self._sides = sides
        self._of_person = _group(labels, is_sure)
        self._labels = labels
        self._crops = np.array(sorted(np.concatenate([*self._of_person.values(), []])), np.int64)
        weights = PLAIN + np.minimum(sides[self._crops], MOST_LOPSIDED)
        self._share = np.cumsum(weights, dtype=np.float64) / weights.sum(dtype=np.float64)

    def rows(self, rng: np.random.Generator, views: int) -> IndexArray:
        """Draw the pairs among so many views, both of a pair side by side.

        Returns no rows where nobody has two crops.
        """
        number = int(self._options.share * views) // 2
        if not len(self._crops):
            return np.zeros(0, np.int64)
        places = np.searchsorted(self._share, rng.random(number))
        first = self._crops[np.minimum(places, len(self._crops) - 1)]
        return np.stack([first, [self._partner(row, rng) for row in first]], axis=1).ravel()

    def turn_some(self, image: ImageArray, rng: np.random.Generator) -> ImageArray:
        """Turn a crop to one side, or leave it."""
        if rng.random() >= self._options.turned:
            return image
        return turn(np.ascontiguousarray(image), rng.uniform(*TURN_DEG) * rng.choice((-1, 1)))

    def _partner(self, row: int, rng: np.random.Generator) -> int:
        """The crop of the same person that is turned most differently, of a few."""
        rows = self._of_person[int(self._labels[row])]
        others = rng.permutation(rows[rows != row])[:CANDIDATES]
        return int(others[np.argmax(np.abs(self._sides[others] - self._sides[row]))])


def _means(labels: npt.NDArray[np.int32], targets: Float32Array) -> Float32Array:
    """The unit mean of its person's targets for each crop, (n, t). Nobody's have 0."""
    named = labels >= 0
    sums = np.zeros((int(labels.max(initial=0)) + 1, targets.shape[1]), np.float32)
    np.add.at(sums, labels[named], targets[named])
    means = np.zeros_like(targets)
    means[named] = unit(sums)[labels[named]]
    return means


def _group(labels: npt.NDArray[np.int32], is_sure: npt.NDArray[np.bool_]) -> dict[int, IndexArray]:
    """The rows of each person who has two or more."""
    rows = np.flatnonzero(is_sure)
    rows = rows[np.argsort(labels[rows], kind="stable")]
    people, starts = np.unique(labels[rows], return_index=True)
    groups = zip(people, np.split(rows, starts[1:]), strict=True)
    return {int(label): group for label, group in groups if len(group) > 1}
