"""Calibrations from trials.

Fitted numbers against scikit-learn, depth of the table, and what people said about answers.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from scoring import logistic
from scoring.norms import CohortNorm, NoNorm
from tests.support.people_tables import SIZE, Crowd, Fitted, crowd
from train.calibration.fit import fit_people
from train.calibration.galleries import Arena, Fold
from train.calibration.gallery_fit import (
    SUPPORT,
    ScoredTrials,
    best_strengths,
    calibration_of,
    gallery_table,
    gallery_trials,
    of_trials,
    splice,
    supported_rates,
    trials_of,
    with_answers,
)
from train.calibration.people import People
from train.calibration.place_fit import MARGIN, strangers, with_place
from utils.arrays import Float32Array
from utils.errors import DatasetError

pytestmark = pytest.mark.slow


def quality(count: int, columns: int) -> Float32Array:
    return np.ones((count, columns), np.float32)


def draw_trials(seed: int = 0, impostors: int = 20_000) -> ScoredTrials:
    rng = np.random.default_rng(seed)
    labels = np.repeat([1, 0], [500, impostors])
    scores = rng.normal(np.where(labels == 1, 0.35, 0.1), 0.1)
    return ScoredTrials(scores, labels, np.arange(len(labels)) // 10, quality(len(labels), 0))


def test_logistic_fit_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(3000) < 0.2).astype(int)
    x = np.column_stack([rng.normal(y, 1.0), rng.normal(0.5 * y, 2.0) * 10])
    slopes, intercept = logistic.fit(x, y)
    oracle = LogisticRegression(C=1e6, class_weight="balanced", tol=1e-9, max_iter=2000).fit(x, y)
    # The oracle has no Platt targets
    np.testing.assert_allclose(slopes, oracle.coef_[0], rtol=5e-3)
    assert intercept == pytest.approx(oracle.intercept_[0], rel=5e-3)


def test_few_people_are_not_taken_for_certain() -> None:
    """Separated without error, the slope is the steeper the more people say so."""
    x = np.repeat([0.0, 0.1, 0.9, 1.0], 50)[:, None]
    y = np.repeat([0, 0, 1, 1], 50)
    slopes = [logistic.fit(x, y, support)[0][0] for support in (3, 20, 100)]
    assert slopes == sorted(slopes)
    assert slopes[0] < 0.7 * slopes[2]


def test_logistic_fit_stays_finite_where_classes_can_be_separated() -> None:
    slopes, intercept = logistic.fit([[0.0], [0.1], [0.9], [1.0]], [0, 0, 1, 1])
    assert np.isfinite([*slopes, intercept]).all()
    assert slopes[0] > 0


def test_calibrated_normal_scores_have_the_true_ratio() -> None:
    calibration = calibration_of(draw_trials())
    true_slope = (0.35 - 0.1) / 0.1**2  # of two normal distributions of one spread
    # A little less steep: 50 people are not all people
    assert calibration.slope == pytest.approx(true_slope, rel=0.15)
    assert -calibration.intercept / calibration.slope == pytest.approx(0.225, abs=0.01)


def test_threshold_keeps_the_stated_rate_on_fresh_impostors() -> None:
    calibration = calibration_of(draw_trials(0))
    fresh = draw_trials(1, 100_000)
    impostor = fresh.scores[fresh.labels == 0]
    for rate in (0.1, 0.01, 0.002):
        threshold, extrapolated = calibration.threshold(rate)
        assert not extrapolated
        assert rate / 1.6 < (impostor >= threshold).mean() < rate * 1.6


def test_the_table_goes_as_deep_as_pairs_of_people_support() -> None:
    part = draw_trials()
    rates = supported_rates(part)
    threshold = np.quantile(part.scores[part.labels == 0], 1 - rates[-1])
    above = (part.labels == 0) & (part.scores >= threshold)
    assert len(np.unique(part.pair[above])) >= SUPPORT - 1
    one_pair = replace(part, pair=np.zeros(len(part.labels), np.int64))
    with pytest.raises(DatasetError, match="10 pairs"):
        supported_rates(one_pair)


def test_no_clip_is_compared_with_itself() -> None:
    people = Crowd(people=3, files=4).table()
    single = trials_of(people, people)
    assert len(single.labels) == 12 * 11
    assert single.labels.sum() == 12 * 3
    assert single.scores.max() < 0.999
    assert len(np.unique(single.pair)) == 6


def test_own_calibration_keeps_the_tail_of_the_previous_one() -> None:
    previous = calibration_of(draw_trials(0, 200_000))
    rng = np.random.default_rng(5)
    few = draw_trials(1, 300)
    own = calibration_of(
        replace(few, scores=few.scores + 0.05, pair=rng.permutation(len(few.labels)))
    )
    joined = splice(own, previous)
    assert joined.slope == own.slope
    assert len(joined.impostors.rates) == len(previous.impostors.rates) > len(own.impostors.rates)
    assert joined.impostors.scores[: len(own.impostors.scores)] == pytest.approx(
        own.impostors.scores, abs=1e-4
    )
    threshold, extrapolated = joined.threshold(previous.impostors.rates[-1])
    assert not extrapolated
    assert threshold == pytest.approx(
        previous.threshold(previous.impostors.rates[-1])[0] + 0.05, abs=0.06
    )


def test_poor_probes_say_less() -> None:
    """Of noisier probes a ratio shrinks, and it is not against people by the noise alone."""
    good = draw_trials()
    rng = np.random.default_rng(2)
    target = good.labels == 1
    worse = np.where(target, good.scores - 0.15, good.scores)
    parts = [
        replace(good, quality=quality(len(target), 1)),
        replace(
            good,
            scores=worse + 0.1 * rng.normal(size=len(target)),
            quality=0 * quality(len(target), 1),
        ),
    ]
    calibration = of_trials(parts, calibration_of(good).impostors)
    for score in (-0.1, 0.4):
        clear, faint = (float(calibration.llr(score, (quality,))) for quality in (1.0, 0.0))
        assert abs(faint) < abs(clear)
        assert clear * score > 0
    assert calibration.llr(0.2, (0.5,)) == pytest.approx(
        np.mean([calibration.llr(0.2, (quality,)) for quality in (0.0, 1.0)])
    )


def test_people_of_one_place_need_more(fitted: Fitted) -> None:
    """A gallery of one keeps the stated rate among people who are all alike."""
    both, calibration = fitted
    assert isinstance(calibration.norm, CohortNorm)
    norm = calibration.norm
    place = Fold(crowd(people=20, shift=0.8, seed=7), both[0].cohort)
    placed = with_place(norm, [place])
    assert placed.numbers.place > 1.0
    fresh = crowd(people=20, shift=0.8, seed=8)
    threshold, _ = calibration.pair_threshold(0.01)
    passed = [
        np.mean(strangers(fresh, norm) - less >= threshold) for less in (0.0, placed.deduction())
    ]
    assert passed[0] > 0.03
    assert passed[1] <= 0.01
    assert with_place(norm, [Fold(crowd(people=3), both[0].cohort)]).numbers.place == MARGIN


def test_confirmed_and_denied_answers_count(fitted: Fitted) -> None:
    both, calibration = fitted
    trials = gallery_trials([Arena(both[0], calibration.norm)])
    assert with_answers(trials, []) is trials
    more = with_answers(trials, [(2.0, False), (3.0, True)])
    assert more.labels.sum() == trials.labels.sum() + 1
    assert isinstance(calibration.norm, CohortNorm)
    people = People((both[0],), both[0].cohort, calibration.norm)
    doubted = fit_people(people, None, [(4.0, False)] * 3000)
    assert doubted.llr(4.0) < calibration.llr(4.0)
    assert doubted.impostors.scores == fit_people(people).impostors.scores


def test_a_table_needs_people() -> None:
    arena = Arena(Fold(crowd(people=5), np.eye(3, SIZE, dtype=np.float32)), NoNorm())
    with pytest.raises(DatasetError, match="more people"):
        gallery_table(best_strengths([arena])[:0])
