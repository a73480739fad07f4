"""Entries of a gallery that look like one person. Pure.

Two entries are compared by what stands for each of them, as two clips are. The natural
log-likelihood ratios of face and voice are added, as both are independent given whose
they are. Entries look alike where one person is the likelier story, if one entry in a
hundred is a duplicate, and neither face nor voice clearly speaks against it. What is
alike to the same recording always is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

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
    """Entries by one modality, with what is known of their scores alone.

    Attributes:
        vectors: (n, size), where `has` (n,) is true.
        level: (n,) mean score against strangers, as probe and as person together.
        scale: (n,) spread of these scores.
    """

    vectors: Float32Array
    has: BoolArray
    level: Float64Array
    scale: Float64Array

    def part(self, rows: slice) -> Measured:
        """Take some of the entries."""
        return Measured(self.vectors[rows], self.has[rows], self.level[rows], self.scale[rows])


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
    measured = measure(one, calibrations)
    others = measured if one is other else measure(other, calibrations)
    return add_ratios(one, other, compare_sides(measured, others, calibrations))


def measure(entries: Entries, calibrations: PerModality[Calibration]) -> dict[Modality, Measured]:
    """Measure the scores of entries by face and by voice, before they are compared."""
    return {m: _measure(entries.vectors[m], entries.has[m], calibrations[m].norm) for m in SINGLE}


def compare_sides(
    one: Mapping[Modality, Measured],
    other: Mapping[Modality, Measured],
    calibrations: PerModality[Calibration],
) -> dict[Modality, Float64Array]:
    """Compare n entries with m others by face and by voice.

    Returns:
        (n, m) log-likelihood ratios by modality. NaN where one of the two lacks it.
    """
    ratios = {}
    for modality in SINGLE:
        both = one[modality].has[:, None] & other[modality].has[None]
        llrs = _compare(one[modality], other[modality], calibrations[modality])
        ratios[modality] = np.where(both, llrs, np.nan)
    return ratios


def add_ratios(
    one: Entries, other: Entries, ratios: Mapping[Modality, Float64Array]
) -> Float64Array:
    """Add the ratios of face and voice up, as `compare_entries` returns them."""
    total = np.zeros((len(one), len(other)))
    compared = np.zeros(total.shape, np.bool_)
    identical = np.ones(total.shape, np.bool_)
    for modality, llrs in ratios.items():
        both = ~np.isnan(llrs)
        cosines = one.vectors[modality] @ other.vectors[modality].T
        total += np.where(both, np.where(llrs < AGAINST, -np.inf, llrs), 0.0)
        identical &= ~both | (cosines >= SAME_RECORDING)
        compared |= both
    total[identical] = np.inf
    return np.where(compared, total, -np.inf)


def find_split(ratios: Mapping[Modality, Float64Array], people: int) -> BoolArray:
    """Find entries of which one modality is one person's, and the other is not.

    Returns:
        (n, m). The face, or the voice, alone makes one person the likelier story in a
        gallery of so many, and the other clearly speaks against it.
    """
    face, voice = (ratios[modality] for modality in SINGLE)
    bar = least_llr(people)
    split = (face >= bar) & (voice < AGAINST) | (voice >= bar) & (face < AGAINST)
    return np.asarray(split)


def find_alike(entries: Entries, calibrations: PerModality[Calibration], people: int) -> BoolArray:
    """Find which of n entries look like one person, in a gallery of so many.

    Returns:
        (n, n), true on the diagonal. Entries that look like a third one look alike.
    """
    alike = compare_entries(entries, entries, calibrations) >= least_llr(people)
    alike |= np.eye(len(entries), dtype=np.bool_)
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
    cosines = np.clip((one * other).sum(axis=1), -1.0, 1.0)
    strengths = (cosines - (first.level + second.level) / 2) / ((first.scale + second.scale) / 2)
    return calibration.llr(strengths - calibration.norm.deduction())


def _compare(one: Measured, other: Measured, calibration: Calibration) -> Float64Array:
    """Compare (n, size) with (m, size) by one modality, whichever is the probe."""
    level = (one.level[:, None] + other.level[None]) / 2
    scale = (one.scale[:, None] + other.scale[None]) / 2
    strengths = (np.clip(one.vectors @ other.vectors.T, -1.0, 1.0) - level) / scale
    return calibration.llr(strengths - calibration.norm.deduction())


def _measure(vectors: Float32Array, has: BoolArray, norm: Norm) -> Measured:
    level, scale = norm.probe(vectors)
    return Measured(vectors, has, level + norm.person(vectors), scale)
