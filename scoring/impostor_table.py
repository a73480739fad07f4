"""How often impostors reach a score.

A table of quantiles: a share `rates[i]` of the impostors scores `scores[i]` or more.
Between two entries the score is linear in the logarithm of the rate. Beyond the last
entry the table continues along the straight line through its last decade. The tail of a
normal distribution falls faster than that line, so thresholds found there err towards
strictness.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from utils.arrays import Float64Array

STEPS_PER_DECADE = 4
# A rate this close above an entry of a table counts as that entry, in steps.
_ROUNDING = 1e-9


def rates_down_to(smallest: float) -> Float64Array:
    """False match rates from 0.5 down to `smallest`, `STEPS_PER_DECADE` in a decade.

    There are always two at least: 0.5 and the next one.
    """
    count = int(np.floor(STEPS_PER_DECADE * np.log10(0.5 / smallest) + _ROUNDING)) + 1
    return 0.5 * 10.0 ** (-np.arange(max(count, 2)) / STEPS_PER_DECADE)


@dataclass(frozen=True)
class ImpostorTable:
    """False match rates, falling strictly, and the scores that reach them, rising."""

    rates: tuple[float, ...]
    scores: tuple[float, ...]

    def __post_init__(self) -> None:
        if (
            len(self.rates) != len(self.scores)
            or len(self.rates) < 2
            or not (np.diff(self.rates) < 0).all()
            or not (np.diff(self.scores) > 0).all()
        ):
            raise ValueError(
                "The rates of a table of impostors must fall and its scores rise, two entries at"
                f" least. Received: {len(self.rates)} rates, {len(self.scores)} scores"
            )

    def threshold(self, rate: float) -> tuple[float, bool]:
        """Find the score that a share `rate` of the impostors reaches.

        Args:
            rate: False match rate in (0, 1).

        Returns:
            The score, and whether it lies beyond what was measured.

        Raises:
            ValueError: `rate` is not in (0, 1).
        """
        if not 0.0 < rate < 1.0:
            raise ValueError(f"A false match rate must lie between 0 and 1. Received: {rate}")
        return float(self.scores_at(rate)), bool(rate < self.rates[-1])

    def scores_at(self, rates: npt.ArrayLike) -> Float64Array:
        """Find the scores that impostors reach at `rates` over 0 (any shape).

        A rate above the first of the table has the score of the first.
        """
        places = -np.log(np.asarray(rates, np.float64))
        return self._continue(np.maximum(places, self._places[0]), self._places, self._scores)

    def rate(self, scores: npt.ArrayLike) -> Float64Array:
        """Find the share of impostors that reaches each of `scores` (any shape).

        The inverse of `threshold`. Scores below the median are taken as the mirror image
        of those above it: a table seldom holds them, and they matter little.
        """
        x = np.asarray(scores, np.float64)
        median = self._continue(-np.log(0.5), self._places, self._scores)
        log_rates = self._continue(np.maximum(x, 2 * median - x), self._scores, -self._places)
        upper = np.exp(np.minimum(log_rates, 0.0))
        return np.where(x >= median, upper, 1.0 - upper)

    def to_dict(self, rates: str, scores: str) -> dict[str, Any]:
        """Return both columns as lists, under the names `rates` and `scores`."""
        return {rates: list(self.rates), scores: list(self.scores)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], rates: str, scores: str) -> ImpostorTable:
        """Read what `to_dict` wrote under these names."""
        return cls(tuple(data[rates]), tuple(data[scores]))

    @cached_property
    def _places(self) -> Float64Array:
        """Where the entries lie: minus the logarithms of the rates, rising."""
        return -np.log(np.asarray(self.rates, np.float64))

    @cached_property
    def _scores(self) -> Float64Array:
        return np.asarray(self.scores, np.float64)

    @cached_property
    def _decade(self) -> int:
        """Number of the last entry at ten times the smallest rate, or of the first."""
        tenfold = self._places[-1] - np.log(10)
        return max(int(np.searchsorted(self._places, tenfold, side="right")) - 1, 0)

    def _continue(
        self, x: npt.ArrayLike, places: Float64Array, values: Float64Array
    ) -> Float64Array:
        """Interpolate `values` at `x` between rising `places`, and go on straight.

        Before the first place the line goes on along the first piece, behind the last
        one along the last decade.
        """
        first = (values[1] - values[0]) / (places[1] - places[0])
        last = (values[-1] - values[self._decade]) / (places[-1] - places[self._decade])
        at = np.asarray(x, np.float64)
        before = first * np.minimum(at - places[0], 0.0)
        behind = last * np.maximum(at - places[-1], 0.0)
        return np.asarray(np.interp(at, places, values) + before + behind)
