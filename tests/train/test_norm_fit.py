"""Numbers of the norm, fitted to made-up people."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from scoring.norms import Coefficients, CohortNorm
from tests.support.people_tables import crowd, two_folds
from train.calibration.galleries import Arena, Fold
from train.calibration.norm_fit import FEWEST_GROUPS, fit_norm
from train.calibration.place_fit import strangers


def test_numbers_are_fitted_and_within_bounds() -> None:
    both = two_folds()
    numbers = fit_norm(both)
    assert 0 <= numbers.others <= 1
    assert numbers.scale[0] + numbers.scale[1] * 0.2 + numbers.scale[2] * 0.05 > numbers.least_scale
    parts = []
    for fold in both:
        probes, bare = Arena(fold, CohortNorm(fold.cohort, numbers)).bare("clean")
        parts.append(bare[probes.person[:, None] != fold.table.under("clean").person])
    impostors = np.concatenate(parts)
    for rate in (0.1, 0.01):
        stated, _ = numbers.impostors.threshold(rate)
        assert (impostors >= stated).mean() == pytest.approx(rate, rel=0.05)


def test_seconds_of_speech_explain_what_the_cohort_does_not() -> None:
    """Strangers of long speech score higher than those of short speech.

    They do so by something that the cohort has nothing of.
    """
    both = [two_lengths(fold) for fold in two_folds()]
    numbers = fit_norm(both)
    blind = fit_norm([without_seconds(fold) for fold in both])
    assert blind.level[3] == blind.scale[3] == 0
    assert numbers.level[3] > 0.02
    left = np.mean([gap(fold, numbers) for fold in both])
    assert abs(left) < 0.2 * np.mean([gap(fold, blind) for fold in both])


def test_seconds_that_hardly_differ_explain_nothing() -> None:
    fold = two_folds()[0]
    seconds = np.random.default_rng(0).uniform(5, 6, len(fold.table)).astype(np.float32)
    numbers = fit_norm([Fold(dataclasses.replace(fold.table, seconds=seconds), fold.cohort)])
    assert numbers == fit_norm([without_seconds(fold)])


def test_the_level_holds_in_many_places() -> None:
    """Strangers of a place are no stronger than those from anywhere, if enough are measured.

    A new place gains as well. One place moves nothing.
    """
    both = two_folds()
    rooms = [
        Fold(crowd(people=20, shift=0.5 + 0.05 * seed, seed=seed), both[0].cohort)
        for seed in range(3, 3 + FEWEST_GROUPS)
    ]
    plain = fit_norm(both)
    assert fit_norm(both, rooms[:1]) == plain
    lonely = Fold(crowd(people=1, shift=0.5, seed=30), both[0].cohort)
    assert fit_norm(both, [*rooms[1:], lonely]) == plain
    fresh = Fold(crowd(people=20, shift=0.6, seed=20), both[0].cohort)

    def reach(numbers: Coefficients) -> float:
        anywhere, _ = numbers.impostors.threshold(0.01)
        norm = CohortNorm(fresh.cohort, numbers)
        return float(np.quantile(strangers(fresh.table, norm), 0.99)) - anywhere

    assert reach(plain) > 1
    assert reach(fit_norm(both, rooms)) < 0.95 * reach(plain)


def two_lengths(fold: Fold) -> Fold:
    """A fold of two lengths of speech.

    Half of the probes under "dim" last 1 s. Everything else lasts 9 s and has a part of
    a direction of its own.
    """
    table = fold.table
    short = (table.condition == 1) & (np.arange(len(table)) % 4 == 1)
    part = np.where(short, 0.0, 0.3).astype(np.float32)[:, None]
    vectors = np.concatenate([table.vectors * np.sqrt(1 - part**2), part], axis=1)
    seconds = np.where(short, 1.0, 9.0).astype(np.float32)
    return Fold(
        dataclasses.replace(table, vectors=vectors, seconds=seconds),
        np.pad(fold.cohort, ((0, 0), (0, 1))),
    )


def without_seconds(fold: Fold) -> Fold:
    seconds = np.zeros(len(fold.table), np.float32)
    return Fold(dataclasses.replace(fold.table, seconds=seconds), fold.cohort)


def gap(fold: Fold, numbers: Coefficients) -> float:
    """Mean strength of strangers of long speech, minus that of short speech."""
    probes, bare = Arena(fold, CohortNorm(fold.cohort, numbers)).bare("dim")
    other = probes.person[:, None] != fold.table.under("clean").person
    return float(
        bare[other & (probes.seconds > 5)[:, None]].mean()
        - bare[other & (probes.seconds < 5)[:, None]].mean()
    )
