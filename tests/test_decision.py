"""Decisions: thresholds from the stated rate, unknown, conflict, duplicates, 1:1."""
from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from gallery.decision import Rule, decide, decide_fused, duplicate_of, no_probe, verify
from gallery.feed import PersonRef
from gallery.matching import Candidate
from tests.gallery_parts import CALIBRATION
from utils.types import Modality, Outcome

FACE, VOICE, FUSED = Modality.FACE, Modality.VOICE, Modality.FUSED
CALIBRATIONS = dict.fromkeys((FACE, VOICE, FUSED), CALIBRATION)
RULE = Rule(0.01, 10, CALIBRATIONS)


def candidate(person_id, score, modality=FACE):
    person = PersonRef(1, person_id, person_id.upper())
    return Candidate(person, modality, score, float(CALIBRATION.llr(score)), float(CALIBRATION.probability(score)))


def test_threshold_gives_the_stated_rate():
    """Independent Gaussian impostors in the numbers that the gallery has: the share that reaches the threshold is the stated one."""
    rng = np.random.default_rng(3)
    for people in (1, 5):
        threshold, extrapolated = Rule(0.01, people, CALIBRATIONS).threshold(FACE)
        best = rng.normal(0, 1 / math.sqrt(512), (100_000, people)).max(axis=1)
        assert not extrapolated
        assert 0.007 < (best >= threshold).mean() < 0.013


def test_accepted():
    found = decide([candidate("a", 0.5), candidate("b", 0.1)], FACE, RULE)
    threshold = CALIBRATION.threshold(1 - 0.99 ** 0.1)[0]
    assert found.outcome == Outcome.ACCEPTED
    assert (found.match.person_id, found.match.name, found.runner_up.person_id) == ("a", "A", "b")
    assert found.threshold == pytest.approx(threshold, abs=1e-9)
    assert found.margin == pytest.approx(0.5 - threshold)
    assert found.reason == "Recognised by face; 0.36 above the threshold"
    assert not found.extrapolated


def test_exactly_the_threshold_is_accepted_and_a_hair_below_is_not():
    threshold = RULE.threshold(FACE)[0]
    assert decide([candidate("a", threshold)], FACE, RULE).outcome == Outcome.ACCEPTED
    assert decide([candidate("a", threshold - 1e-9)], FACE, RULE).outcome == Outcome.UNKNOWN


def test_a_stranger_is_given_no_name():
    found = decide([candidate("a", 0.1), candidate("b", 0.05)], FACE, RULE)
    assert (found.outcome, found.match, found.runner_up) == (Outcome.UNKNOWN, None, None)
    assert found.margin < 0
    assert found.reason == "Nobody in the gallery is similar enough"


def test_what_is_no_number_is_nobody():
    assert decide([candidate("a", math.nan)], FACE, RULE).outcome == Outcome.UNKNOWN


def test_more_people_raise_the_threshold():
    thresholds = [Rule(0.01, n, CALIBRATIONS).threshold(FACE)[0] for n in (1, 10, 100, 1000)]
    assert thresholds == sorted(set(thresholds))


def test_extrapolation_is_said():
    rule = Rule(0.01, 1000, CALIBRATIONS)
    for score in (0.5, 0.1):
        found = decide([candidate("a", score)], FACE, rule)
        assert found.extrapolated
        assert "extrapolated" in found.reason


def test_empty_and_not_enrolled():
    assert decide([], FACE, Rule(0.01, 0, CALIBRATIONS)).reason == "The gallery is empty"
    found = decide([], VOICE, RULE)
    assert (found.outcome, found.threshold, found.margin) == (Outcome.UNKNOWN, None, None)
    assert found.reason == "Nobody in the gallery is enrolled by voice"


def accepted(person_id, score=0.5, modality=FACE):
    return decide([candidate(person_id, score, modality)], modality, RULE)


BARELY = RULE.threshold(FACE)[0] + 0.001
UNKNOWN = decide([candidate("z", 0.0)], FACE, RULE)


def test_conflict_needs_two_confident_answers():
    assert decide_fused(UNKNOWN, accepted("a"), accepted("b")).outcome == Outcome.CONFLICT
    assert decide_fused(accepted("a"), accepted("a"), accepted("b")).outcome == Outcome.CONFLICT
    for face, voice in ((accepted("a"), accepted("a")), (accepted("a"), UNKNOWN), (accepted("a", BARELY), accepted("b")),
                        (accepted("a"), accepted("b", BARELY))):
        assert decide_fused(accepted("a", 0.4, FUSED), face, voice) == accepted("a", 0.4, FUSED)


def test_conflict_names_nobody():
    found = decide_fused(accepted("a"), accepted("a"), accepted("b"))
    assert (found.match, found.runner_up, found.threshold) == (None, None, None)
    assert found.reason == "The face and the voice belong to two different people of the gallery"


@pytest.mark.parametrize("single", [accepted("a"), UNKNOWN])
def test_one_modality_is_the_fused_answer(single):
    nothing = no_probe("The clip has no sound")
    for found in (decide_fused(None, single, nothing), decide_fused(None, nothing, single)):
        assert found == replace(single, reason=f"{single.reason}. The clip has no sound")


def test_duplicates():
    other, me = accepted("other"), accepted("me")
    assert duplicate_of(other, UNKNOWN, UNKNOWN, "me") == (other.match, FACE)
    assert duplicate_of(accepted("other", 0.5, FUSED), UNKNOWN, UNKNOWN, "me")[1] == FUSED
    assert duplicate_of(UNKNOWN, other, UNKNOWN, "me") == (other.match, FACE)
    assert duplicate_of(UNKNOWN, UNKNOWN, other, "me") == (other.match, VOICE)
    assert duplicate_of(UNKNOWN, me, other, "me") == (other.match, VOICE)
    assert duplicate_of(UNKNOWN, other, UNKNOWN, None) == (other.match, FACE)
    assert duplicate_of(UNKNOWN, accepted("other", BARELY), UNKNOWN, "me") is None
    assert duplicate_of(me, other, other, "me") is None
    assert duplicate_of(UNKNOWN, UNKNOWN, UNKNOWN, "me") is None


def test_verify():
    threshold = CALIBRATION.threshold(0.01)[0]
    same, beyond = verify(threshold, CALIBRATION, 0.01)
    assert (same.outcome, same.score, same.threshold, beyond) == ("same", threshold, threshold, False)
    assert same.probability == pytest.approx(float(CALIBRATION.probability(threshold)))
    assert verify(threshold - 1e-6, CALIBRATION, 0.01)[0].outcome == "different"
    assert verify(None, CALIBRATION, 0.01)[0].outcome == "no_probe"
    assert verify(0.9, CALIBRATION, 1e-6)[1]
    assert verify(math.nan, CALIBRATION, 0.01)[0].outcome == "different"
