"""A table of impostors: thresholds for rates, rates of scores, and beyond the table."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from scoring.impostor_table import ImpostorTable, rates_down_to

TABLE = ImpostorTable((0.5, 0.1, 0.01, 0.001), (0.0, 0.2, 0.35, 0.45))


def test_thresholds_are_read_from_the_table_and_rise_as_rates_fall() -> None:
    for rate, score in zip(TABLE.rates, TABLE.scores, strict=True):
        threshold, extrapolated = TABLE.threshold(rate)
        assert threshold == pytest.approx(score)
        assert not extrapolated
    thresholds = [TABLE.threshold(rate)[0] for rate in np.geomspace(0.5, 1e-6, 40)]
    assert (np.diff(thresholds) >= 0).all()


def test_between_two_entries_a_score_is_linear_in_the_logarithm_of_the_rate() -> None:
    assert TABLE.threshold(0.1 * 10**-0.5)[0] == pytest.approx((0.2 + 0.35) / 2)


def test_beyond_the_table_the_threshold_goes_on_along_the_last_decade_and_says_so() -> None:
    score, extrapolated = TABLE.threshold(1e-4)
    assert extrapolated
    assert score == pytest.approx(0.45 + (0.45 - 0.35))


def test_the_last_decade_spans_several_entries() -> None:
    table = ImpostorTable((0.5, 0.16, 0.03, 0.01), (0.0, 0.2, 0.27, 0.35))
    assert table.threshold(1e-3)[0] == pytest.approx(0.35 + (0.35 - 0.2) / np.log10(16))


def test_a_rate_above_the_table_has_its_first_score() -> None:
    np.testing.assert_array_equal(TABLE.scores_at([0.9, 0.5]), [0.0, 0.0])


def test_many_rates_at_once_give_the_thresholds_of_each() -> None:
    rates = np.geomspace(0.9, 1e-9, 50)
    one_by_one = [TABLE.threshold(float(rate))[0] for rate in rates]
    np.testing.assert_array_equal(TABLE.scores_at(rates), one_by_one)


def test_extrapolation_errs_towards_strictness_for_normal_scores() -> None:
    normal = NormalDist(0.1, 0.12)
    rates = tuple(rates_down_to(1e-3).tolist())
    table = ImpostorTable(rates, tuple(normal.inv_cdf(1 - rate) for rate in rates))
    for rate in (3e-4, 1e-4, 1e-5):
        score, extrapolated = table.threshold(rate)
        assert extrapolated
        assert normal.inv_cdf(1 - rate) <= score <= normal.inv_cdf(1 - rate / 10)


@pytest.mark.parametrize("score", [-0.3, 0.0, 0.1, 0.2, 0.44, 0.5, 0.8])
def test_the_rate_of_a_score_inverts_the_threshold(score: float) -> None:
    rate = float(TABLE.rate(score))
    if rate < 0.5:
        assert TABLE.threshold(rate)[0] == pytest.approx(score, abs=1e-9)
    mirrored = float(TABLE.rate(2 * 0.0 - score))
    assert rate + mirrored == pytest.approx(1.0)


@pytest.mark.parametrize(
    "table",
    [
        ImpostorTable((0.1, 0.01), (0.14, 0.23)),
        ImpostorTable((0.9, 0.5, 0.1), (-0.1, 0.0, 0.1)),
        ImpostorTable((0.9, 0.7), (-0.1, 0.0)),
    ],
    ids=["below", "around", "above"],
)
def test_rates_fall_wherever_a_table_begins_and_ends(table: ImpostorTable) -> None:
    rates = table.rate(np.linspace(-1, 1, 401))
    assert ((rates >= 0) & (rates <= 1)).all()
    assert (np.diff(rates) <= 1e-12).all()


def test_half_of_the_impostors_reach_the_median() -> None:
    table = ImpostorTable((0.9, 0.5, 0.1), (-0.1, 0.0, 0.1))
    assert float(table.rate(0.0)) == pytest.approx(0.5)


def test_rates_of_a_table_go_four_steps_a_decade_down_to_the_smallest() -> None:
    rates = rates_down_to(0.005)
    assert len(rates) == 9
    np.testing.assert_allclose(rates[[0, 4, 8]], [0.5, 0.05, 0.005])
    assert len(rates_down_to(0.0051)) == 8
    assert len(rates_down_to(0.4)) == 2


def test_columns_come_back_under_the_names_they_were_given() -> None:
    columns = TABLE.to_dict("fmr", "score")
    assert columns == {"fmr": [0.5, 0.1, 0.01, 0.001], "score": [0.0, 0.2, 0.35, 0.45]}
    assert ImpostorTable.from_dict(columns, "fmr", "score") == TABLE


@pytest.mark.parametrize(
    ("rates", "scores"),
    [
        ((0.1, 0.5), (0.0, 0.1)),
        ((0.5, 0.1), (0.1, 0.0)),
        ((0.5, 0.1), (0.1, 0.1)),
        ((0.5, 0.1), (0.1, float("nan"))),
        ((0.5, 0.1), (0.0,)),
        ((0.5,), (0.1,)),
    ],
)
def test_columns_that_are_no_table_are_refused(
    rates: tuple[float, ...], scores: tuple[float, ...]
) -> None:
    with pytest.raises(ValueError, match="must fall and its scores rise"):
        ImpostorTable(rates, scores)


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1])
def test_a_rate_outside_of_0_and_1_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        TABLE.threshold(rate)
