"""Learning rates over the progress of a training, by name (`schedule` in `[loop]`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Rates:
    """What a schedule falls from and to.

    Attributes:
        peak: Rate after the warm-up, over 0.
        final: Rate at the end of a cosine or an exponential, over 0 for the latter.
        step_at: Points of progress at which a step schedule falls.
        step_factor: What the rate is multiplied with at each of them.
    """

    peak: float
    final: float
    step_at: Sequence[float]
    step_factor: float


def _cosine(rates: Rates, part: float) -> float:
    """Half a cosine from peak to final."""
    return rates.final + (rates.peak - rates.final) * 0.5 * (1 + math.cos(math.pi * part))


def _exponential(rates: Rates, part: float) -> float:
    """The same factor from each step to the next, from peak to final."""
    return rates.peak * math.exp(part * math.log(rates.final / rates.peak))


def _step(rates: Rates, part: float) -> float:
    return rates.peak * rates.step_factor ** sum(part >= point for point in rates.step_at)


def _constant(rates: Rates, part: float) -> float:
    del part
    return rates.peak


SCHEDULES: Mapping[str, Callable[[Rates, float], float]] = {
    "cosine": _cosine,
    "exponential": _exponential,
    "step": _step,
    "constant": _constant,
}
"""The rate at a part in [0, 1] of the training after its warm-up."""


def learning_rate(schedule: str, rates: Rates, progress: float, warmup: float) -> float:
    """Rise linearly over `warmup` of the progress, then follow the schedule."""
    if progress < warmup:
        return rates.peak * max(progress / warmup, 0.01)
    return SCHEDULES[schedule](rates, (progress - warmup) / (1 - warmup))
