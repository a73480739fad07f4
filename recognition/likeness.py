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
from utils.arrays import BoolArray, Float32Array, Float64Array, IndexArray
from utils.modality import SINGLE, Modality, PerModality

ENROLLED_BEFORE_ODDS = 1 / 99
SAME_RECORDING = 0.95

# Log-likelihood ratio below which a face or a voice speaks against one person
_AGAINST = -math.log(9)


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
    total = np.zeros((len(one), len(other)))
    compared = np.zeros(total.shape, np.bool_)
    identical = np.ones(total.shape, np.bool_)
    for modality in SINGLE:
        both = one.has[modality][:, None] & other.has[modality][None]
        cosines = one.vectors[modality] @ other.vectors[modality].T
        llrs = _compare(one.vectors[modality], other.vectors[modality], calibrations[modality])
        total += np.where(both, np.where(llrs < _AGAINST, -np.inf, llrs), 0.0)
        identical &= ~both | (cosines >= SAME_RECORDING)
        compared |= both
    total[identical] = np.inf
    return np.where(compared, total, -np.inf)


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


def _compare(one: Float32Array, other: Float32Array, calibration: Calibration) -> Float64Array:
    """Compare (n, size) with (m, size) by one modality, whichever is the probe."""
    norm = calibration.norm
    levels: list[Float64Array] = []
    scales: list[Float64Array] = []
    for vectors in (one,) if one is other else (one, other):
        level, scale = norm.probe(vectors)
        levels.append(level + norm.person(vectors))
        scales.append(scale)
    level = (levels[0][:, None] + levels[-1][None]) / 2
    scale = (scales[0][:, None] + scales[-1][None]) / 2
    strengths = (np.clip(one @ other.T, -1.0, 1.0) - level) / scale
    return calibration.llr(strengths - norm.deduction())
