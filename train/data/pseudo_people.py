"""Pseudo-persons: faces of one data set joined at random with voices of another.

A face and a voice are nearly independent given the person. So a random join of
strangers behaves as real people do, if both sides of a trial use the same join. Two
people who share a speaker or a face are never compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from train.data.tables import Codes, Table
from utils.arrays import Float32Array, Float64Array

Fuse = Callable[[Float32Array, Float32Array], Float32Array]
"""Face and voice embeddings (n, 512) each to (n, 512) of unit length."""
Condition = tuple[str, str]
"""Conditions of a face and of a voice."""
CONDITIONS: tuple[Condition, ...] = (
    ("clean", "clean"),
    ("blur", "clean"),
    ("dark", "clean"),
    ("clean", "noise 0 dB"),
    ("clean", "1 s"),
    ("blur", "noise 0 dB"),
)
"""Conditions of the probes. Templates are always clean."""


@dataclass(frozen=True)
class FusionTrials:
    """Scores of the same trials by face, by voice and fused.

    Attributes:
        face, voice, fused: (n,) cosines.
        labels: (n,), 1 for the same pseudo-person.
        speakers: (n, 2) whose voices are compared.
    """

    face: Float64Array
    voice: Float64Array
    fused: Float64Array
    labels: npt.NDArray[np.int64]
    speakers: Codes


@dataclass(frozen=True)
class _Enrolled:
    """Templates (count, 512) of people (count,), and probes (m, 512) with their place (m,)."""

    people: Codes
    templates: Float32Array
    probes: Float32Array
    owner: Codes


@dataclass(frozen=True)
class _Join:
    """Rows of a face table and of a voice table that are one clip of a pseudo-person."""

    face_row: int
    voice_row: int
    person: int
    file: int
    condition: int


def compare(
    faces: Table,
    voices: Table,
    fuse: Fuse,
    condition: Condition,
    *,
    probes: int = 4,
    joins: int = 2,
    seed: int = 0,
) -> FusionTrials:
    """Compare all pseudo-persons with each other.

    Args:
        faces, voices: Held-out tables with the measured conditions.
        fuse: The fusion that is measured.
        condition: Conditions of the probes. Templates are clean, one of each person.
        probes: Probes of each person, at most.
        joins: How often faces and voices are joined. The people of the larger table are
            drawn anew each time.
        seed: Seed of all chance.
    """
    parts = []
    for join in range(joins):
        rng = np.random.default_rng([seed, join])
        count = min(len(np.unique(table.person)) for table in (faces, voices))
        face = _enroll(faces, condition[0], count=count, probes=probes, rng=rng)
        voice = _enroll(voices, condition[1], count=count, probes=probes, rng=rng)
        parts.append(_score(face, voice, fuse))
    return FusionTrials(
        face=np.concatenate([part.face for part in parts]),
        voice=np.concatenate([part.voice for part in parts]),
        fused=np.concatenate([part.fused for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        speakers=np.concatenate([part.speakers for part in parts]),
    )


def _enroll(
    table: Table, condition: str, *, count: int, probes: int, rng: np.random.Generator
) -> _Enrolled:
    """Draw `count` people with a clean template each, and probes from their other files."""
    clean = table.under("clean")
    degraded = table.under(condition)
    templates: list[int] = []
    chosen: list[int] = []
    owner: list[int] = []
    people = rng.permutation(np.unique(table.person))[:count]
    for place, person in enumerate(people):
        template = int(rng.choice(np.flatnonzero(clean.person == person)))
        other_file = degraded.file != clean.file[template]
        rows = rng.permutation(np.flatnonzero((degraded.person == person) & other_file))[:probes]
        templates.append(template)
        chosen += rows.tolist()
        owner += [place] * len(rows)
    return _Enrolled(
        people=people,
        templates=clean.vectors[templates],
        probes=degraded.vectors[chosen],
        owner=np.array(owner),
    )


def _score(face: _Enrolled, voice: _Enrolled, fuse: Fuse) -> FusionTrials:
    count = len(face.templates)
    face_rows, voice_rows = np.array(list(_probe_pairs(face.owner, voice.owner, count))).T
    face_probes = face.probes[face_rows]
    voice_probes = voice.probes[voice_rows]
    fused = fuse(face_probes, voice_probes) @ fuse(face.templates, voice.templates).T
    labels = face.owner[face_rows][:, None] == np.arange(count)
    asked = voice.people[voice.owner[voice_rows]]
    return FusionTrials(
        face=_flat(face_probes @ face.templates.T),
        voice=_flat(voice_probes @ voice.templates.T),
        fused=_flat(fused),
        labels=labels.ravel().astype(np.int64),
        speakers=np.stack([np.repeat(asked, count), np.tile(voice.people, len(asked))], axis=1),
    )


def _probe_pairs(face_owner: Codes, voice_owner: Codes, count: int) -> Iterator[tuple[int, int]]:
    """The k-th face probe of each person with the person's k-th voice probe."""
    for person in range(count):
        yield from zip(
            np.flatnonzero(face_owner == person),
            np.flatnonzero(voice_owner == person),
            strict=False,
        )


