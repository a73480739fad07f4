"""Decisions: thresholds from the stated rate, unknown, conflict, duplicates, 1:1."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from gallery.records.feed import PersonRef
from recognition.decision import (
    PLACE,
    Rule,
    decide,
    decide_fused,
    find_duplicate,
    no_probe,
    verify,
    verify_fused,
)
from recognition.matching import Candidate, Comparison
from recognition.results import Decision, Match, Outcome
from tests.support.gallery_parts import CALIBRATION
from utils.modality import Modality, PerModality

FACE = Modality.FACE
VOICE = Modality.VOICE
FUSED = Modality.FUSED
CALIBRATIONS = PerModality(fused=CALIBRATION, face=CALIBRATION, voice=CALIBRATION)
RULE = Rule(0.01, 10, CALIBRATIONS)


def candidate(person_id: str, score: float, modality: Modality = FACE) -> Candidate:
    person = PersonRef(1, person_id, person_id.upper())
    return Candidate(
        person=person,
        modality=modality,
        score=score,
        level=0.0,
        scale=1.0,
        strength=score,
        llr=float(CALIBRATION.llr(score)),
        probability=float(CALIBRATION.probability(score)),
    )


def test_threshold_gives_the_stated_rate() -> None:
    """The share of impostors that reaches the threshold is the stated one.

    The impostors are independent Gaussians, as many as the gallery has people.
    """
    rng = np.random.default_rng(3)
    for people in (1, 5):
        threshold, extrapolated = Rule(0.01, people, CALIBRATIONS).threshold(FACE)
        best = rng.normal(0, 1 / math.sqrt(512), (100_000, people)).max(axis=1)
        assert not extrapolated
        assert 0.007 < (best >= threshold).mean() < 0.013


def test_accepted() -> None:
    decision = decide([candidate("a", 0.5), candidate("b", 0.1)], FACE, RULE)
    threshold = CALIBRATION.threshold(1 - 0.99**0.1)[0]
    assert decision.outcome == Outcome.ACCEPTED
    assert (decision.match.person_id, decision.match.name, decision.runner_up.person_id) == (
        "a",
        "A",
        "b",
    )
    assert decision.threshold == pytest.approx(threshold, abs=1e-9)
    assert decision.margin == pytest.approx(0.5 - threshold)
    assert (
        decision.reason
        == "Recognised by face; 0.36 above the threshold, probability over 99.99 %, 1 % of"
        " strangers would be named"
    )
    assert decision.evidence == pytest.approx(CALIBRATION.slope * decision.margin)
    assert not decision.extrapolated


def test_the_threshold_is_the_score_that_this_probe_needs() -> None:
    """Level and scale of the candidate turn a strength into a cosine."""
    strength = RULE.threshold(FACE)[0]
    for score, outcome in (
        (0.3 + 0.5 * strength + 1e-6, Outcome.ACCEPTED),
        (0.3 + 0.5 * strength - 1e-6, Outcome.UNKNOWN),
    ):
        decision = decide(
            [replace(candidate("a", score), level=0.3, scale=0.5, strength=(score - 0.3) / 0.5)],
            FACE,
            RULE,
        )
        assert decision.outcome == outcome
        assert decision.threshold == pytest.approx(0.3 + 0.5 * strength)
        assert decision.margin == pytest.approx(score - decision.threshold)


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (0.5, "50 %"),
        (0.996, "99.6 %"),
        (0.99996, "over 99.99 %"),
        (0.0004, "0.04 %"),
        (1e-9, "under 0.01 %"),
    ],
)
def test_probabilities_in_words_are_never_certain(probability: float, words: str) -> None:
    decision = decide([replace(candidate("a", 0.5), probability=probability)], FACE, RULE)
    assert f"probability {words}," in decision.reason


def test_exactly_the_threshold_is_accepted_and_a_hair_below_is_not() -> None:
    threshold = RULE.threshold(FACE)[0]
    assert decide([candidate("a", threshold)], FACE, RULE).outcome == Outcome.ACCEPTED
    assert decide([candidate("a", threshold - 1e-9)], FACE, RULE).outcome == Outcome.UNKNOWN


def test_a_stranger_is_given_no_name() -> None:
    decision = decide([candidate("a", 0.1), candidate("b", 0.05)], FACE, RULE)
    assert (decision.outcome, decision.match, decision.runner_up) == (Outcome.UNKNOWN, None, None)
    assert decision.margin < 0
    assert decision.reason == "Nobody in the gallery is similar enough"


def test_what_is_no_number_is_nobody() -> None:
    assert decide([candidate("a", math.nan)], FACE, RULE).outcome == Outcome.UNKNOWN


def test_more_people_raise_the_threshold() -> None:
    thresholds = [Rule(0.01, n, CALIBRATIONS).threshold(FACE)[0] for n in (1, 10, 100, 1000)]
    assert thresholds == sorted(set(thresholds))


def test_extrapolation_is_said() -> None:
    rule = Rule(0.01, 1000, CALIBRATIONS)
    for score in (0.5, 0.1):
        decision = decide([candidate("a", score)], FACE, rule)
        assert decision.extrapolated
        assert "extrapolated" in decision.reason


def test_empty_and_not_enrolled() -> None:
    assert decide([], FACE, Rule(0.01, 0, CALIBRATIONS)).reason == "The gallery is empty"
    decision = decide([], VOICE, RULE)
    assert (decision.outcome, decision.threshold, decision.margin) == (Outcome.UNKNOWN, None, None)
    assert decision.reason == "Nobody in the gallery is enrolled by voice"


def accepted(person_id: str, score: float = 0.5, modality: Modality = FACE) -> Decision:
    return decide([candidate(person_id, score, modality)], modality, RULE)


BARELY = RULE.threshold(FACE)[0] + 0.001
UNKNOWN = decide([candidate("z", 0.0)], FACE, RULE)
AGAINST = {FACE: -5.0, VOICE: -5.0}


def _decide_fused(
    fused: Decision | None,
    face: Decision,
    voice: Decision,
    *,
    other: Mapping[Modality, float] = AGAINST,
    rule: Rule = RULE,
) -> Decision:
    return decide_fused(fused, {FACE: face, VOICE: voice}, other, rule)


def _find_duplicate(
    fused: Decision, face: Decision, voice: Decision, *, person_id: str, rule: Rule = RULE
) -> tuple[Match, Modality] | None:
    return find_duplicate(PerModality(fused=fused, face=face, voice=voice), person_id, rule)


def voice_of(person_id: str, score: float = 0.5) -> Decision:
    return accepted(person_id, score, VOICE)


def score_of(llr: float) -> float:
    return (llr - CALIBRATION.intercept) / CALIBRATION.slope


def test_conflict_needs_two_confident_answers() -> None:
    assert _decide_fused(UNKNOWN, accepted("a"), voice_of("b")).outcome == Outcome.CONFLICT
    assert _decide_fused(accepted("a"), accepted("a"), voice_of("b")).outcome == Outcome.CONFLICT
    for face, voice in (
        (accepted("a"), voice_of("a")),
        (accepted("a"), UNKNOWN),
        (accepted("a", BARELY), voice_of("b")),
        (accepted("a"), voice_of("b", BARELY)),
    ):
        assert _decide_fused(accepted("a", 0.4, FUSED), face, voice) == accepted("a", 0.4, FUSED)


def test_a_chance_match_of_the_voice_does_not_block_the_face() -> None:
    """Among many people more than 99 to 1 is asked of a voice.

    99 to 1 is what an impostor in a hundred reaches: among many people some voice does.
    """
    rule = Rule(0.01, 1000, CALIBRATIONS)
    right = decide([candidate("a", 0.5, FUSED)], FUSED, rule)
    face = decide([candidate("a", 0.5)], FACE, rule)
    for llr, expected in (
        (math.log(99) + 2, Outcome.ACCEPTED),
        (math.log(99_000) - 0.1, Outcome.ACCEPTED),
        (math.log(99_000) + 0.1, Outcome.CONFLICT),
    ):
        voice = decide([candidate("b", score_of(llr), VOICE)], VOICE, rule)
        assert voice.outcome == Outcome.ACCEPTED
        assert voice.match.probability > 0.99
        decision = _decide_fused(right, face, voice, rule=rule)
        assert decision.outcome == expected
        assert (decision == right) == (expected == Outcome.ACCEPTED)


def test_a_voice_that_fits_both_people_is_no_conflict() -> None:
    """Brothers: the voice names b, but a, whom the face names, is nearly as likely."""
    right = accepted("a", 0.4, FUSED)
    best = float(CALIBRATION.llr(0.5))
    for other, expected in ((best - 4.0, Outcome.ACCEPTED), (best - 5.0, Outcome.CONFLICT)):
        assert (
            _decide_fused(
                right, accepted("a"), voice_of("b"), other={FACE: other, VOICE: -5.0}
            ).outcome
            == expected
        )
        assert (
            _decide_fused(
                right, accepted("a"), voice_of("b"), other={FACE: -5.0, VOICE: other}
            ).outcome
            == expected
        )


def test_conflict_names_nobody() -> None:
    decision = _decide_fused(accepted("a"), accepted("a"), voice_of("b"))
    assert (decision.match, decision.runner_up, decision.threshold) == (None, None, None)
    assert decision.reason == "The face and the voice belong to two different people of the gallery"


def test_fused_just_below_its_threshold() -> None:
    """One modality alone is enough when the other does not speak against that person."""
    low = decide([candidate("a", RULE.threshold(FUSED)[0] - 0.01, FUSED)], FUSED, RULE)
    weak_voice = decide([candidate("c", 0.05, VOICE)], VOICE, RULE)
    for other in ({FACE: 0.0}, {FACE: 3.0}, {}):
        assert _decide_fused(low, accepted("a"), weak_voice, other=other) == accepted("a")
    decision = _decide_fused(low, accepted("a"), weak_voice, other={FACE: -0.1})
    assert (decision.outcome, decision.match, decision.modality) == (Outcome.UNKNOWN, None, FUSED)
    assert (
        decision.reason
        == "Nobody in the gallery is similar enough: the face alone is recognised, but the voice"
        " speaks against that person"
    )
    weak_face = decide([candidate("c", 0.05)], FACE, RULE)
    assert _decide_fused(low, weak_face, voice_of("b"), other={VOICE: 1.0}) == voice_of("b")
    assert (
        _decide_fused(low, weak_face, voice_of("b"), other={VOICE: -1.0}).outcome == Outcome.UNKNOWN
    )


def test_both_alone_name_nobody_whom_the_fused_answer_does_not() -> None:
    low = decide([candidate("a", RULE.threshold(FUSED)[0] - 0.01, FUSED)], FUSED, RULE)
    llr = float(CALIBRATION.llr(BARELY))  # below 0: of a good network, thresholds can be
    assert llr < 0
    assert (
        _decide_fused(
            low, accepted("a", BARELY), voice_of("a", BARELY), other={FACE: llr, VOICE: llr}
        ).match.person_id
        == "a"
    )


@pytest.mark.parametrize("single", [accepted("a"), UNKNOWN])
def test_one_modality_is_the_fused_answer(single: Decision) -> None:
    nothing = no_probe("The clip has no sound")
    for decision in (
        _decide_fused(None, single, nothing, other={}),
        _decide_fused(None, nothing, single, other={}),
    ):
        assert decision == replace(single, reason=f"{single.reason}. The clip has no sound")


def test_duplicates() -> None:
    other = accepted("other")
    me = accepted("me")
    spoken = voice_of("other")
    assert _find_duplicate(other, UNKNOWN, UNKNOWN, person_id="me") == (other.match, FACE)
    by_both = accepted("other", 0.5, FUSED)
    duplicate = _find_duplicate(by_both, UNKNOWN, UNKNOWN, person_id="me")
    assert duplicate is not None
    assert duplicate[1] == FUSED
    assert _find_duplicate(UNKNOWN, other, UNKNOWN, person_id="me") == (other.match, FACE)
    assert _find_duplicate(UNKNOWN, UNKNOWN, spoken, person_id="me") == (spoken.match, VOICE)
    assert _find_duplicate(UNKNOWN, me, spoken, person_id="me") == (spoken.match, VOICE)
    assert _find_duplicate(UNKNOWN, accepted("other", BARELY), UNKNOWN, person_id="me") is None
    assert _find_duplicate(me, other, spoken, person_id="me") is None
    assert _find_duplicate(UNKNOWN, UNKNOWN, UNKNOWN, person_id="me") is None


def test_a_chance_match_of_the_voice_does_not_keep_from_enrolling() -> None:
    """One enrolment in a hundred is of somebody who is there already.

    99 to 1 after that, among N people, is 99 · 99 · N to 1.
    """
    for people in (1, 10):
        rule = Rule(0.01, people, CALIBRATIONS)
        least = math.log(99 * 99 * people)
        for llr, duplicate in ((least - 0.1, False), (least + 0.1, True)):
            voice = decide([candidate("b", score_of(llr), VOICE)], VOICE, rule)
            assert voice.outcome == Outcome.ACCEPTED
            assert (
                _find_duplicate(UNKNOWN, UNKNOWN, voice, person_id="new", rule=rule) is not None
            ) == duplicate


def test_in_a_gallery_that_is_known_somebody_new_is_refused_at_the_stated_rate() -> None:
    """Over the enrolment of all N people: each at 1/N of it."""
    people = 40
    flat = replace(CALIBRATION, slope=1.0, intercept=0.0)
    rule = Rule(0.01, people, PerModality.of(lambda _: flat))
    bar, _ = flat.threshold(1 - (1 - 0.01 / people) ** (1 / people))
    for score, duplicate in ((bar - 1e-6, False), (bar + 1e-6, True)):
        face = decide([replace(candidate("b", score), probability=0.6)], FACE, rule)
        assert (
            _find_duplicate(UNKNOWN, face, UNKNOWN, person_id="new", rule=rule) is not None
        ) == duplicate
    few = replace(rule, people=PLACE - 1)
    face = decide([replace(candidate("b", bar + 1e-6), probability=0.6)], FACE, few)
    assert _find_duplicate(UNKNOWN, face, UNKNOWN, person_id="new", rule=few) is None


def test_the_same_recording_is_always_a_duplicate() -> None:
    flat = replace(CALIBRATION, slope=0.001, intercept=0.0)
    rule = Rule(0.01, 1000, PerModality.of(lambda _: flat))
    face = decide([replace(candidate("b", 0.96), probability=0.6)], FACE, rule)
    assert _find_duplicate(UNKNOWN, face, UNKNOWN, person_id="new", rule=rule) == (face.match, FACE)


def alone(score: float) -> Comparison:
    return Comparison(score, 0.0, 1.0, score)


def test_verify_fused() -> None:
    same, different = (verify(alone(score), CALIBRATION, 0.01) for score in (0.5, 0.0))
    unsure = verify(alone(RULE.threshold(FACE)[0]), CALIBRATION, 1e-6)
    nothing = verify(None, CALIBRATION, 0.01)
    assert (unsure.outcome, unsure.probability > 0.5) == ("different", False)
    likely = verify(alone(score_of(1.0)), CALIBRATION, 1e-6)
    assert (likely.outcome, likely.probability > 0.5) == ("different", True)
    for fused, face, voice, expected in (
        (same, different, different, FUSED),
        (different, same, likely, FACE),
        (different, likely, same, VOICE),
        (different, same, same, FACE),
        (different, same, different, FUSED),
        (different, different, same, FUSED),
        (different, different, nothing, FUSED),
        (nothing, same, nothing, FUSED),
    ):
        verdicts = PerModality(fused=fused, face=face, voice=voice)
        assert verify_fused(verdicts) is verdicts[expected]


def test_verify() -> None:
    threshold = CALIBRATION.threshold(0.01)[0]
    same = verify(alone(threshold), CALIBRATION, 0.01)
    assert (same.outcome, same.score, same.threshold, same.extrapolated) == (
        "same",
        threshold,
        threshold,
        False,
    )
    assert same.probability == pytest.approx(float(CALIBRATION.probability(threshold)))
    assert verify(alone(threshold - 1e-6), CALIBRATION, 0.01).outcome == "different"
    assert verify(None, CALIBRATION, 0.01).outcome == "no_probe"
    assert verify(alone(0.9), CALIBRATION, 1e-6).extrapolated
    assert verify(alone(math.nan), CALIBRATION, 0.01).outcome == "different"
