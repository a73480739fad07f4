"""The scale of confidence of the voice API."""

from __future__ import annotations

import math

import pytest

from gallery.records.feed import PersonRef
from recognition import voice_confidence
from recognition.decision import Rule, decide
from recognition.matching import Candidate
from tests.support.gallery_parts import CALIBRATION
from utils.modality import Modality, PerModality
from utils.settings.decision import DecisionSettings

STATED = DecisionSettings()
CALIBRATIONS = PerModality.of(lambda _: CALIBRATION)


def candidate(score: float, level: float = 0.0) -> Candidate:
    strength = score - level
    return Candidate(
        person=PersonRef(1, "ann", "Ann"),
        modality=Modality.VOICE,
        score=score,
        level=level,
        scale=1.0,
        strength=strength,
        slope=CALIBRATION.slope,
        llr=float(CALIBRATION.llr(strength)),
    )


@pytest.mark.parametrize("people", [1, 20, 5000])
@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.5, 0.7, 0.9, 0.999, 1.0])
def test_a_speaker_is_named_exactly_from_the_threshold_on(people: int, threshold: float) -> None:
    rule = Rule(STATED, people, CALIBRATIONS, voice_confidence.evidence(threshold))
    for score in (-0.5, 0.0, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8, 1.0):
        decision = decide([candidate(score)], Modality.VOICE, rule)
        confidence = voice_confidence.confidence(decision, threshold)
        assert 0.0 <= confidence <= 1.0
        inside = min(max(threshold, 1e-6), 1 - 1e-6)
        assert (decision.match is not None) == (confidence >= inside) or math.isclose(
            confidence, inside
        )


def test_the_confidence_of_a_voice_does_not_depend_on_the_threshold_and_rises_with_the_score() -> (
    None
):
    def at(score: float, threshold: float, level: float = 0.0) -> float | None:
        rule = Rule(STATED, 20, CALIBRATIONS, voice_confidence.evidence(threshold))
        decision = decide([candidate(score, level)], Modality.VOICE, rule)
        return voice_confidence.confidence(decision, threshold)

    for score in (0.05, 0.14, 0.3):
        assert at(score, 0.2) == pytest.approx(at(score, 0.95), abs=1e-9)
    assert at(0.9, 0.2, level=0.85) == pytest.approx(at(0.9, 0.95, level=0.85), abs=1e-9), (
        "where no cosine could be high enough"
    )
    assert at(0.05, 0.7) < at(0.14, 0.7) < at(0.3, 0.7)
    own, _ = Rule(STATED, 20, CALIBRATIONS).threshold_for(candidate(0.3))
    assert at(own, 0.7) == pytest.approx(0.7)
