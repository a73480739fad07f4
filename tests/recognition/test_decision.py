"""Decisions: thresholds from the stated rate, unknown, conflict, duplicates."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gallery.records.feed import PersonRef
from recognition.decision import Rule, decide, decide_fused, no_probe
from recognition.enrolled_twice import PLACE, find_duplicate
from recognition.matching import Candidate
from recognition.results import Decision, Match, Outcome
from recognition.stories import Clarity, Evidence
from tests.support import gallery_parts
from utils.modality import Modality, PerModality
from utils.settings.decision import DecisionSettings

FACE = Modality.FACE
VOICE = Modality.VOICE
FUSED = Modality.FUSED
# The odds are even below the threshold.
CALIBRATION = replace(gallery_parts.CALIBRATION, intercept=-6.0)
CALIBRATIONS = PerModality(fused=CALIBRATION, face=CALIBRATION, voice=CALIBRATION)
STATED = DecisionSettings()
RULE = Rule(STATED, 10, CALIBRATIONS)


def candidate(person_id: str, score: float, modality: Modality = FACE) -> Candidate:
    person = PersonRef(1, person_id, person_id.upper())
    return Candidate(
        person=person,
        modality=modality,
        score=score,
        level=0.0,
        scale=1.0,
        strength=score,
        slope=CALIBRATION.slope,
        llr=float(CALIBRATION.llr(score)),
    )


def test_threshold_gives_the_stated_rate() -> None:
    """The share of impostors that reaches the threshold is the stated one.

    The impostors are independent Gaussians, as many as the gallery has people.
    """
    rng = np.random.default_rng(3)
    for people in (1, 5):
        threshold, extrapolated = Rule(STATED, people, CALIBRATIONS).threshold(FACE)
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
    ("llr", "words"),
    [(0.0, "50 %"), (5.52, "99.6 %"), (10.1, "over 99.99 %")],
)
def test_probabilities_in_words_are_never_certain(llr: float, words: str) -> None:
    decision = decide([replace(candidate("a", 0.5), llr=llr)], FACE, RULE)
    assert f"probability {words}," in decision.reason


def test_exactly_the_threshold_is_accepted_and_a_hair_below_is_not() -> None:
    threshold = RULE.threshold(FACE)[0]
    assert decide([candidate("a", threshold)], FACE, RULE).outcome == Outcome.ACCEPTED
    assert decide([candidate("a", threshold - 1e-9)], FACE, RULE).outcome == Outcome.UNKNOWN


def test_nothing_is_accepted_below_one_half() -> None:
    """The stated rate alone would take less, as of a good network it does."""
    even = 0.2
    flat = replace(CALIBRATION, intercept=-60.0 * even)
    rule = replace(RULE, calibrations=PerModality.of(lambda _: flat))
    assert rule.threshold(FACE)[0] < even
    for score, outcome in ((even + 1e-6, Outcome.ACCEPTED), (even - 1e-6, Outcome.UNKNOWN)):
        decision = decide([replace(candidate("a", score), llr=float(flat.llr(score)))], FACE, rule)
        assert decision.outcome == outcome
        assert decision.threshold == pytest.approx(even)


def test_a_stranger_is_given_no_name() -> None:
    decision = decide([candidate("a", 0.1), candidate("b", 0.05)], FACE, RULE)
    assert (decision.outcome, decision.match, decision.runner_up) == (Outcome.UNKNOWN, None, None)
    assert decision.margin < 0
    assert decision.reason == "Nobody in the gallery is similar enough"


def test_what_is_no_number_is_nobody() -> None:
    assert decide([candidate("a", math.nan)], FACE, RULE).outcome == Outcome.UNKNOWN


def test_more_people_raise_the_threshold() -> None:
    thresholds = [Rule(STATED, n, CALIBRATIONS).threshold(FACE)[0] for n in (1, 10, 100, 1000)]
    assert thresholds == sorted(set(thresholds))


def test_extrapolation_is_said() -> None:
    rule = Rule(STATED, 1000, CALIBRATIONS)
    for score in (0.5, 0.1):
        decision = decide([candidate("a", score)], FACE, rule)
        assert decision.extrapolated
        assert "extrapolated" in decision.reason


def test_empty_and_not_enrolled() -> None:
    assert decide([], FACE, Rule(STATED, 0, CALIBRATIONS)).reason == "The gallery is empty"
    decision = decide([], VOICE, RULE)
    assert (decision.outcome, decision.threshold, decision.margin) == (Outcome.UNKNOWN, None, None)
    assert decision.reason == "Nobody in the gallery is enrolled by voice"


def accepted(person_id: str, score: float = 0.5, modality: Modality = FACE) -> Decision:
    return decide([candidate(person_id, score, modality)], modality, RULE)


BARELY = RULE.threshold(FACE)[0] + 0.001
UNKNOWN = decide([candidate("z", 0.0)], FACE, RULE)
CLEAR = 9.0


def both(face: float | None, voice: float | None, **more: Any) -> Evidence:
    """Evidence of a clip for somebody, fused as if face and voice were independent."""
    joint = (face or 0.0) + (voice or 0.0)
    return Evidence(face=face, voice=voice, joint=joint, people=10, **more)


def _decide_fused(
    fused: Decision | None,
    face: Decision,
    voice: Decision,
    *,
    evidence: Evidence | None = None,
    settings: DecisionSettings = STATED,
) -> Decision:
    """`evidence` is about everybody who is named."""
    about = dict.fromkeys("abc", evidence or both(CLEAR, CLEAR))
    rule = Rule(settings, 10, CALIBRATIONS)
    return decide_fused(fused, {FACE: face, VOICE: voice}, about, rule)


def _find_duplicate(
    fused: Decision, face: Decision, voice: Decision, *, person_id: str, rule: Rule = RULE
) -> tuple[Match, Modality] | None:
    return find_duplicate(PerModality(fused=fused, face=face, voice=voice), person_id, rule)


def voice_of(person_id: str, score: float = 0.5) -> Decision:
    return accepted(person_id, score, VOICE)


def score_of(llr: float) -> float:
    return (llr - CALIBRATION.intercept) / CALIBRATION.slope


FUSED_A = accepted("a", 0.4, FUSED)


def test_by_face_and_voice_where_each_speaks_for_the_person() -> None:
    decision = _decide_fused(FUSED_A, accepted("a"), voice_of("a"))
    assert (decision.outcome, decision.modality) == (Outcome.ACCEPTED, FUSED)
    assert decision.match.probability == pytest.approx(1.0, abs=1e-3)
    assert "Recognised by face and voice" in decision.reason


@pytest.mark.parametrize("silent", [0.0, 1.0, -0.1])
def test_a_voice_that_says_too_little_leaves_the_face_alone(silent: float) -> None:
    decision = _decide_fused(FUSED_A, accepted("a"), UNKNOWN, evidence=both(CLEAR, silent))
    assert (decision.outcome, decision.modality) == (Outcome.ACCEPTED, FACE)
    assert decision.reason.startswith("Recognised by face;")
    assert decision.reason.endswith("The voice does not confirm it")
    assert 0.5 < decision.match.probability < 0.9, "it heeds the voice"
    other = _decide_fused(FUSED_A, UNKNOWN, voice_of("a"), evidence=both(silent, CLEAR))
    assert (other.outcome, other.modality) == (Outcome.ACCEPTED, VOICE)


@pytest.mark.parametrize("fused", [FUSED_A, UNKNOWN])
def test_where_one_speaks_against_the_person_nobody_is_named(fused: Decision) -> None:
    for face, voice, evidence in (
        (accepted("a"), UNKNOWN, both(CLEAR, -3.0)),
        (UNKNOWN, voice_of("a"), both(-3.0, CLEAR)),
    ):
        decision = _decide_fused(fused, face, voice, evidence=evidence)
        assert decision.outcome == Outcome.CONFLICT
        assert (decision.match, decision.runner_up, decision.threshold) == (None, None, None)
        assert "speaks against that person" in decision.reason


def test_face_and_voice_of_two_people_of_the_gallery() -> None:
    mixed = both(CLEAR, 0.5, voice_rival=CLEAR)
    decision = _decide_fused(FUSED_A, accepted("a"), voice_of("b"), evidence=mixed)
    assert decision.outcome == Outcome.CONFLICT
    assert decision.reason == "The face and the voice belong to two different people of the gallery"


def test_a_voice_that_nobody_is_named_by_is_not_said_to_be_somebodys() -> None:
    mixed = both(CLEAR, 0.5, voice_rival=CLEAR)
    decision = _decide_fused(FUSED_A, accepted("a"), UNKNOWN, evidence=mixed)
    assert decision.outcome == Outcome.CONFLICT
    assert "the voice speaks against that person" in decision.reason


def test_a_voice_that_fits_both_people_is_no_conflict() -> None:
    """Brothers: the voice names b, but a, whom the face names, is nearly as likely."""
    brothers = both(CLEAR, CLEAR - 1, voice_rival=CLEAR)
    decision = _decide_fused(FUSED_A, accepted("a"), voice_of("b"), evidence=brothers)
    assert (decision.outcome, decision.match.person_id) == (Outcome.ACCEPTED, "a")
    assert decision.modality == FACE, "the voice is more like somebody else"


@pytest.mark.parametrize("rival", [-math.inf, 4.0])
def test_each_speaks_for_a_person_whom_neither_would_name_alone(rival: float) -> None:
    clear = both(3.0, 3.5, voice_rival=rival)
    decision = _decide_fused(FUSED_A, UNKNOWN, UNKNOWN, evidence=clear)
    assert (decision.outcome, decision.modality) == (Outcome.ACCEPTED, FUSED)
    for evidence in (both(1.5, 1.5), both(3.0, 0.5), both(0.5, 3.0)):
        decision = _decide_fused(FUSED_A, UNKNOWN, UNKNOWN, evidence=evidence)
        assert (decision.outcome, decision.match) == (Outcome.UNKNOWN, None)
        assert decision.reason == "Neither the face nor the voice is enough by itself"


def test_neither() -> None:
    evidence = Evidence(face=-0.1, voice=-0.1, joint=-5.0)
    decision = _decide_fused(FUSED_A, UNKNOWN, UNKNOWN, evidence=evidence)
    assert (decision.outcome, decision.match) == (Outcome.UNKNOWN, None)
    assert _decide_fused(UNKNOWN, UNKNOWN, UNKNOWN) == UNKNOWN


def test_who_has_no_voice_is_named_by_the_face() -> None:
    """Nothing is for or against, unless the voice is somebody else's of the gallery."""
    of_face = accepted("a", 0.4)
    decision = _decide_fused(of_face, of_face, UNKNOWN, evidence=both(CLEAR, None))
    assert (decision.outcome, decision.modality) == (Outcome.ACCEPTED, FACE)
    assert decision.match.probability > 0.99
    other = both(CLEAR, None, voice_rival=5.0)
    decision = _decide_fused(of_face, of_face, voice_of("b"), evidence=other)
    assert decision.outcome == Outcome.CONFLICT