def _flat(scores: Float32Array) -> Float64Array:
    return scores.ravel().astype(np.float64)


def fused_table(
    faces: Table,
    voices: Table,
    fuse: Fuse,
    conditions: Sequence[Condition],
    *,
    rng: np.random.Generator,
) -> Table:
    """Join pseudo-persons to a table of fused embeddings.

    Each person's k-th face file is joined with the k-th voice file under each of the
    `conditions`. A file that lacks a condition is left out there. The conditions of the
    table are named "face/voice". Its seconds are the voice's, its
    quality has a column for each.
    """
    pairs = list(
        zip(
            rng.permutation(np.unique(faces.person)),
            rng.permutation(np.unique(voices.person)),
            strict=False,
        )
    )
    joins = list(_join_files(faces, voices, conditions, pairs=pairs, rng=rng))
    face_rows = [join.face_row for join in joins]
    voice_rows = [join.voice_row for join in joins]
    return Table(
        vectors=fuse(faces.vectors[face_rows], voices.vectors[voice_rows]),
        person=np.array([join.person for join in joins]),
        file=np.array([join.file for join in joins]),
        condition=np.array([join.condition for join in joins]),
        names=tuple(f"{faces.names[face]}+{voices.names[voice]}" for face, voice in pairs),
        conditions=tuple("/".join(pair) for pair in conditions),
        seconds=voices.seconds[voice_rows],
        quality=np.hstack([faces.quality[face_rows], voices.quality[voice_rows]]),
    )


def _join_files(
    faces: Table,
    voices: Table,
    conditions: Sequence[Condition],
    *,
    pairs: Sequence[tuple[int, int]],
    rng: np.random.Generator,
) -> Iterator[_Join]:
    face_row = _row_of_file(faces)
    voice_row = _row_of_file(voices)
    codes = [
        (faces.conditions.index(face), voices.conditions.index(voice)) for face, voice in conditions
    ]
    number = 0
    for person, (face_person, voice_person) in enumerate(pairs):
        files = zip(
            rng.permutation(np.unique(faces.file[faces.person == face_person])),
            rng.permutation(np.unique(voices.file[voices.person == voice_person])),
            strict=False,
        )
        for face_file, voice_file in files:
            number += 1
            for condition, (face_code, voice_code) in enumerate(codes):
                left = face_row.get((face_file, face_code))
                right = voice_row.get((voice_file, voice_code))
                if left is not None and right is not None:
                    yield _Join(
                        face_row=left,
                        voice_row=right,
                        person=person,
                        file=number,
                        condition=condition,
                    )


def _row_of_file(table: Table) -> dict[tuple[int, int], int]:
    """The row of each (file, condition)."""
    keys = zip(table.file.tolist(), table.condition.tolist(), strict=True)
    return {key: row for row, key in enumerate(keys)}


def halves(table: Table) -> tuple[Table, Table]:
    """Divide a table's people at random: one half to choose with, one to report on."""
    people = np.random.default_rng(0).permutation(np.unique(table.person))
    middle = len(people) // 2
    return table.of_people(people[:middle]), table.of_people(people[middle:])
