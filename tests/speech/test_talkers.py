"""Whose face talks in a turn, and what it does to the name.

Vectors of faces and voices are made up. The search and the decision are the real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from align.talking import Seen
from gallery.transactions.base import Terms
from recognition.agreement import Sample
from recognition.recognizer import Recognizer
from recognition.sides import Side
from speech.attribution import attribute
from speech.diarise import Heard, Naming, name_voices
from speech.lines import Line
from speech.ports import Word
from speech.speakers import Diarisation, Speaker
from speech.talkers import Sight, add_faces, plan_looks
from speech.transcripts import diarized_segment
from speech.turns import Turn
from tests.support.gallery_parts import direction, embedding, enroll_person
from utils.arrays import Float32Array
from utils.modality import Modality

ANN = 1
BOB = 2
NOBODY = 9


def turn(start_s: float, end_s: float, voice: int = 0, clean_s: float | None = None) -> Turn:
    return Turn(start_s, end_s, voice, end_s - start_s if clean_s is None else clean_s, 0.0)


def face_of(person: int, take: int = 9) -> Sample:
    vectors = [direction(Modality.FACE, person, take + n, 0.3) for n in range(4)]
    return Sample(np.stack(vectors), np.full(4, 0.9, np.float32))


def voice_of(person: int) -> Float32Array:
    return embedding(Modality.VOICE, person, 9, 0.3).vector


def named(
    recognizer: Recognizer, voice: int, sights: Mapping[int, Sight], turns: int = 3
) -> list[tuple[str, str, str | None]]:
    """Label, outcome and reason of turns of one voice."""
    own = tuple(turn(4.0 * n, 4.0 * n + 3) for n in range(turns))
    heard = add_faces(Heard(own, {0: voice_of(voice)}), sights, recognizer.voices)
    answer = name_voices(heard, Naming(recognizer.voices))
    speakers = [answer.speakers[one.voice] for one in answer.turns]
    return [(one.label, one.outcome, one.decided_by) for one in speakers]


# ---- when a turn is looked at


def test_turns_are_looked_at_where_one_voice_speaks_alone() -> None:
    turns = [turn(0.0, 10.0), turn(2.0, 9.0, 1), turn(20.0, 21.5), turn(30.0, 30.8)]
    looks = plan_looks(turns)
    assert [look.turn for look in looks] == [0, 2]
    first, second = (look.times_s for look in looks)
    assert 0.0 <= first[0] < first[-1] <= 2.0
    assert len(second) in (7, 8)
    assert second[0] + second[-1] == pytest.approx(41.5, abs=0.2)
    (long,) = plan_looks([turn(0.0, 60.0)])
    assert len(long.times_s) == 12
    assert long.times_s[0] + long.times_s[-1] == pytest.approx(60.0, abs=0.3)
    assert plan_looks([]) == []


# ---- what a face does to a name


def test_voice_and_face_of_one_person_name_together(gallery: Recognizer) -> None:
    answers = named(gallery, ANN, {0: face_of(ANN), 2: face_of(ANN, 30)})
    assert answers == [("Ann", "named", "face and voice")] * 3


def test_a_voice_off_screen_is_not_given_the_face_of_who_listens(gallery: Recognizer) -> None:
    sights: dict[int, Sight] = {0: Seen.STILL, 1: face_of(BOB), 2: Seen.STILL}
    assert named(gallery, ANN, sights) == [("Ann", "named", "voice")] * 3
    assert named(gallery, NOBODY, sights) == [("unknown 1", "unknown", None)] * 3


def test_face_and_voice_of_two_people_name_nobody(gallery: Recognizer) -> None:
    answers = named(gallery, ANN, {0: face_of(BOB)}, turns=1)
    assert answers == [("unknown 1", "conflict", None)]


def test_a_turn_of_another_face_does_not_spoil_the_others(gallery: Recognizer) -> None:
    sights = {0: face_of(ANN), 1: face_of(BOB), 2: face_of(ANN, 30)}
    answers = named(gallery, ANN, sights, turns=4)
    assert [by for _, _, by in answers] == ["face and voice", None, "face and voice", "voice"]
    assert [label for label, _, _ in answers] == ["Ann", "unknown 1", "Ann", "Ann"]
    assert answers[1][1] == "conflict"


def test_a_face_that_nobody_knows_speaks_against_a_name(gallery: Recognizer) -> None:
    assert named(gallery, ANN, {0: face_of(NOBODY)}, turns=1) == [("unknown 1", "conflict", None)]


def test_who_is_enrolled_by_one_of_both_is_named_by_it(
    recognizer: Recognizer, clip: Callable[..., Path]
) -> None:
    enroll_person(recognizer, clip, "dan", face=4)
    enroll_person(recognizer, clip, "eve", voice=5)
    assert recognizer.voices.has_faces()
    assert named(recognizer, NOBODY, {1: face_of(4)}) == [("Dan", "named", "face")] * 3
    assert named(recognizer, 5, {1: face_of(NOBODY)}) == [("Eve", "named", "voice")] * 3
    among = recognizer.voices.among(["dan", "eve"])
    assert recognizer.voices.has_faces(among)
    assert not recognizer.voices.has_faces(recognizer.voices.among(["eve"]))
    decision = recognizer.voices.decide(None, among, face_of(4))
    assert decision.match is not None
    assert decision.match.person_id == "dan"


def test_the_list_of_visitors_says_whether_a_face_or_a_voice_named(
    recognizer: Recognizer, clip: Callable[..., Path]
) -> None:
    recognizer.store._terms = Terms(visit_days=1)
    enroll_person(recognizer, clip, "dan", face=4)
    enroll_person(recognizer, clip, "eve", voice=5)
    enroll_person(recognizer, clip, "fay", face=6, voice=6)
    named(recognizer, NOBODY, {1: face_of(4)})
    named(recognizer, 5, {})
    named(recognizer, 6, {0: face_of(6), 2: face_of(6, 30)})
    visits = [one.asked for one in recognizer.store.list_visits()]
    assert [(one.person_id, one.by, one.face, one.voice) for one in visits] == [
        ("fay", "fused", "", ""),
        ("eve", "voice", "", "accepted"),
        ("dan", "face", "accepted", ""),
    ]


def test_some_people_are_asked_about_by_face_and_voice(gallery: Recognizer) -> None:
    among = gallery.voices.among(["ann", "cleo"])
    both = gallery.voices.decide(Side(voice_of(ANN), 5.0), among, face_of(ANN))
    assert both.modality == Modality.FUSED
    assert both.match is not None
    assert both.match.person_id == "ann"
    assert gallery.voices.decide(Side(voice_of(BOB), 5.0), among, face_of(BOB)).match is None


def test_turns_whose_face_is_not_seen_are_inferred() -> None:
    ada = Speaker("Ada", "ada", "named", 0.98, Modality.FACE)
    turns = (turn(0.0, 3.0), turn(4.0, 7.0))
    lines = [Line((Word(" a", 0.5, 1.0, 0.9),), 0.0, 0.0, 1.0)]
    lines += [Line((Word(" b", 4.5, 5.0, 0.9),), 0.0, 0.0, 1.0)]
    diarisation = Diarisation(turns, {0: ada}, frozenset(turns[:1]))
    spoken = attribute(lines, diarisation)
    assert [one.outcome for one in spoken] == ["named", "inferred"]
    assert diarized_segment(0, spoken[0])["decided_by"] == "face"
