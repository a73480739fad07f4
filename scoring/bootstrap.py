"""Bootstrap confidence intervals over people.

Both sides of a trial are resampled: Owen 2007, "The pigeonhole bootstrap".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from utils.arrays import IndexArray


@dataclass(frozen=True)
class Interval:
    """A bootstrap confidence interval."""

    low: float
    high: float
    level: float


def bootstrap_interval(
    statistic: Callable[[IndexArray], float],
    identities: npt.ArrayLike,
    *,
    level: float = 0.95,
    replicates: int = 200,
    seed: int = 0,
) -> Interval:
    """Compute the percentile confidence interval of a statistic over people.

    People are resampled and not trials, because trials of one person are not
    independent.

    Args:
        statistic: Takes trial numbers (with repetitions) and returns the figure. A
            ValueError (one class left) skips the replicate.
        identities: (n,) person of each trial, or (n, 2) persons of both sides. A trial
            counts as often as its person was drawn, with two different persons as often
            as the product of both.
        level: Coverage, in (0, 1).
        replicates: Number of resamples.
        seed: Of the draws.

    Raises:
        ValueError: There are fewer than two identities, or no replicate had both
            classes.
    """
    names = np.asarray(identities)
    people, codes = np.unique(names, return_inverse=True)
    if len(people) < 2 or not 0 < level < 1 or replicates < 2:
        raise ValueError(
            "At least two identities and replicates and a level in (0, 1) are needed. "
            f"Received: {len(people)} identities, replicates={replicates}, level={level}"
        )
    values = []
    for trials in _resamples(codes.reshape(names.shape), replicates, seed):
        with suppress(ValueError):
            values.append(statistic(trials))
    if not values:
        raise ValueError(f"None of {replicates} resamples holds both classes.")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level)


def _resamples(codes: IndexArray, replicates: int, seed: int) -> Iterator[IndexArray]:
    """Yield the trial numbers of each resample of the people numbered by `codes`."""
    rng = np.random.default_rng(seed)
    people = int(codes.max()) + 1
    for _ in range(replicates):
        drawn = np.bincount(rng.integers(people, size=people), minlength=people)
        yield np.repeat(np.arange(len(codes)), _trial_weight(drawn, codes))


def _trial_weight(drawn: IndexArray, codes: IndexArray) -> IndexArray:
    if codes.ndim == 1:
        return drawn[codes]
    left = drawn[codes[:, 0]]
    right = drawn[codes[:, 1]]
    return np.where(codes[:, 0] == codes[:, 1], left, left * right)
