"""Tables of made-up people: random directions, and noisy versions of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.calibration import Calibration
from train.calibration.galleries import Fold
from train.calibration.people import cohort_of
from train.data.tables import Table
from utils.arrays import unit

SIZE = 64
Fitted = tuple[tuple[Fold, Fold], Calibration]
"""Two folds, and the calibration of the first."""


@dataclass(frozen=True)
class Crowd:
    """What a table is made of.

    Attributes:
        people, files: How many, and files of each person.
        noise: Length of the noise of a clean file, per number of the vector.
        conditions: Every further condition is as much noisier again.
        shift: Part of one common direction that all have, as in a place where people
            are alike.
        seed: Seed of all chance.
    """

    people: int = 40
    files: int = 5
    noise: float = 0.9
    conditions: tuple[str, ...] = ("clean",)
    shift: float = 0.0
    seed: int = 0

    def table(self) -> Table:
        """Draw the people and their files."""
        rng = np.random.default_rng(self.seed)
        centres = rng.normal(size=(self.people, SIZE))
        person, file, condition = np.indices(
            (self.people, self.files, len(self.conditions))
        ).reshape(3, -1)
        noise = rng.normal(size=(len(person), SIZE))
        strength = self.noise * (1 + condition)
        vectors = centres[person] + strength[:, None] * noise
        vectors = unit(vectors.astype(np.float32))
        if self.shift:
            shift = np.float32(self.shift) * np.eye(1, SIZE, dtype=np.float32)
            vectors = unit(vectors + shift)
        return Table(
            vectors=vectors.astype(np.float32),
            person=person,
            file=person * self.files + file,
            condition=condition,
            names=tuple(f"set/{number}" for number in range(self.people)),
            conditions=self.conditions,
            seconds=np.zeros(len(vectors), np.float32),
            quality=(1 / (1 + condition))[:, None].astype(np.float32),
        )


def crowd(**changes: Any) -> Table:
    """People under "clean" and under a weaker condition, "dim"."""
    defaults = {"people": 120, "files": 4, "conditions": ("clean", "dim")}
    return Crowd(**{**defaults, **changes}).table()


def two_folds(**changes: Any) -> tuple[Fold, Fold]:
    """Two crowds, each with the other's cohort."""
    first, second = (crowd(seed=seed, **changes) for seed in (1, 2))
    return Fold(first, cohort_of(second)), Fold(second, cohort_of(first))