def test_what_is_said_of_the_other_one_is_true() -> None:
    """A face that is accepted with a low ratio, beside a voice that is sure and not accepted."""
    decision = _decide_fused(FUSED_A, accepted("a"), UNKNOWN, evidence=both(1.5, CLEAR))
    assert (decision.outcome, decision.modality) == (Outcome.ACCEPTED, FACE)
    assert decision.reason.endswith("The voice alone would name nobody")
    decision = _decide_fused(FUSED_A, accepted("a"), voice_of("a"), evidence=both(1.5, 1.5))
    assert decision.reason.endswith("The voice does not confirm it")


@pytest.mark.parametrize(("voice", "by"), [(2.9, FACE), (3.1, FUSED)])
def test_a_voice_that_is_accepted_may_say_too_little_to_confirm_it(
    voice: float, by: Modality
) -> None:
    """With one person enrolled a strength is accepted that strangers of a room reach."""
    evidence = both(CLEAR, voice)
    decision = _decide_fused(FUSED_A, accepted("a"), voice_of("a"), evidence=evidence)
    assert (decision.outcome, decision.modality) == (Outcome.ACCEPTED, by)
    swapped = both(voice, CLEAR)
    decision = _decide_fused(FUSED_A, accepted("a"), voice_of("a"), evidence=swapped)
    assert decision.modality == (VOICE if by == FACE else FUSED)


