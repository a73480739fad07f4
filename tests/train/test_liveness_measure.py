"""Error rates of checks for liveness, from judgements whose rates are known."""

from __future__ import annotations

from liveness.judgement import Judgement, LivenessOutcome
from train.measure.liveness import Trial, as_markdown, held_out, rate


def trial(species: str, subject: int, score: float | None, *, attack: bool = False) -> Trial:
    """A presentation whose score passes from 0.5 on."""
    outcome = LivenessOutcome.NOT_CHECKED
    if score is not None:
        outcome = LivenessOutcome.PASSED if score >= 0.5 else LivenessOutcome.FAILED
    return Trial(species, f"s{subject}", attack, Judgement(outcome, "", score, 0.5))


TALKS = [trial("people", i, 1.0 + i / 10) for i in range(20)]
STILL = [trial("still", i, 0.1, attack=True) for i in range(19)]


def test_errors_are_attacks_that_pass_and_people_who_fail() -> None:
    assert rate([*TALKS, trial("people", 1, 0.2)]).errors == 1
    assert rate([*STILL, trial("still", 1, 0.9, attack=True)]).errors == 1
    unchecked = rate([*TALKS, trial("people", 3, None)])
    assert (unchecked.errors, unchecked.checked, unchecked.unchecked) == (0, 20, 1)
    assert unchecked.subjects == 20


def test_no_error_among_few_leaves_a_wide_interval() -> None:
    # Exact bound of Clopper and Pearson: 1 - 0.025 ** (1 / 19) = 17.6 %
    assert str(rate(STILL)) == "0: 0.0 (0.0 to 17.6) | 19 | 0 | 19"
    assert str(rate([trial("people", 1, None)])) == "- | 0 | 1 | 1"


def test_a_threshold_is_fitted_to_other_subjects() -> None:
    low = [trial("people", 99, 0.6)] * 5
    rates, thresholds = held_out([*TALKS, *low, *STILL])
    assert rates["people"].errors >= 5, "whoever is unlike all others fails at their threshold"
    assert rates["still"].errors == 0
    assert max(thresholds) > 0.6 >= min(thresholds)


def test_a_table_names_the_rate_of_each_kind() -> None:
    lines = as_markdown([*TALKS, *STILL]).splitlines()
    assert "| people | BPCER | 0: 0.0 (0.0 to 16.8) | 20 | 0 | 20 |" in lines[-2]
    assert "| still | APCER | 0: 0.0 (0.0 to 17.6) | 19 | 0 | 19 |" in lines[-1]
