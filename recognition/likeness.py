"""Entries of a gallery that look like one person. Pure.

Two entries are compared by what stands for each of them, as two clips are. The natural
log-likelihood ratios of face and voice are added, as both are independent given whose
they are. Entries look alike where neither speaks against it and the sum reaches the bar
that an enrolment has for a duplicate: 99 to 1, if one entry in a hundred is one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from recognition.decision import CONFIDENT_ODDS, ENROLLED_BEFORE_ODDS
from recognition.matching import Calibrations
from scoring.calibration import Calibration
from utils.arrays import BoolArray, Float32Array, Float64Array
from utils.modality import SINGLE, Modality


@dataclass(frozen=True)
class Entries:
    """What stands for n entries: vectors (n, size) by modality, where `has` (n,) is true."""

    vectors: Mapping[Modality, Float32Array]
    has: Mapping[Modality, BoolArray]

    def __len__(self) -> int:
        return len(next(iter(self.has.values())))

    def part(self, rows: slice) -> Entries:
        """Take some of the entries."""
        return Entries(
            vectors={m: vectors[rows] for m, vectors in self.vectors.items()},
            has={m: has[rows] for m, has in self.has.items()},
        )


def least_llr(people: int) -> float:
    """Log-likelihood ratio from which two of so many entries look like one person."""
    return math.log(CONFIDENT_ODDS / ENROLLED_BEFORE_ODDS * max(people, 1))


def compare_entries(one: Entries, other: Entries, calibrations: Calibrations) -> Float64Array:
    """Compare n entries with m others.

    Returns:
        (n, m) log-likelihood ratios by face and voice together, −inf where one of them
        speaks against one person, or nothing can be compared.
    """
    total = np.zeros((len(one), len(other)))
    compared = np.zeros(total.shape, np.bool_)
    for modality in SINGLE:
        both = one.has[modality][:, None] & other.has[modality][None]
        llrs = _compare(one.vectors[modality], other.vectors[modality], calibrations[modality])
        total += np.where(both, np.where(llrs < 0, -np.inf, llrs), 0.0)
        compared |= both
    return np.where(compared, total, -np.inf)


def _compare(one: Float32Array, other: Float32Array, calibration: Calibration) -> Float64Array:
    """Compare (n, size) with (m, size) by one modality, whichever is the probe."""
    norm = calibration.norm
    levels: list[Float64Array] = []
    scales: list[Float64Array] = []
    for vectors in (one, other):
        level, scale = norm.probe(vectors)
        levels.append(level + norm.person(vectors))
        scales.append(scale)
    level = (levels[0][:, None] + levels[1][None]) / 2
    scale = (scales[0][:, None] + scales[1][None]) / 2
    strengths = (np.clip(one @ other.T, -1.0, 1.0) - level) / scale
    return calibration.llr(strengths - norm.deduction())