@pytest.mark.parametrize(("quality", "outcome"), [(1.0, Outcome.CONFLICT), (0.8, Outcome.ACCEPTED)])
def test_what_is_clear_and_says_nothing_is_against(quality: float, outcome: Outcome) -> None:
    voice = both(CLEAR, 0.3, clarity=Clarity(voice=quality))
    assert _decide_fused(FUSED_A, accepted("a"), UNKNOWN, evidence=voice).outcome == outcome
    face = both(0.3, CLEAR, clarity=Clarity(face=quality, voice=1.0))
    assert _decide_fused(FUSED_A, UNKNOWN, voice_of("a"), evidence=face).outcome == outcome


def test_both_are_required() -> None:
    """A door names nobody by one of the two."""
    door = DecisionSettings(require_both=True)
    named = _decide_fused(FUSED_A, accepted("a"), voice_of("a"), settings=door)
    assert (named.outcome, named.modality) == (Outcome.ACCEPTED, FUSED)
    weak = both(1.0, 1.0)
    named = _decide_fused(FUSED_A, accepted("a"), voice_of("a"), settings=door, evidence=weak)
    assert (named.outcome, named.modality) == (Outcome.ACCEPTED, FUSED), "each is by itself"
    nothing = no_probe("The clip has no sound")
    for fused, face, voice in (
        (FUSED_A, accepted("a"), UNKNOWN),
        (FUSED_A, accepted("a"), voice_of("b")),
        (None, accepted("a"), nothing),
    ):
        decision = _decide_fused(fused, face, voice, settings=door)
        assert (decision.outcome, decision.match) == (Outcome.UNKNOWN, None)
        assert decision.reason.startswith("Face and voice must both name the same person.")


