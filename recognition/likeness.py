"""Entries of a gallery that look like one person. Pure.

Two entries are compared by what stands for each of them, as two clips are. The natural
log-likelihood ratios of face and voice are added, as both are independent given whose
they are. Entries look alike where one person is the likelier story, if one entry in a
hundred is a duplicate, and neither face nor voice clearly speaks against it. What is
alike to the same recording always is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.calibration import Calibration
from scoring.norms import Norm
from utils.arrays import BoolArray, Float32Array, Float64Array, IndexArray
from utils.modality import SINGLE, Modality, PerModality

ENROLLED_BEFORE_ODDS = 1 / 99
SAME_RECORDING = 0.95

AGAINST = -math.log(9)
"""Log-likelihood ratio below which a face or a voice speaks against one person."""


@dataclass(frozen=True)
class Entries:
    """What stands for n entries: vectors (n, size) by modality, where `has` (n,) is true."""

    vectors: Mapping[Modality, Float32Array]
    has: Mapping[Modality, BoolArray]

    def __len__(self) -> int:
        return len(next(iter(self.has.values())))

    def part(self, rows: slice | IndexArray) -> Entries:
        """Take some of the entries."""
        return Entries(
            vectors={m: vectors[rows] for m, vectors in self.vectors.items()},
            has={m: has[rows] for m, has in self.has.items()},
        )


@dataclass(frozen=True)
class Measured:
    """What is known of the scores of n entries by one modality, whoever they are set against.

    Attributes:
        has: (n,) whether there is something to compare.
        level: (n,) mean score against strangers, as probe and as person together.
        scale: (n,) spread of these scores.
    """

    has: BoolArray
    level: Float64Array
    scale: Float64Array

    def part(self, rows: Any) -> Measured:
        """Take some of the entries, or all in another shape."""
        return Measured(self.has[rows], self.level[rows], self.scale[rows])


Sides = Mapping[Modality, Measured]
Ratios = dict[Modality, Float64Array]


def least_llr(people: int) -> float:
    """Log-likelihood ratio from which two of so many entries are likely one person."""
    return math.log(max(people, 1) / ENROLLED_BEFORE_ODDS)


def compare_entries(
    one: Entries, other: Entries, calibrations: PerModality[Calibration]
) -> Float64Array:
    """Compare n entries with m others.

    Returns:
        (n, m) log-likelihood ratios by face and voice together. −inf where one of them
        speaks against one person, or nothing can be compared. +inf for one recording.
    """
    compared = [m for m in SINGLE if one.has[m].any() and other.has[m].any()]
    if not compared:
        return np.full((len(one), len(other)), -np.inf)
    sides = measure(one, calibrations, compared)
    others = sides if one is other else measure(other, calibrations, compared)
    cosines = {m: one.vectors[m] @ other.vectors[m].T for m in compared}
    each = {m: side.part(np.s_[:, None]) for m, side in sides.items()}
    return add_ratios(ratios_of(cosines, each, others, calibrations), cosines)


def measure(
    entries: Entries,
    calibrations: PerModality[Calibration],
    modalities: Sequence[Modality] = SINGLE,
) -> dict[Modality, Measured]:
    """Measure the scores of entries by face and by voice, before they are compared."""
    return {
        m: _measure(entries.vectors[m], entries.has[m], calibrations[m].norm) for m in modalities
    }


def ratios_of(
    cosines: Mapping[Modality, Float32Array],
    one: Sides,
    other: Sides,
    calibrations: PerModality[Calibration],
) -> Ratios:
    """Turn cosines (any shape) of entries with others into log-likelihood ratios.

    Returns:
        Ratios by modality, NaN where one of the two lacks it.
    """
    ratios = {}
    for m, scores in cosines.items():
        llrs = _ratios(scores, one[m], other[m], calibrations[m])
        ratios[m] = np.where(one[m].has & other[m].has, llrs, np.nan)
    return ratios


def add_ratios(
    ratios: Mapping[Modality, Float64Array], cosines: Mapping[Modality, Float32Array]
) -> Float64Array:
    """Add the ratios (any shape) of face and voice up, as `compare_entries` returns them."""
    total: Float64Array = np.zeros(next(iter(ratios.values())).shape)
    compared = np.zeros(total.shape, np.bool_)
    identical = np.ones(total.shape, np.bool_)
    for modality, llrs in ratios.items():
        both = ~np.isnan(llrs)
        total += np.where(both, np.where(llrs < AGAINST, -np.inf, llrs), 0.0)
        identical &= ~both | (cosines[modality] >= SAME_RECORDING)
        compared |= both
    total[identical] = np.inf
    return np.where(compared, total, -np.inf)


def split_ratios(ratios: Mapping[Modality, Float64Array]) -> Float64Array:
    """Find how surely one modality is one person's where the other clearly is not.

    Returns:
        The ratio (any shape) of the one modality. −inf where the other one does not
        speak against it, or is missing.
    """
    face, voice = (ratios[modality] for modality in SINGLE)
    return np.where(np.minimum(face, voice) < AGAINST, np.maximum(face, voice), -np.inf)


def find_alike(entries: Entries, calibrations: PerModality[Calibration], people: int) -> BoolArray:
    """Find which of n entries look like one person, in a gallery of so many.

    Returns:
        (n, n), true on the diagonal. Entries that look like a third one look alike.
    """
    alike = compare_entries(entries, entries, calibrations) >= least_llr(people)
    alike |= np.eye(len(entries), dtype=np.bool_)
    if np.count_nonzero(alike) == len(entries):
        return np.asarray(alike)
    for _ in range(len(entries).bit_length()):
        alike = alike @ alike
    return np.asarray(alike)


def compare_rows(one: Float32Array, other: Float32Array, calibration: Calibration) -> Float64Array:
    """Compare each row of (n, size) with the same row of another (n, size).

    Returns:
        (n,) log-likelihood ratios by one modality.
    """
    has = np.ones(len(one), np.bool_)
    first = _measure(one, has, calibration.norm)
    second = _measure(other, has, calibration.norm)
    return _ratios(np.einsum("ij,ij->i", one, other), first, second, calibration)


def least_cosine(side: Measured, calibration: Calibration, llr: float) -> Float64Array:
    """Half of the cosine from which an entry has the ratio `llr` with another one.

    (n,), one for each entry. The two halves add up. Infinite for those who have nothing
    to compare.
    """
    slope, intercept = calibration.line()
    strength = (llr - intercept) / slope + calibration.norm.deduction()
    return np.where(side.has, (side.level + strength * side.scale) / 2, np.inf)


def _ratios(
    cosines: Float32Array, one: Measured, other: Measured, calibration: Calibration
) -> Float64Array:
    level = (one.level + other.level) / 2
    scale = (one.scale + other.scale) / 2
    strengths = (np.clip(cosines, -1.0, 1.0) - level) / scale
    return calibration.llr(strengths - calibration.norm.deduction())


def _measure(vectors: Float32Array, has: BoolArray, norm: Norm) -> Measured:
    """Measure those who have something to compare. The others get any numbers."""
    level: Float64Array = np.zeros(len(has))
    scale: Float64Array = np.ones(len(has))
    if has.any():
        level[has], scale[has] = norm.entry(vectors[has])
    return Measured(has, level, scale)
