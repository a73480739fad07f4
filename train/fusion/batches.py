"""Training batches of the fusion: pairs of clips of pseudo-persons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from train.data.tables import Table
from utils.arrays import BoolArray, Float32Array, IndexArray
from utils.errors import DatasetError

# People of a data set that can be told apart by more than their recordings.
MIN_GROUP = 25


@dataclass(frozen=True)
class Draw:
    """How training pairs are drawn (table `[draw]` of the configuration).

    Attributes:
        people: People of a batch, at most.
        degraded_probe: Chance that a modality of a probe is degraded.
        degraded_template: Chance that a modality of a template is degraded.
        missing: Chance that a modality of a probe or template is missing. It is zeros
            then. Never both are missing.
    """

    people: int = 256
    degraded_probe: float = 0.5
    degraded_template: float = 0.1
    missing: float = 0.05


class PseudoPersons:
    """Training batches from a face table and a voice table.

    Both tables have the conditions "clean" and "random".
    """

    def __init__(self, faces: Table, voices: Table, draw: Draw, seed: int) -> None:
        """Sort the tables by person. `seed` and the step number make a batch.

        Raises:
            DatasetError: There are too few people.
        """
        self.faces = faces
        self.voices = voices
        self._sides = {"face": _Rows(faces), "voice": _Rows(voices)}
        self._draw = draw
        self._seed = seed

    def batch(self, step: int) -> dict[str, Float32Array]:
        """Draw batch number `step`.

        All faces of a batch come from one data set, and all voices from one. Strangers
        who differ by their recordings only teach nothing.

        Returns:
            `template_face`, `template_voice`, `probe_face` and `probe_voice`, (n, 512)
            each. Row i of all four is one pseudo-person.
        """
        rng = np.random.default_rng([self._seed, step])
        draw = self._draw
        batch: dict[str, Float32Array] = {}
        groups = {name: side.group(rng) for name, side in self._sides.items()}
        count = min(draw.people, *(len(group) for group in groups.values()))
        for name, side in self._sides.items():
            people = rng.choice(groups[name], count, replace=False)
            batch[f"template_{name}"], batch[f"probe_{name}"] = side.pairs(people, draw, rng)
        for role in ("template", "probe"):
            lost = rng.random(count)
            batch[f"{role}_face"][lost < draw.missing] = 0
            batch[f"{role}_voice"][lost > 1 - draw.missing] = 0
        return batch


class _Rows:
    """Rows of a table by person: of clean and of degraded files."""

    def __init__(self, table: Table) -> None:
        self._vectors = table.vectors
        self._file = table.file
        clean = table.condition == table.conditions.index("clean")
        self._clean = _rows_by_person(table.person, clean, len(table.names))
        self._degraded = _rows_by_person(table.person, ~clean, len(table.names))
        usable = [person for person in range(len(table.names)) if self._is_usable(person)]
        self._groups = _by_data_set(usable, table.names)
        sizes = np.array([len(group) for group in self._groups])
        self._share = sizes / sizes.sum()

    def group(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """The people of one data set. Larger sets are drawn more often."""
        return self._groups[int(rng.choice(len(self._groups), p=self._share))]

    def pairs(
        self, people: npt.NDArray[np.int64], draw: Draw, rng: np.random.Generator
    ) -> tuple[Float32Array, Float32Array]:
        """Template and probe vectors of `people`, from two different files each."""
        rows = np.array([self._pair(person, draw, rng) for person in people])
        return self._vectors[rows[:, 0]].copy(), self._vectors[rows[:, 1]].copy()

    def _is_usable(self, person: int) -> bool:
        """Whether there are two clean files of a person, and a degraded one."""
        files = np.unique(self._file[self._clean[person]])
        return len(files) > 1 and len(self._degraded[person]) > 0

    def _pair(self, person: int, draw: Draw, rng: np.random.Generator) -> tuple[int, int]:
        template = self._row(person, draw.degraded_template, -1, rng)
        return template, self._row(person, draw.degraded_probe, self._file[template], rng)

    def _row(self, person: int, degraded: float, other_than: int, rng: np.random.Generator) -> int:
        clean = self._clean[person]
        rows = self._degraded[person] if rng.random() < degraded else clean
        rows = rows[self._file[rows] != other_than]
        if not len(rows):  # all degraded rows are of the template's file
            rows = clean[self._file[clean] != other_than]
        return int(rng.choice(rows))


def _by_data_set(people: Sequence[int], names: Sequence[str]) -> list[npt.NDArray[np.int64]]:
    """People by data set, the part of their names before the first slash.

    Data sets too small to learn from are left out. Where all are, everybody is one
    group.

    Raises:
        DatasetError: There are too few people altogether.
    """
    groups: dict[str, list[int]] = {}
    for person in people:
        groups.setdefault(names[person].partition("/")[0], []).append(person)
    large = [np.array(group) for group in groups.values() if len(group) >= MIN_GROUP]
    if not large and len(people) < 2:
        raise DatasetError(
            "The fusion needs at least two people with two clean files and a degraded one each."
            f" Received: {len(people)}"
        )
    return large or [np.array(people)]


def _rows_by_person(
    person: npt.NDArray[np.int64], keep: BoolArray, people: int
) -> Sequence[IndexArray]:
    rows = np.flatnonzero(keep)
    order = rows[np.argsort(person[rows], kind="stable")]
    return np.split(order, np.searchsorted(person[order], np.arange(1, people)))
