"""How much more strangers of one place resemble each other than those from anywhere.

A gallery of one person says nothing of its place, and one of five little. So what a
place takes off a strength is measured in several places (`Coefficients.place`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scoring.norms import CohortNorm
from train.calibration.galleries import Fold, bare_strengths
from train.data.tables import Table
from utils.arrays import Float64Array

# Share of strangers that reach the strengths that are compared.
RATE = 0.01
# A strength set on some people lets two to four times as many others pass. Within a
# place that is about this much of a strength.
MARGIN = 0.75
# Pairs of people that a place must have.
FEWEST_PAIRS = 6


def with_place(norm: CohortNorm, places: Sequence[Fold]) -> CohortNorm:
    """Return the norm with the place in which strangers resemble each other most.

    The next place may be like it. It is the distance between the strengths that `RATE`
    of its strangers and of those from anywhere reach, and `MARGIN`.
    """
    anywhere, _ = norm.numbers.impostors.threshold(RATE)
    reached = [
        float(np.quantile(strangers(fold.table, norm), 1 - RATE))
        for fold in places
        if _pairs(fold.table) >= FEWEST_PAIRS
    ]
    place = max(reached, default=anywhere) - anywhere + MARGIN
    return CohortNorm(norm.cohort, replace(norm.numbers, place=max(place, 0.0)))


def strangers(table: Table, norm: CohortNorm) -> Float64Array:
    """Bare strengths (n,) of all pairs of clips of different people."""
    bare = bare_strengths(table, table.vectors, norm)
    return bare[table.person[:, None] != table.person]


def _pairs(table: Table) -> int:
    people = len(np.unique(table.person))
    return people * (people - 1) // 2
