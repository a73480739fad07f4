"""Verdicts: the stated rate, even odds at least, and four stories about both."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from gallery.records.feed import PersonRef
from recognition.decision import Rule
from recognition.identifier import identify
from recognition.results import Outcome, Verdict
from recognition.sides import Comparison, Side, Sides
from recognition.stories import Evidence
from recognition.verdict import verify, verify_fused
from recognition.verifier import Vectors, judge
from recognition.voices import make_snapshot
from scoring.calibration import probability_of
from tests.support import gallery_parts
from tests.support.gallery_parts import direction
from utils.arrays import unit
from utils.modality import Modality, PerModality
from utils.settings.decision import DecisionSettings

FACE = Modality.FACE
VOICE = Modality.VOICE
FUSED = Modality.FUSED
STATED = DecisionSettings()
# The odds are even below the threshold.
CALIBRATION = replace(gallery_parts.CALIBRATION, intercept=-6.0)
CALIBRATIONS = PerModality(fused=CALIBRATION, face=CALIBRATION, voice=CALIBRATION)
CLEAR = 9.0


def alone(score: float, modality: Modality = FACE) -> Comparison:
    return Comparison(
        modality=modality,
        score=score,
        level=0.0,
        scale=1.0,
        strength=score,
        llr=float(CALIBRATION.llr(score)),
    )


def _verify_both(
    face: float | None, voice: float | None, settings: DecisionSettings = STATED
) -> Verdict:
    """Verdict of both about sides of these ratios, None where there is nothing."""

    def judge(ratio: float | None, modality: Modality) -> Verdict:
        comparison = (
            None
            if ratio is None
            else alone((ratio - CALIBRATION.intercept) / CALIBRATION.slope, modality)
        )
        return verify(comparison, CALIBRATIONS, 0.01)

    shared = voice if face is None else face
    evidence = Evidence(face=face, voice=voice, joint=(face or 0.0) + (voice or 0.0))
    joint = shared if face is None or voice is None else evidence.joint
    verdicts = PerModality(
        fused=judge(joint, FUSED), face=judge(face, FACE), voice=judge(voice, VOICE)
    )
    return verify_fused(verdicts, evidence, settings)


def test_verify_weighs_four_stories() -> None:
    for face, voice, outcome, by in (
        (CLEAR, CLEAR, "same", FUSED),
        (CLEAR, 0.0, "same", FACE),
        (0.0, CLEAR, "same", VOICE),
        (1.5, 1.5, "same", FACE),
        (3.1, 3.1, "same", FUSED),
        (CLEAR, -3.0, "conflict", FUSED),
        (-3.0, CLEAR, "conflict", FUSED),
        (-3.0, -3.0, "different", FUSED),
        (CLEAR, None, "same", FUSED),
        (None, None, "no_probe", None),
    ):
        verdict = _verify_both(face, voice)
        assert (verdict.outcome, verdict.modality) == (outcome, by)
        assert verdict.outcome != "same" or verdict.probability >= 0.5


def test_verify_by_both_that_are_required() -> None:
    door = DecisionSettings(require_both=True)
    assert _verify_both(CLEAR, CLEAR, door).outcome == "same"
    assert _verify_both(CLEAR, 0.0, door).outcome == "different"
    assert _verify_both(CLEAR, None, door).outcome == "different"
    barely = _verify_both(1.5, 1.5, door)
    assert (barely.outcome, barely.modality) == ("same", FUSED), "each is by itself"


def _at_even_odds(modality: Modality, other: Modality, side: Side) -> tuple[Sides, Vectors]:
    """A clip whose `modality` says nothing of a person, with what is stored of the person.

    Args:
        modality: what is at the cosine where the odds are even.
        other: what is the person's.
        side: quality, seconds and frames of the first.
    """
    stored = {m: direction(m, 1) for m in (FACE, VOICE)}
    even = -CALIBRATION.intercept / CALIBRATION.slope
    own = stored[modality]
    stranger = direction(modality, 2)
    across = stranger - (stranger @ own) * own
    turned = even * own + math.sqrt(1 - even**2) * across / np.linalg.norm(across)
    seen = {**stored, modality: turned.astype(np.float32)}
    probe = {modality: replace(side, vector=seen[modality]), other: Side(stored[other])}
    for vectors in (stored, seen):
        vectors[FUSED] = unit(np.concatenate([vectors[FACE], vectors[VOICE]])[None])[0]
    return {**probe, FUSED: Side(seen[FUSED])}, stored


NOTHING = np.zeros(0, np.float32)


silent_or_not = pytest.mark.parametrize(
    ("modality", "other", "side", "is_clear"),
    [
        (VOICE, FACE, Side(NOTHING, 3.0, quality=(1.0,)), True),
        (VOICE, FACE, Side(NOTHING, 3.0, quality=(0.7,)), False),
        (FACE, VOICE, Side(NOTHING, quality=(1.0,), frames=12), True),
        (FACE, VOICE, Side(NOTHING, quality=(1.0,), frames=1), False),
        (FACE, VOICE, Side(NOTHING, quality=(0.7,), frames=12), False),
    ],
)
"""A bad microphone, a bad camera and a single frame are silent."""


@silent_or_not
def test_verify_finds_a_conflict_where_what_is_clear_says_nothing(
    modality: Modality, other: Modality, side: Side, is_clear: bool
) -> None:
    probe, stored = _at_even_odds(modality, other, side)
    verdict = judge(probe, stored, CALIBRATIONS, STATED).fused
    assert verdict.outcome == ("conflict" if is_clear else "same")


@silent_or_not
def test_identify_finds_a_conflict_where_what_is_clear_says_nothing(
    modality: Modality, other: Modality, side: Side, is_clear: bool
) -> None:
    probe, stored = _at_even_odds(modality, other, side)
    snapshot = make_snapshot([PersonRef(0, "ann", "Ann")], [stored])
    rule = Rule(settings=STATED, people=1, calibrations=CALIBRATIONS)
    decision = identify(probe, snapshot, rule, missing={}).fused
    assert decision.outcome is (Outcome.CONFLICT if is_clear else Outcome.ACCEPTED)


def test_verify() -> None:
    threshold = CALIBRATION.threshold(0.01)[0]
    same = verify(alone(threshold), CALIBRATIONS, 0.01)
    assert (same.outcome, same.score, same.threshold, same.extrapolated) == (
        "same",
        threshold,
        threshold,
        False,
    )
    assert same.probability == pytest.approx(float(probability_of(CALIBRATION.llr(threshold))))
    assert verify(alone(threshold - 1e-6), CALIBRATIONS, 0.01).outcome == "different"
    assert verify(None, CALIBRATIONS, 0.01).outcome == "no_probe"
    assert verify(alone(0.9), CALIBRATIONS, 1e-6).extrapolated
    assert verify(alone(math.nan), CALIBRATIONS, 0.01).outcome == "different"
    assert verify(alone(0.099), CALIBRATIONS, 0.4).outcome == "different", "below one half"
