"""Pseudo-persons: faces of one data set joined at random with voices of another, for
training the fusion and for measuring it.

A face and a voice are nearly independent given the person, so a random join of
strangers behaves as real people do, as long as both sides of a trial use the same join.
Two people who share a speaker or a face are never compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from train.data.tables import Table
from utils.arrays import BoolArray, Float32Array, Float64Array, IndexArray
from utils.errors import DatasetError

Fuse = Callable[[Float32Array, Float32Array], Float32Array]
"""Face and voice embeddings (n, 512) each → (n, 512) of unit length."""
MIN_GROUP = 25
CONDITIONS = (
    ("clean", "clean"),
    ("blur", "clean"),
    ("dark", "clean"),
    ("clean", "noise 0 dB"),
    ("clean", "1 s"),
    ("blur", "noise 0 dB"),
)
"""Face and voice condition of the probes; templates are always clean."""


@dataclass(frozen=True)
class Draw:
    """How training pairs are drawn: `people` per batch at most; chance that a probe's
    modality is degraded, that a template's is, and that a modality of either is missing
    (zeros; never both).
    """

    people: int = 256
    degraded_probe: float = 0.5
    degraded_template: float = 0.1
    missing: float = 0.05


class PseudoPersons:
    """Draws training batches from a face table and a voice table, each with the
    conditions "clean" and "random".
    """

    def __init__(self, faces: Table, voices: Table, draw: Draw, seed: int) -> None:
        """`seed` and the step number make a batch."""
        self.faces = faces
        self.voices = voices
        self._sides = [_Rows(faces), _Rows(voices)]
        self._draw = draw
        self._seed = seed

    def batch(self, step: int) -> dict[str, Float32Array]:
        """`template_face`, `template_voice`, `probe_face`, `probe_voice`: (n, 512)
        each; row i of all four is one pseudo-person.

        All faces of a batch come from one data set and all voices from one: strangers
        who differ by their recording only are no lesson.
        """
        rng = np.random.default_rng([self._seed, step])
        draw = self._draw
        batch: dict[str, Float32Array] = {}
        groups = [side.group(rng) for side in self._sides]
        count = min(draw.people, *(len(group) for group in groups))
        for name, side, group in zip(("face", "voice"), self._sides, groups, strict=True):
            people = rng.choice(group, count, replace=False)
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
        self._clean = _grouped(table.person, clean, len(table.names))
        self._degraded = _grouped(table.person, ~clean, len(table.names))
        able = [
            i
            for i in range(len(table.names))
            if len(np.unique(self._file[self._clean[i]])) > 1 and len(self._degraded[i])
        ]
        self._groups = _by_data_set(able, table.names)
        self._share = np.array([len(group) for group in self._groups]) / sum(
            len(group) for group in self._groups
        )

    def group(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """People of one data set, drawn by the number of its people."""
        return self._groups[int(rng.choice(len(self._groups), p=self._share))]

    def pairs(
        self, people: npt.NDArray[np.int64], draw: Draw, rng: np.random.Generator
    ) -> tuple[Float32Array, Float32Array]:
        """Template and probe vectors of `people`, of two different files each."""
        rows = np.array([self._pair(person, draw, rng) for person in people])
        return self._vectors[rows[:, 0]].copy(), self._vectors[rows[:, 1]].copy()

    def _pair(self, person: int, draw: Draw, rng: np.random.Generator) -> tuple[int, int]:
        template = self._row(person, draw.degraded_template, -1, rng)
        return template, self._row(person, draw.degraded_probe, self._file[template], rng)

    def _row(self, person: int, degraded: float, other_than: int, rng: np.random.Generator) -> int:
        rows = self._degraded[person] if rng.random() < degraded else self._clean[person]
        rows = rows[self._file[rows] != other_than]
        if not len(rows):  # all degraded rows are of the template's file
            rows = self._clean[person][self._file[self._clean[person]] != other_than]
        return int(rng.choice(rows))


@dataclass(frozen=True)
class Trials:
    """Scores (n,) of the same trials by face, by voice and fused, and labels (n,) 1 =
    same pseudo-person.
    """

    face: Float64Array
    voice: Float64Array
    fused: Float64Array
    labels: npt.NDArray[np.int64]


def compare(
    faces: Table,
    voices: Table,
    fuse: Fuse,
    condition: tuple[str, str],
    probes: int = 4,
    joins: int = 2,
    seed: int = 0,
) -> Trials:
    """All pseudo-persons against each other: a clean template each, up to `probes`
    probes each under `condition` (face, voice).

    Args:
        faces, voices: held-out tables with the measured conditions; the larger one's
            people are drawn from anew for each of `joins`.
    """
    return joined(
        [
            _compare_once(
                faces, voices, fuse, condition, probes, np.random.default_rng([seed, join])
            )
            for join in range(joins)
        ]
    )


def joined(parts: Sequence[Trials]) -> Trials:
    """All trials of several sets."""
    return Trials(
        np.concatenate([part.face for part in parts]),
        np.concatenate([part.voice for part in parts]),
        np.concatenate([part.fused for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


def _compare_once(
    faces: Table,
    voices: Table,
    fuse: Fuse,
    condition: tuple[str, str],
    probes: int,
    rng: np.random.Generator,
) -> Trials:
    count = min(len(np.unique(faces.person)), len(np.unique(voices.person)))
    face_template, face_probe, face_owner = _enrol(faces, condition[0], count, probes, rng)
    voice_template, voice_probe, voice_owner = _enrol(voices, condition[1], count, probes, rng)
    pairs = [
        (f, v)
        for person in range(count)
        for f, v in zip(
            np.flatnonzero(face_owner == person),
            np.flatnonzero(voice_owner == person),
            strict=False,
        )
    ]
    face_rows = np.array([f for f, _ in pairs])
    voice_rows = np.array([v for _, v in pairs])
    owner = face_owner[face_rows]
    face_probe = face_probe[face_rows]
    voice_probe = voice_probe[voice_rows]
    fused = fuse(face_probe, voice_probe) @ fuse(face_template, voice_template).T
    labels = owner[:, None] == np.arange(count)
    return Trials(
        _flat(face_probe @ face_template.T),
        _flat(voice_probe @ voice_template.T),
        _flat(fused),
        labels.ravel().astype(np.int64),
    )


def _flat(scores: Float32Array) -> Float64Array:
    return scores.ravel().astype(np.float64)


def fused_table(
    faces: Table,
    voices: Table,
    fuse: Fuse,
    wanted: Sequence[tuple[str, str]],
    rng: np.random.Generator,
) -> Table:
    """Pseudo-persons as a table of fused embeddings: each person's k-th face file
    joined with the k-th voice file, under each of the `wanted` pairs of conditions; a
    file that lacks a condition is left out there. The conditions of the table are named
    "face/voice", its seconds are the voice's.
    """
    face_row = _by_file(faces)
    voice_row = _by_file(voices)
    face_people, voice_people = (
        rng.permutation(np.unique(table.person)) for table in (faces, voices)
    )
    rows: list[tuple[int, int, int, int, int]] = []
    file = 0
    for person, (f, v) in enumerate(zip(face_people, voice_people, strict=False)):
        for face_file, voice_file in zip(
            rng.permutation(np.unique(faces.file[faces.person == f])),
            rng.permutation(np.unique(voices.file[voices.person == v])),
            strict=False,
        ):
            file += 1
            for code, (face_condition, voice_condition) in enumerate(wanted):
                left = face_row.get((face_file, faces.conditions.index(face_condition)))
                right = voice_row.get((voice_file, voices.conditions.index(voice_condition)))
                if left is not None and right is not None:
                    rows.append((left, right, person, file, code))
    left, right, people, files, codes = np.array(rows).T
    names = tuple(
        f"{faces.names[f]}+{voices.names[v]}"
        for f, v in zip(face_people, voice_people, strict=False)
    )
    conditions = tuple("/".join(pair) for pair in wanted)
    return Table(
        fuse(faces.vectors[left], voices.vectors[right]),
        people,
        files,
        codes,
        names,
        conditions,
        voices.seconds[right],
    )


def _by_file(table: Table) -> dict[tuple[int, int], int]:
    return {
        (file, condition): row
        for row, (file, condition) in enumerate(
            zip(table.file.tolist(), table.condition.tolist(), strict=True)
        )
    }


def _enrol(
    table: Table, condition: str, count: int, probes: int, rng: np.random.Generator
) -> tuple[Float32Array, Float32Array, npt.NDArray[np.int_]]:
    """Templates (count, 512) of random people, their probes (m, 512) of other files,
    and whose probe each is (m,).
    """
    clean = table.under("clean")
    probe_rows = table.under(condition)
    templates = []
    chosen = []
    owner = []
    for place, person in enumerate(rng.permutation(np.unique(table.person))[:count]):
        template = int(rng.choice(np.flatnonzero(clean.person == person)))
        templates.append(template)
        rows = np.flatnonzero(
            (probe_rows.person == person) & (probe_rows.file != clean.file[template])
        )
        rows = rng.permutation(rows)[:probes]
        chosen.extend(rows.tolist())
        owner.extend([place] * len(rows))
    return clean.vectors[templates], probe_rows.vectors[chosen], np.array(owner)


def halves(table: Table, seed: int = 0) -> tuple[Table, Table]:
    """The table's people in two random halves: one to choose with, one to report on."""
    people = np.random.default_rng(seed).permutation(np.unique(table.person))
    return table.of_people(people[: len(people) // 2]), table.of_people(people[len(people) // 2 :])


def _by_data_set(people: Sequence[int], names: Sequence[str]) -> list[npt.NDArray[np.int64]]:
    """People by what stands before the first slash of their names, without groups too
    small to learn from; else all as one group.

    Raises:
        DatasetError: too few people altogether.
    """
    groups: dict[str, list[int]] = {}
    for person in people:
        groups.setdefault(names[person].partition("/")[0], []).append(person)
    big = [np.array(group) for group in groups.values() if len(group) >= MIN_GROUP]
    if not big and len(people) < 2:
        raise DatasetError(
            "The fusion needs people with two clean files and a degraded one each. Received:"
            f" {len(people)}"
        )
    return big or [np.array(people)]


def _grouped(person: npt.NDArray[np.int_], keep: BoolArray, people: int) -> Sequence[IndexArray]:
    rows = np.flatnonzero(keep)
    order = rows[np.argsort(person[rows], kind="stable")]
    return np.split(order, np.searchsorted(person[order], np.arange(1, people)))
