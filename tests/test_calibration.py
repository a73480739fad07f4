"""From a cosine to a probability and a threshold, and back from a card."""
from __future__ import annotations

import json

import numpy as np
import pytest

from utils.calibration import FULL_SPEECH_S, Calibration, fmr_for_fpir

RATES = (0.5, 0.1, 0.01, 0.001)


def make(shift: float = 0.0, **changes) -> Calibration:
    return Calibration(10.0, -3.0 - 10 * shift, RATES, tuple(score + shift for score in (0.0, 0.2, 0.35, 0.45)), **changes)


def test_probability_is_the_logistic_of_the_ratio():
    calibration = make()
    assert calibration.llr(0.3) == pytest.approx(0.0)
    assert calibration.probability(0.3) == pytest.approx(0.5)
    assert calibration.probability([0.2, 0.4]) == pytest.approx([1 / (1 + np.e), np.e / (1 + np.e)])


def test_threshold_is_read_from_the_table_and_monotone():
    calibration = make()
    for rate, score in zip(calibration.impostor_fmr, calibration.impostor_score, strict=True):
        assert calibration.threshold(rate) == (pytest.approx(score), False)
    thresholds = [calibration.threshold(rate)[0] for rate in np.geomspace(0.5, 1e-6, 40)]
    assert (np.diff(thresholds) >= 0).all()


def test_beyond_the_table_the_threshold_goes_on_along_the_last_decade_and_says_so():
    score, extrapolated = make().threshold(1e-4)
    assert extrapolated
    assert score == pytest.approx(0.45 + (0.45 - 0.35))


def test_extrapolation_errs_towards_strictness_for_normal_scores():
    from statistics import NormalDist

    normal = NormalDist(0.1, 0.12)
    rates = tuple((0.5 * 10 ** (-np.arange(12) / 4)).tolist())
    calibration = Calibration(10.0, 0.0, rates, tuple(normal.inv_cdf(1 - rate) for rate in rates))
    for rate in (3e-4, 1e-4, 1e-5):
        score, extrapolated = calibration.threshold(rate)
        assert extrapolated
        assert normal.inv_cdf(1 - rate) <= score <= normal.inv_cdf(1 - rate / 10)


def test_fpir_of_the_threshold_is_what_was_stated():
    for people in (1, 20, 300):
        fmr = fmr_for_fpir(0.01, people)
        assert 1 - (1 - fmr) ** people == pytest.approx(0.01)


def test_short_speech_has_its_own_table_and_lengths_between_lie_between():
    calibration = make(by_speech=((1.0, make(0.2)), (3.0, make(0.1))))
    at = [calibration.for_speech(seconds).threshold(0.01)[0] for seconds in (0.2, 1.0, 2.0, 3.0, 3.2, FULL_SPEECH_S, 60.0)]
    assert at[0] == at[1] == pytest.approx(0.55)
    assert at[3] == pytest.approx(0.45)
    assert at[5] == at[6] == pytest.approx(0.35)
    assert (np.diff(at) <= 0).all()
    assert calibration.for_speech(1.0).probability(0.5) < calibration.probability(0.5)
    assert make().for_speech(0.5) == make()


def test_a_card_keeps_every_number():
    calibration = make(by_speech=((1.0, make(0.2)), (3.0, make(0.1))))
    assert Calibration.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration
    assert Calibration.from_dict(make().to_dict()) == make()


@pytest.mark.parametrize("bad", [
    lambda: Calibration(0.0, 0.0, (0.5, 0.1), (0.0, 0.1)),
    lambda: Calibration(1.0, 0.0, (0.1, 0.5), (0.0, 0.1)),
    lambda: Calibration(1.0, 0.0, (0.5, 0.1), (0.1, 0.0)),
    lambda: Calibration(1.0, 0.0, (0.5,), (0.1,)),
    lambda: make(by_speech=((3.0, make()), (1.0, make()))),
    lambda: make(by_speech=((1.0, Calibration(1.0, 0.0, (0.5, 0.1), (0.0, 0.1))),)),
    lambda: make().threshold(0.0),
])
def test_what_cannot_be_a_calibration_is_refused(bad):
    with pytest.raises(ValueError, match="Received"):
        bad()
