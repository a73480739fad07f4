"""From a cosine to a probability and a threshold, and back from a card."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from scoring.calibration import Calibration, fmr_for_fpir, probability_of
from scoring.impostor_table import ImpostorTable
from scoring.norms import Coefficients, CohortNorm

RATES = (0.5, 0.1, 0.01, 0.001)


def make(shift: float = 0.0, **changes: Any) -> Calibration:
    return Calibration(
        slope=10.0,
        intercept=-3.0 - 10 * shift,
        impostors=ImpostorTable(RATES, tuple(score + shift for score in (0.0, 0.2, 0.35, 0.45))),
        **changes,
    )


def test_probability_is_the_logistic_of_the_ratio() -> None:
    calibration = make()
    assert calibration.llr(0.3) == pytest.approx(0.0)
    assert probability_of(calibration.llr(0.3)) == pytest.approx(0.5)
    likely = probability_of(calibration.llr([0.2, 0.4]))
    assert likely == pytest.approx([1 / (1 + np.e), np.e / (1 + np.e)])


def test_fpir_of_the_threshold_is_what_was_stated() -> None:
    for people in (1, 20, 300):
        fmr = fmr_for_fpir(0.01, people)
        assert 1 - (1 - fmr) ** people == pytest.approx(0.01)


COHORT = np.eye(20, 32, dtype=np.float32)
NUMBERS = Coefficients(
    level=(0.0, 1.0, 0.0, 0.02),
    scale=(0.1, 0.0, 1.0, 0.05),
    least_scale=0.01,
    person=0.5,
    person_mean=0.2,
    others=0.7,
    impostors=ImpostorTable((0.5, 0.1, 0.01), (-1.0, 0.5, 1.5)),
)
NORM = CohortNorm(COHORT, NUMBERS)


def test_without_a_cohort_a_strength_is_the_cosine() -> None:
    norm = make().norm
    level, scale = norm.probe(COHORT)
    np.testing.assert_array_equal(level, np.zeros(20))
    np.testing.assert_array_equal(scale, np.ones(20))
    np.testing.assert_array_equal(norm.person(COHORT), np.zeros(20))
    assert norm.deduction([5.0, 4.0], 2) == 0
    assert norm.with_cohort(COHORT) == norm
    assert make().scale_id == ""
    assert make().pair_threshold(0.01) == make().threshold(0.01)
    assert make().typical_cosine(0.01) == pytest.approx(0.35)


def test_pairs_alone_have_the_table_of_the_norm() -> None:
    calibration = make(norm=NORM)
    threshold, extrapolated = calibration.pair_threshold(0.01)
    assert threshold == pytest.approx(1.5)
    assert not extrapolated
    assert calibration.pair_threshold(1e-3)[1]
    level, scale = NORM.probe(COHORT)
    assert calibration.typical_cosine(0.01) == pytest.approx(
        min(level.mean() + scale.mean() * 1.5, 1.0)
    )


def test_a_card_keeps_every_number() -> None:
    calibration = make(norm=NORM, cosine=make(0.3))
    back = Calibration.from_dict(json.loads(json.dumps(calibration.to_dict())), COHORT)
    assert back == calibration
    assert back.norm.numbers == NORM.numbers
    assert Calibration.from_dict(make().to_dict()) == make()
    with pytest.raises(ValueError, match="cohort"):
        Calibration.from_dict(calibration.to_dict())


def test_a_card_from_before_durations_were_heeded_heeds_none() -> None:
    card = make(norm=NORM).to_dict()
    card["norm"]["level"].pop()
    card["norm"]["scale"].pop()
    calibration = Calibration.from_dict(card, COHORT)
    norm = calibration.norm
    assert norm.numbers.level == (0.0, 1.0, 0.0, 0.0)
    assert calibration.to_dict() == card, (
        "the scale of its strengths is the same one, so what was said of them still counts"
    )
    np.testing.assert_array_equal(norm.probe(COHORT, 0.5), norm.probe(COHORT))
    assert (NORM.probe(COHORT, 0.5)[0] < NORM.probe(COHORT)[0]).all()


@pytest.mark.parametrize(
    "bad",
    [
        lambda: Calibration(
            slope=0.0, intercept=0.0, impostors=ImpostorTable((0.5, 0.1), (0.0, 0.1))
        ),
        lambda: Calibration(
            slope=1.0, intercept=0.0, impostors=ImpostorTable((0.1, 0.5), (0.0, 0.1))
        ),
        lambda: Calibration(
            slope=1.0, intercept=0.0, impostors=ImpostorTable((0.5, 0.1), (0.1, 0.0))
        ),
        lambda: Calibration(slope=1.0, intercept=0.0, impostors=ImpostorTable((0.5,), (0.1,))),
        lambda: make().threshold(0.0),
    ],
)
def test_what_cannot_be_a_calibration_is_refused(bad: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match="Received"):
        bad()
