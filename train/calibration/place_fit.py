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
# A strength set on some people lets more of others pass.
MARGIN = 0.2
# Pairs of people that a place must have.
FEWEST_PAIRS = 6


def with_place(norm: CohortNorm, places: Sequence[Fold]) -> CohortNorm:
    """Return the norm with what a place takes off.

    It is the distance between the strengths that `RATE` of the strangers of one place and
    of those from anywhere reach, a mean over places, and `MARGIN`. Every person of a place
    counts alike. The strictest place needs more, and most need less.
    """
    anywhere, _ = norm.numbers.impostors.threshold(RATE)
    tables = [fold.table for fold in places if _pairs(fold.table) >= FEWEST_PAIRS]
    place = MARGIN
    if tables:
        reached = [float(np.quantile(strangers(table, norm), 1 - RATE)) for table in tables]
        people = [len(np.unique(table.person)) for table in tables]
        place += float(np.average(reached, weights=people)) - anywhere
    return CohortNorm(norm.cohort, replace(norm.numbers, place=max(place, 0.0)))


def strangers(table: Table, norm: CohortNorm) -> Float64Array:
    """Bare strengths (n,) of all pairs of clips of different people."""
    bare = bare_strengths(table, table.vectors, norm)
    return bare[table.person[:, None] != table.person]


def _pairs(table: Table) -> int:
    people = len(np.unique(table.person))
    return people * (people - 1) // 2
