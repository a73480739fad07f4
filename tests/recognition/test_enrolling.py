"""Enrolling with the recognizer: more clips of a person, duplicates, first sight.

The database is real. Alignment and networks are stand-ins.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recognition.enrolment import find_half_known
from recognition.recognizer import Recognizer
from recognition.results import Decision, Match, Outcome
from tests.support.asking import enroll, first_sight, identify, verify_person
from tests.support.gallery_parts import direction, enroll_person, outcomes
from utils.errors import (
    DuplicatePersonError,
    InvalidNameError,
    MixedPeopleError,
    NoBiometricError,
    PersonNotFoundError,
)
from utils.modality import Modality, PerModality


def test_enroll(recognizer: Recognizer, clip: Callable[..., Path]) -> None:
    result = enroll_person(recognizer, clip, "ann", face=1, voice=1)
    assert [t.modality for t in result.templates] == ["face", "voice"]
    assert [t.quality for t in result.templates] == [0.8, 0.7]
    assert result.person.templates == {"face": 1, "voice": 1}
    assert result.duplicate is None
    assert recognizer.store.list_templates("ann") == result.templates
    assert "store" in result.observations[0].timings_ms


def test_enroll_nobody(recognizer: Recognizer, clip: Callable[..., Path]) -> None:
    with pytest.raises(PersonNotFoundError):
        enroll(recognizer, "nobody", clip(face=1))
    with pytest.raises(InvalidNameError):
        enroll(recognizer, "../x", clip(face=1))


def test_a_face_that_is_known_with_a_voice_that_is_not_is_no_enrolment(
    gallery: Recognizer, clip: Callable[..., Path]
) -> None:
    """Nobody is enrolled with the face of Ann, who would be mistaken for her afterwards."""
    mixed = clip(face=1, voice=9, sample=7, noise=2.5)
    known = identify(gallery, mixed)
    assert outcomes(known) == [("conflict", None), ("accepted", "ann"), ("unknown", None)]
    match = known.decisions.face.match
    assert match is not None
    assert match.score < 0.95
    sight = first_sight(gallery, "eve", mixed)
    assert (sight.registered, sight.duplicate) == (False, None)
    assert isinstance(sight.refusal, MixedPeopleError)
    assert gallery.store.find_person("eve") is None
    gallery.store.create_person("eve", "Eve")
    with pytest.raises(MixedPeopleError) as caught:
        enroll(gallery, "eve", mixed)
    assert caught.value.details["person_id"] == "ann"
    assert caught.value.details["modality"] == "face"
    # A further clip of the person is judged by what is stored of the person alone
    assert enroll(gallery, "ann", clip(face=1, voice=1, sample=8, noise=0.9)).templates
    assert len(enroll(gallery, "eve", mixed, force=True).templates) == 2
    # A voice that is known, and a face that is not
    with pytest.raises(MixedPeopleError) as caught:
        enroll_person(gallery, clip, "fay", face=8, voice=2, sample=7, noise=2.5)
    assert caught.value.details["person_id"] == "bob"


@pytest.mark.parametrize(("probability", "found"), [(0.94, False), (0.96, True)])
def test_half_of_a_newcomer_is_somebody_else_where_it_is_sure(
    probability: float, found: bool
) -> None:
    """Strangers are named at the stated rate. They are enrolled all the same."""
    match = Match("ann", "Ann", score=0.5, probability=probability, strength=2.0)
    named = Decision(Outcome.ACCEPTED, "", match=match, modality=Modality.VOICE)
    decisions = PerModality(
        fused=Decision(Outcome.CONFLICT, ""), face=Decision(Outcome.UNKNOWN, ""), voice=named
    )
    assert (find_half_known(decisions, "eve") is not None) == found
    assert find_half_known(decisions, "ann") is None


def test_a_score_is_over_all_templates(gallery: Recognizer, clip: Callable[..., Path]) -> None:
    """The score is the same when identifying as when verifying.

    For strangers and for the person.
    """
    probes = {who: clip(face=who, voice=who, sample=7, noise=0.9) for who in (1, 9)}

    def score(who: int) -> float:
        score = verify_person(gallery, probes[who], "ann").verdicts.face.score
        assert score is not None
        return score

    each: dict[int, list[float]] = {who: [] for who in probes}
    for sample in range(1, 5):
        enroll(gallery, "ann", clip(face=1, voice=1, sample=sample, noise=0.9), replace=True)
        for who in probes:
            each[who].append(score(who))
    for sample in range(1, 4):
        enroll(gallery, "ann", clip(face=1, voice=1, sample=sample, noise=0.9))
    assert gallery.store.get_person("ann").templates == {"face": 4, "voice": 4}
    length = np.linalg.norm(
        np.mean([direction("face", 1, sample, 0.9) for sample in range(1, 5)], axis=0)
    )
    for who in probes:
        assert score(who) == pytest.approx(np.mean(each[who]) / length, abs=1e-5)
    answer = identify(gallery, probes[1])
    assert answer.decisions.face.match.score == pytest.approx(score(1), abs=1e-6)


def test_one_odd_template_is_made_up_for_by_more(
    recognizer: Recognizer, clip: Callable[..., Path]
) -> None:
    probe = clip(face=1, voice=1, sample=7)
    enroll_person(recognizer, clip, "ann", face=60, voice=60)
    assert outcomes(identify(recognizer, probe)) == [("unknown", None)] * 3
    for sample in range(1, 4):
        enroll(recognizer, "ann", clip(face=1, voice=1, sample=sample), force=True)
    assert outcomes(identify(recognizer, probe)) == [("accepted", "ann")] * 3


def test_same_file_again(gallery: Recognizer, clip: Callable[..., Path]) -> None:
    path = clip(face=1, voice=1, sample=3)
    first = enroll(gallery, "ann", path)
    again = enroll(gallery, "ann", path)
    assert again.templates == first.templates
    assert [h.code for h in again.hints] == ["already_enrolled"]


def test_replace(gallery: Recognizer, clip: Callable[..., Path]) -> None:
    enroll(gallery, "ann", clip(face=1, voice=1, sample=1))
    result = enroll(gallery, "ann", clip(face=50, voice=50), replace=True)
    assert gallery.store.list_templates("ann") == result.templates
    assert outcomes(identify(gallery, clip(face=50, voice=50, sample=1)))[0] == ("accepted", "ann")
    assert (
        identify(gallery, clip(face=1, voice=1, sample=1)).decisions.fused.outcome
        == Outcome.UNKNOWN
    )


@pytest.mark.parametrize(
    ("what", "modality"),
    [
        ({"face": 1, "voice": 1}, "fused"),
        ({"face": 1}, "face"),
        ({"voice": 1}, "voice"),
        ({"face": 1, "voice": 2}, "face"),
        ({"face": 1, "voice": 3}, "face"),
    ],
)
def test_duplicate_is_refused_and_named(
    gallery: Recognizer, clip: Callable[..., Path], what: dict[str, Any], modality: str
) -> None:
    gallery.store.create_person("new")
    path = clip(**what, sample=1)
    with pytest.raises(DuplicatePersonError) as caught:
        enroll(gallery, "new", path)
    details = caught.value.details
    assert (details["person_id"], details["name"], details["modality"]) == ("ann", "Ann", modality)
    assert 0.9 < details["probability"] <= 1
    assert gallery.store.list_templates("new") == ()
    forced = enroll(gallery, "new", path, force=True)
    assert forced.duplicate.person_id == "ann"
    assert len(forced.templates) == len(what)


def test_enrolling_somebody_elses_face_for_a_known_person_is_refused(
    gallery: Recognizer, clip: Callable[..., Path]
) -> None:
    for replacing in (False, True):
        with pytest.raises(DuplicatePersonError):
            enroll(gallery, "bob", clip(face=1, voice=1, sample=1), replace=replacing)
    assert gallery.store.get_person("bob").templates == {"face": 1, "voice": 1}


def test_a_clip_like_the_person_is_stored(gallery: Recognizer, clip: Callable[..., Path]) -> None:
    assert enroll(gallery, "bob", clip(face=2, voice=2, sample=1)).hints == ()


# ---- first sight


def test_first_sight_registers_then_identifies(
    recognizer: Recognizer, clip: Callable[..., Path]
) -> None:
    first = first_sight(recognizer, "ann@example.com", clip(face=1, voice=1))
    assert (first.registered, first.duplicate, first.person_id) == (True, None, "ann@example.com")
    assert outcomes(first.identification) == [("accepted", "ann@example.com")] * 3
    again = first_sight(recognizer, "ann@example.com", clip(face=1, voice=1, sample=1))
    assert (again.registered, again.duplicate) == (False, None)
    assert outcomes(again.identification)[0] == ("accepted", "ann@example.com")
    assert recognizer.store.get_person("ann@example.com").templates == {"face": 1, "voice": 1}


def test_first_sight_of_a_person_without_templates(
    recognizer: Recognizer, clip: Callable[..., Path]
) -> None:
    recognizer.store.create_person("ann", "Ann")
    assert first_sight(recognizer, "ann", clip(face=1)).registered
    assert recognizer.store.get_person("ann").name == "Ann"


def test_first_sight_under_another_id_is_reported_and_not_stored(
    gallery: Recognizer, clip: Callable[..., Path]
) -> None:
    result = first_sight(gallery, "alias", clip(face=1, voice=1, sample=1))
    assert (result.registered, result.duplicate.person_id, result.duplicate.name) == (
        False,
        "ann",
        "Ann",
    )
    assert outcomes(result.identification)[0] == ("accepted", "ann")
    with pytest.raises(PersonNotFoundError):
        gallery.store.get_person("alias")


def test_first_sight_with_force_stores_and_reports(
    gallery: Recognizer, clip: Callable[..., Path]
) -> None:
    result = first_sight(gallery, "twin", clip(face=1, voice=1, sample=1), force=True)
    assert (result.registered, result.duplicate.person_id) == (True, "ann")
    assert gallery.store.get_person("twin").templates == {"face": 1, "voice": 1}


def test_known_id_with_another_face_is_only_identified(
    gallery: Recognizer, clip: Callable[..., Path]
) -> None:
    result = first_sight(gallery, "ann", clip(face=2, voice=2, sample=1))
    assert (result.registered, result.duplicate) == (False, None)
    assert outcomes(result.identification)[0] == ("accepted", "bob")


def test_re_register(gallery: Recognizer, clip: Callable[..., Path]) -> None:
    result = first_sight(gallery, "ann", clip(face=80, voice=80), re_register=True)
    assert result.registered
    assert outcomes(result.identification)[0] == ("accepted", "ann")
    assert gallery.store.get_person("ann").templates == {"face": 1, "voice": 1}
    refused = first_sight(gallery, "ann", clip(face=2, voice=2, sample=1), re_register=True)
    assert (refused.registered, refused.duplicate.person_id) == (False, "bob")
    assert first_sight(gallery, "new", clip(face=81), re_register=True).registered


def test_first_sight_of_somebody_who_is_deleted_meanwhile(
    gallery: Recognizer, clip: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known when looked up, gone when stored: registered anew."""
    find_person = gallery.store.find_person

    def deleted_after(person_id: str) -> object:
        person = find_person(person_id)
        if person is not None:
            gallery.store.delete_person(person_id)
        return person

    monkeypatch.setattr(gallery.store, "find_person", deleted_after)
    result = first_sight(gallery, "ann", clip(face=1, voice=1, sample=1), re_register=True)
    assert (result.registered, result.duplicate) == (True, None)
    assert outcomes(result.identification) == [("accepted", "ann")] * 3


def test_first_sight_leaves_nothing_of_a_bad_clip(
    recognizer: Recognizer, clip: Callable[..., Path]
) -> None:
    with pytest.raises(NoBiometricError):
        first_sight(recognizer, "ann", clip(picture=True))
    for bad in ("..", "a/b"):
        with pytest.raises(InvalidNameError):
            first_sight(recognizer, bad, clip(face=1))
    assert recognizer.store.count() == 0
