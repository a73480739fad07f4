"""Who of a gallery was compared with everybody, and what is known of their scores alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from gallery.records.feed import Revision
from gallery.search.memory import Snapshot
from gallery.vectors import KeyArray
from recognition.likeness import Measured, Sides
from utils.arrays import BoolArray, Float32Array, IndexArray
from utils.modality import SINGLE, Modality


@dataclass
class Compared:
    """Who was compared, in the rows of a snapshot.

    Attributes:
        keys: (n,) internal numbers, 0 = nobody.
        done: (n,) whether they were compared.
        level: (n, 2) by face and by voice, as in `recognition.likeness.Measured`.
            Infinite where nothing is known, or there is nothing to compare.
        scale: (n, 2) likewise.
    """

    revision: Revision
    layout: int
    keys: KeyArray
    done: BoolArray
    level: Float32Array
    scale: Float32Array

    @classmethod
    def none_of(cls, snapshot: Snapshot) -> Compared:
        """Nobody of a snapshot."""
        count = len(snapshot.keys)
        return cls(
            revision=snapshot.revision,
            layout=snapshot.layout,
            keys=snapshot.keys,
            done=np.zeros(count, np.bool_),
            level=np.full((count, len(SINGLE)), np.inf, np.float32),
            scale=np.ones((count, len(SINGLE)), np.float32),
        )

    def is_of(self, snapshot: Snapshot) -> bool:
        """Whether the rows are those of this snapshot."""
        return (self.revision, self.layout) == (snapshot.revision, snapshot.layout)

    def is_before(self, snapshot: Snapshot) -> bool:
        """Whether the snapshot is a later one of the same gallery."""
        mine = (self.revision.gallery_id, self.revision.file)
        theirs = (snapshot.revision.gallery_id, snapshot.revision.file)
        return mine == theirs and self.revision.change <= snapshot.revision.change

    def follow(self, snapshot: Snapshot, changed: Collection[int]) -> Compared:
        """Take along to a later snapshot what is known, but of those who changed."""
        keys = np.where(np.isin(self.keys, list(changed)), 0, self.keys)
        if snapshot.layout == self.layout:
            ours = theirs = np.flatnonzero(keys)
        else:
            _, ours, theirs = np.intersect1d(keys, snapshot.keys, return_indices=True)
        later = Compared.none_of(snapshot)
        later.done[theirs] = self.done[ours] & (keys[ours] != 0)
        later.level[theirs] = self.level[ours]
        later.scale[theirs] = self.scale[ours]
        return later

    def todo(self) -> IndexArray:
        """Rows of those who were not compared yet."""
        return np.flatnonzero((self.keys != 0) & ~self.done)

    def enter(self, rows: IndexArray, sides: Sides) -> None:
        """Store what was measured of some rows."""
        for column, modality in enumerate(SINGLE):
            side = sides[modality]
            self.level[rows, column] = np.where(side.has, side.level, np.inf)
            self.scale[rows, column] = np.where(side.has, side.scale, 1.0)

    def sides(self, rows: IndexArray | slice) -> dict[Modality, Measured]:
        """What was measured of some rows."""
        sides = {}
        for column, modality in enumerate(SINGLE):
            level = self.level[rows, column].astype(np.float64)
            scale = self.scale[rows, column].astype(np.float64)
            sides[modality] = Measured(np.isfinite(level), level, scale)
        return sides