@pytest.mark.parametrize("single", [accepted("a"), UNKNOWN])
def test_one_modality_is_the_fused_answer(single: Decision) -> None:
    nothing = no_probe("The clip has no sound")
    for decision in (
        _decide_fused(None, single, nothing),
        _decide_fused(None, nothing, single),
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
        rule = Rule(STATED, people, CALIBRATIONS)
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
    rule = Rule(STATED, people, PerModality.of(lambda _: flat))
    bar, _ = flat.threshold(1 - (1 - 0.01 / people) ** (1 / people))
    for score, duplicate in ((bar - 1e-6, False), (bar + 1e-6, True)):
        face = decide([replace(candidate("b", score), llr=0.4, slope=1.0)], FACE, rule)
        assert (
            _find_duplicate(UNKNOWN, face, UNKNOWN, person_id="new", rule=rule) is not None
        ) == duplicate
    few = replace(rule, people=PLACE - 1)
    face = decide([replace(candidate("b", bar + 1e-6), llr=0.4, slope=1.0)], FACE, few)
    assert _find_duplicate(UNKNOWN, face, UNKNOWN, person_id="new", rule=few) is None


def test_the_same_recording_is_always_a_duplicate() -> None:
    flat = replace(CALIBRATION, slope=0.001, intercept=0.0)
    rule = Rule(STATED, 1000, PerModality.of(lambda _: flat))
    face = decide([replace(candidate("b", 0.96), llr=0.4, slope=1.0)], FACE, rule)
    assert _find_duplicate(UNKNOWN, face, UNKNOWN, person_id="new", rule=rule) == (face.match, FACE)
