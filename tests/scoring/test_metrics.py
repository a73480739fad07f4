"""Metrics against scikit-learn, against brute force and on cases worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from sklearn import metrics as oracle

from scoring import metrics
from scoring.bootstrap import bootstrap_interval
from utils.arrays import IndexArray

Trials = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]
"""Scores and labels."""


@pytest.fixture(params=[0, 1, 2])
def trials(request: pytest.FixtureRequest) -> Trials:
    """Draw overlapping scores, rounded in one case so that many are equal."""
    rng = np.random.default_rng(request.param)
    labels = (rng.random(700) < 0.3).astype(int)
    scores = rng.normal(labels * 1.5, 1.0)
    return (np.round(scores, 1) if request.param == 2 else scores), labels


def test_det_curve_equals_roc_curve_of_sklearn(trials: Trials) -> None:
    scores, labels = trials
    curve = metrics.det_curve(scores, labels)
    far, tar, threshold = oracle.roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(curve.far[::-1], far)
    np.testing.assert_allclose(1 - curve.frr[::-1], tar, atol=1e-12)
    np.testing.assert_allclose(curve.threshold[::-1], threshold)


def test_eer_lies_between_both_errors_of_sklearn_next_to_the_crossing(trials: Trials) -> None:
    scores, labels = trials
    far, tar, _ = oracle.roc_curve(labels, scores, drop_intermediate=False)
    far = far[::-1]
    frr = 1 - tar[::-1]
    crossing = np.argmax(frr >= far)
    point = metrics.eer(scores, labels)
    assert frr[crossing - 1] - 1e-9 <= point.value <= frr[crossing] + 1e-9
    assert far[crossing] - 1e-9 <= point.value <= far[crossing - 1] + 1e-9
    measured_far = (scores[labels == 0] >= point.threshold).mean()
    measured_frr = (scores[labels == 1] < point.threshold).mean()
    assert (
        min(measured_far, measured_frr) - 0.02
        <= point.value
        <= max(measured_far, measured_frr) + 0.02
    )


def test_eer_by_hand() -> None:
    # Thresholds 1 2 3 4: at 3 one of two impostors (3) is accepted and one of two
    # targets (2) is rejected.
    assert metrics.eer([1, 3, 2, 4], [0, 0, 1, 1]).value == pytest.approx(0.5)
    assert metrics.eer([1, 2, 3, 4], [0, 0, 1, 1]).value == 0.0
    assert metrics.eer([3, 4, 1, 2], [0, 0, 1, 1]).value == pytest.approx(1.0)


def test_rates_at_operating_points_by_brute_force(trials: Trials) -> None:
    scores, labels = trials
    target = scores[labels == 1]
    impostor = scores[labels == 0]
    grid = np.append(np.unique(scores), np.inf)
    far = np.array([(impostor >= t).mean() for t in grid])
    frr = np.array([(target < t).mean() for t in grid])
    for rate in (0.0, 0.01, 0.1, 0.5):
        assert metrics.frr_at_far(scores, labels, rate).value == pytest.approx(
            frr[far <= rate].min()
        )
        assert metrics.tar_at_far(scores, labels, rate).value == pytest.approx(
            1 - frr[far <= rate].min()
        )
        assert metrics.far_at_frr(scores, labels, rate).value == pytest.approx(
            far[frr <= rate].min()
        )
        point = metrics.far_at_frr(scores, labels, rate)
        assert (impostor >= point.threshold).mean() == pytest.approx(point.value)


@pytest.mark.parametrize(("p_target", "c_miss", "c_fa"), [(0.01, 1, 1), (0.05, 1, 1), (0.5, 1, 10)])
def test_min_dcf_by_brute_force(trials: Trials, p_target: float, c_miss: int, c_fa: int) -> None:
    scores, labels = trials
    far, frr, _ = oracle.det_curve(labels, scores)
    costs = np.append(
        c_miss * p_target * frr + c_fa * (1 - p_target) * far,
        [c_miss * p_target, c_fa * (1 - p_target)],
    )
    expected = costs.min() / min(c_miss * p_target, c_fa * (1 - p_target))
    assert metrics.min_dcf(scores, labels, p_target, c_miss=c_miss, c_fa=c_fa).value == (
        pytest.approx(expected)
    )


def test_cllr_is_balanced_log_loss_of_sklearn(trials: Trials) -> None:
    llr, labels = trials
    weight = np.where(labels == 1, 1 / labels.sum(), 1 / (1 - labels).sum())
    expected = oracle.log_loss(labels, 1 / (1 + np.exp(-llr)), sample_weight=weight) / np.log(2)
    assert metrics.cllr(llr, labels) == pytest.approx(expected)
    assert metrics.cllr([0.0, 0.0], [0, 1]) == pytest.approx(1.0)


def test_fold_accuracy_uses_the_threshold_of_the_other_folds() -> None:
    # Fold 1 separates at 0.5, fold 2 at 5. Each, judged at the other's threshold, gets
    # one half right.
    scores = [0, 1, 0, 1, 4, 6, 4, 6]
    labels = [0, 1, 0, 1, 0, 1, 0, 1]
    result = metrics.fold_accuracy(scores, labels, [1, 1, 1, 1, 2, 2, 2, 2])
    assert result.folds == (0.5, 0.5)
    assert metrics.accuracy_threshold(scores, labels).value == pytest.approx(0.75)


def test_fold_accuracy_on_separable_trials_is_one() -> None:
    rng = np.random.default_rng(3)
    labels = np.tile([0, 1], 50)
    result = metrics.fold_accuracy(
        labels + 0.2 * rng.random(100), labels, np.repeat(np.arange(10), 10)
    )
    assert result.value == 1.0
    assert 0.2 < result.threshold < 1.0


def test_rank1_and_open_set_by_hand() -> None:
    scores = [[0.9, 0.1], [0.4, 0.6], [0.7, 0.2], [0.3, 0.5]]
    # x and y are strangers.
    gallery = ["a", "b"]
    probes = ["a", "a", "x", "y"]
    assert metrics.rank1(scores[:2], probes[:2], gallery) == 0.5
    result = metrics.open_set(scores, probes, gallery, 0.6)
    assert (result.fpir, result.fnir) == (0.5, 0.5)
    strict = metrics.open_set_at_fpir(scores, probes, gallery, 0.0)
    assert (strict.fpir, strict.fnir, strict.threshold) == (0.0, 0.5, 0.9)


def test_bootstrap_covers_the_true_rate_and_is_wider_for_correlated_trials() -> None:
    rng = np.random.default_rng(5)
    people = np.repeat(np.arange(60), 20)
    # All trials of a person fall alike
    correlated = np.repeat(rng.random(60) < 0.3, 20).astype(float)
    independent = rng.permutation(correlated)
    by_person = bootstrap_interval(lambda index: correlated[index].mean(), people)
    mixed = bootstrap_interval(lambda index: independent[index].mean(), people)
    assert by_person.low < correlated.mean() < by_person.high
    assert by_person.high - by_person.low > 2 * (mixed.high - mixed.low)


def test_bootstrap_counts_a_pair_as_often_as_both_persons_were_drawn() -> None:
    seen = []

    def count(index: IndexArray) -> float:
        seen.append(np.bincount(index, minlength=3))
        return 0.0

    bootstrap_interval(count, [["a", "a"], ["b", "b"], ["a", "b"]])
    for same_a, same_b, pair in seen:
        assert same_a + same_b == 2
        assert pair == same_a * same_b


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.eer([1.0, 2.0], [1, 1]), "2 target and 0 impostor trials"),
        (lambda: metrics.eer([1.0, 2.0], [0, 0]), "0 target and 2 impostor trials"),
        (lambda: metrics.eer([], []), "0 target and 0 impostor trials"),
        (lambda: metrics.eer([1.0, np.nan], [0, 1]), "1 of 2 are not"),
        (lambda: metrics.eer([1.0, 2.0], [0, 2]), r"0 or 1. Received: \[0, 2\]"),
        (lambda: metrics.eer([1.0, 2.0, 3.0], [0, 1]), r"shapes \(3,\) and \(2,\)"),
        (lambda: metrics.frr_at_far([1.0, 2.0], [0, 1], 1.5), "Received: far=1.5"),
        (lambda: metrics.min_dcf([1.0, 2.0], [0, 1], 0.0), "Received: p_target=0.0"),
        (lambda: metrics.fold_accuracy([1.0, 2.0], [0, 1], [1, 1]), "1 distinct"),
        (lambda: metrics.rank1([[1.0]], ["a"], ["b"]), "1 of 1 are not"),
        (lambda: metrics.rank1([[1.0]], ["a"], ["a", "b"]), r"Received: \(1, 1\) for 1 and 2"),
        (lambda: metrics.open_set([[1.0]], ["a"], ["a"], 0.5), "1 of 1 probes enrolled"),
        (lambda: bootstrap_interval(lambda index: 0.0, ["a", "a"]), "Received: 1 identities"),
        (lambda: bootstrap_interval(one_class_left, ["a", "b"]), "None of 200 resamples"),
    ],
)
def test_bad_input_is_refused_with_what_was_received(
    call: Callable[..., object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def one_class_left(index: npt.NDArray[np.intp]) -> float:
    """Refuse every resample, as a metric does that finds one class only."""
    raise ValueError(f"Both classes are needed. Received: {len(index)} trials of one")
