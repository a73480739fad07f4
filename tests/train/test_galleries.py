"""Strengths in galleries drawn at random: stated rates, surplus, entries, groups."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from scoring.calibration import Calibration, fmr_for_fpir
from scoring.norms import OTHERS, CohortNorm, NoNorm
from tests.support.people_tables import SIZE, Fitted, crowd
from train.calibration.galleries import Arena, Fold, groups, strengths, surplus


def measure_fpir(fold: Fold, calibration: Calibration, condition: str, size: int) -> float:
    arena = Arena(fold, calibration.norm)
    named = []
    for number in range(30):
        gallery = arena.draw(size, np.random.default_rng([9, number]), condition=condition)
        best = strengths(gallery.bare[gallery.strangers], calibration.norm).max(axis=1)
        named.append(best >= calibration.threshold(fmr_for_fpir(0.05, size))[0])
    return float(np.concatenate(named).mean())


@pytest.mark.parametrize("condition", ["clean", "dim"])
@pytest.mark.parametrize("size", [10, 50])
def test_stated_rates_are_kept_on_other_people(fitted: Fitted, condition: str, size: int) -> None:
    both, calibration = fitted
    assert 0.025 < measure_fpir(both[1], calibration, condition, size) < 0.1


def test_stated_rates_are_kept_where_people_are_alike(fitted: Fitted) -> None:
    """A common direction raises all cosines there.

    The others of the gallery show it. Without them most strangers would be named.
    """
    _, calibration = fitted
    assert isinstance(calibration.norm, CohortNorm)
    place = Fold(crowd(shift=6.0, seed=5), calibration.norm.cohort)
    assert measure_fpir(place, with_others(calibration, 0.0), "clean", 20) > 0.25
    assert measure_fpir(place, with_others(calibration, 1.0), "clean", 20) < 0.1


def with_others(calibration: Calibration, weight: float) -> Calibration:
    """The same calibration with another weight of the others of a gallery."""
    assert isinstance(calibration.norm, CohortNorm)
    numbers = dataclasses.replace(calibration.norm.numbers, others=weight)
    return dataclasses.replace(calibration, norm=CohortNorm(calibration.norm.cohort, numbers))


def test_surplus_of_a_matrix_is_that_of_each_comparison(fitted: Fitted) -> None:
    norm = fitted[1].norm
    assert isinstance(norm, CohortNorm)
    bare = np.random.default_rng(3).normal(size=(7, 12))
    for size in (1, 2, 4, 12):
        result = surplus(bare[:, :size], norm)
        for probe, entry in np.ndindex(7, size):
            others = np.delete(bare[probe, :size], entry)
            expected = norm.surplus(others, size - 1)
            assert result[probe, entry] == pytest.approx(expected, abs=1e-9)
    assert OTHERS < 12


def test_entries_beyond_the_people_are_other_files_of_the_same() -> None:
    arena = Arena(Fold(crowd(people=20, files=4), np.eye(3, SIZE, dtype=np.float32)), NoNorm())
    gallery = arena.draw(40, np.random.default_rng(0), strangers=5)
    assert len(gallery.enrolled) == 40
    assert len(np.unique(gallery.enrolled)) == 15
    assert len(np.unique(gallery.owner[gallery.strangers])) == 5
    assert not gallery.alone.any()
    once = arena.draw(10, np.random.default_rng(0))
    assert once.alone.all()
    assert not (once.bare > 0.999).any()  # no probe is the file that was enrolled


def test_groups_are_of_people_who_resemble_each_other() -> None:
    near = crowd(people=30, seed=1, noise=0.2)
    vectors = near.vectors.copy()
    vectors[near.person < 15, 0] += 2
    parts = groups(dataclasses.replace(near, vectors=vectors), (1, 2))
    assert [len(part) for part in parts[1]] == [30]
    assert sorted(map(tuple, parts[2])) == [tuple(range(15)), tuple(range(15, 30))]
