"""The four stories against Bayes' rule written out."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from recognition.observation import Observation
from recognition.results import Decision, Identification, Match, Outcome
from recognition.stories import (
    CLEAR_FACE,
    CLEAR_VOICE,
    POOR,
    Clarity,
    Evidence,
    Story,
    weigh,
)
from utils.modality import Modality, PerModality

MIXED = 0.5
NOTHING = Observation(
    faces=(),
    face_quality=None,
    people_in_view=0,
    speech_segments=(),
    speech_quality=None,
    duration_s=0.0,
    hints=(),
    encoder_ids=PerModality("", "", ""),
    timings_ms={},
)


def by_bayes(face: float, voice: float, mixed: float) -> dict[Story, float]:
    """Posteriors from likelihoods, of a stranger each 1, and the prior of each story."""
    weights = {
        Story.BOTH: math.exp(face + voice),
        Story.FACE_ONLY: mixed * math.exp(face),
        Story.VOICE_ONLY: mixed * math.exp(voice),
        Story.NEITHER: 1.0,
    }
    total = sum(weights.values())
    return {story: weight / total for story, weight in weights.items()}


@pytest.mark.parametrize("face", [-6.0, -1.0, 0.0, 2.0, 7.0])
@pytest.mark.parametrize("voice", [-4.0, 0.0, 5.0])
@pytest.mark.parametrize("mixed", [0.01, MIXED, 3.0])
def test_of_two_independent_ratios_it_is_the_rule_of_bayes(
    face: float, voice: float, mixed: float
) -> None:
    stories = weigh(Evidence(face=face, voice=voice, joint=face + voice), mixed)
    for story, probability in by_bayes(face, voice, mixed).items():
        assert stories[story] == pytest.approx(probability)


def test_another_person_of_the_gallery_explains_a_voice_better_than_a_stranger() -> None:
    """Who is one of N counts as N times rarer than strangers all together."""
    alone = Evidence(face=9.0, voice=2.0, joint=11.0)
    rival = 5.0
    known = Evidence(face=9.0, voice=2.0, joint=11.0, voice_rival=rival, people=20)
    odds = [weigh(e, MIXED)[Story.FACE_ONLY] / weigh(e, MIXED)[Story.BOTH] for e in (alone, known)]
    assert odds[0] == pytest.approx(MIXED * math.exp(-2.0))
    assert odds[1] - odds[0] == pytest.approx(MIXED * math.exp(rival - 2.0) / 20)


def test_what_is_missing_is_for_nobody_and_against_nobody() -> None:
    stories = weigh(Evidence(face=3.0, voice=None, joint=3.0), MIXED)
    assert stories[Story.FACE_ONLY] == pytest.approx(0.0)
    assert stories[Story.BOTH] > 0.9


@pytest.mark.parametrize(("quality", "share"), [(0.0, 0.0), (POOR, 0.0), (0.9, 0.5), (1.0, 1.0)])
def test_the_clearer_speech_or_face_the_more_it_must_say(quality: float, share: float) -> None:
    for clear, story, most in (
        (Clarity(voice=quality), Story.FACE_ONLY, CLEAR_VOICE),
        (Clarity(face=quality), Story.VOICE_ONLY, CLEAR_FACE),
    ):
        unknown, known = (
            weigh(Evidence(face=5.0, voice=1.0, joint=6.0, clarity=c), MIXED)
            for c in (Clarity(), clear)
        )
        for each in (Story.FACE_ONLY, Story.VOICE_ONLY):
            odds = [stories[each] / stories[Story.BOTH] for stories in (unknown, known)]
            assert odds[1] / odds[0] == pytest.approx(most**share if each is story else 1.0)


def test_a_spoilt_voice_must_speak_against_a_person_more_plainly() -> None:
    clear = Clarity(face=1.0, voice=1.0)
    odds = []
    for clarity in (Clarity(), replace(clear, is_voice_spoilt=True)):
        stories = weigh(Evidence(face=5.0, voice=-2.0, joint=3.0, clarity=clarity), MIXED)
        odds.append([stories[s] / stories[Story.BOTH] for s in (Story.FACE_ONLY, Story.VOICE_ONLY)])
    face_only, voice_only = (spoilt / plain for plain, spoilt in zip(*odds, strict=True))
    assert face_only == pytest.approx(1 / 20)
    assert voice_only == pytest.approx(CLEAR_FACE)


def test_a_spoilt_fused_score_does_not_outweigh_the_sum() -> None:
    spoilt = Evidence(face=8.0, voice=1.0, joint=-4.0)
    assert weigh(spoilt, MIXED)[Story.NEITHER] < 1e-3


@pytest.mark.parametrize("ratio", [-1e6, 1e6])
def test_extreme_ratios_stay_finite(ratio: float) -> None:
    stories = weigh(Evidence(face=ratio, voice=ratio, joint=ratio), MIXED)
    assert sum(stories.values()) == pytest.approx(1.0)
    assert stories[Story.BOTH] == pytest.approx(float(ratio > 0))


@pytest.mark.parametrize(
    ("by", "voice", "silent"),
    [
        (Modality.FACE, Outcome.UNKNOWN, Modality.VOICE),
        (Modality.FACE, Outcome.NO_PROBE, None),
        (Modality.FUSED, Outcome.UNKNOWN, None),
        (Modality.VOICE, Outcome.ACCEPTED, Modality.FACE),
    ],
)
def test_an_answer_knows_who_does_not_confirm_it(
    by: Modality, voice: Outcome, silent: Modality | None
) -> None:
    match = Match(person_id="ann", name="Ann", score=0.8, probability=0.8)
    decisions = PerModality(
        fused=Decision(outcome=Outcome.ACCEPTED, reason="", match=match, modality=by),
        face=Decision(outcome=Outcome.ACCEPTED, reason="", match=match),
        voice=Decision(outcome=voice, reason=""),
    )
    answer = Identification(
        decisions=decisions,
        observation=NOTHING,
        people=1,
        fpir=0.01,
        scale_ids=PerModality("", "", ""),
    )
    assert answer.unconfirmed_by == silent
