"""Answers about labelled clips: what each is worth, and who is taken for whom."""

from __future__ import annotations

from recognition.labelled import LabelledAnswer, Result, Tally, list_confusions, tally
from recognition.results import Decision, Match, Outcome
from utils.modality import Modality, PerModality


def decided(who: str) -> Decision:
    """A decision for a person, or the outcome of this name."""
    if who in tuple(Outcome):
        return Decision(Outcome(who), "")
    return Decision(Outcome.ACCEPTED, "", Match(who, who.title(), 0.8, 0.99))


def answer(clip: str, person_id: str | None, *who: str) -> LabelledAnswer:
    fused, face, voice = map(decided, who)
    return LabelledAnswer(clip, person_id or "stranger", person_id, PerModality(fused, face, voice))


ANSWERS = [
    answer("a1", "ann", "ann", "ann", "ann"),
    answer("a2", "ann", "bob", "bob", "unknown"),
    answer("a3", "ann", "bob", "bob", "bob"),
    answer("a4", "ann", "conflict", "ann", "bob"),
    answer("b1", "bob", "ann", "ann", "no_probe"),
    answer("s1", None, "unknown", "unknown", "no_probe"),
    answer("s2", None, "bob", "unknown", "bob"),
]


def test_answers_are_counted_by_modality() -> None:
    assert tally(ANSWERS, Modality.FUSED) == Tally(right=2, wrong=4, unknown=1)
    assert tally(ANSWERS, Modality.FACE) == Tally(right=4, wrong=3)
    assert tally(ANSWERS, Modality.VOICE) == Tally(right=1, wrong=3, unknown=1, nothing=2)


def test_a_conflict_names_nobody() -> None:
    assert ANSWERS[3].result(Modality.FUSED) is Result.UNKNOWN


def test_clips_with_nothing_to_go_by_count_for_no_accuracy() -> None:
    assert tally(ANSWERS, Modality.VOICE).accuracy == 1 / 5
    assert tally([ANSWERS[5]], Modality.VOICE).accuracy is None
    assert tally([ANSWERS[5]], Modality.FUSED).accuracy == 1.0


def test_confusions_name_the_clips_and_come_by_frequency() -> None:
    first, *others = list_confusions(ANSWERS)
    assert (first.label, first.taken_for, first.total) == ("ann", "bob", 6)
    assert first.clips == {
        Modality.FUSED: ("a2", "a3"),
        Modality.FACE: ("a2", "a3"),
        Modality.VOICE: ("a3", "a4"),
    }
    assert [(one.label, one.taken_for) for one in others] == [("bob", "ann"), ("stranger", "bob")]
