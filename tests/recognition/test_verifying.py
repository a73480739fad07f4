"""Verification of a person and of two clips."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from recognition.recognizer import Recognizer
from tests.support.asking import enroll, verify_clips, verify_person
from tests.support.gallery_parts import (
    enroll_person,
)
from utils.errors import (
    NoBiometricError,
    PersonNotFoundError,
)


def test_verify_person(gallery: Recognizer, clip: Callable[..., Path]) -> None:
    answer = verify_person(gallery, clip(face=1, voice=1, sample=1), "ann")
    assert [v.outcome for v in answer.verdicts.values()] == ["same"] * 3
    assert answer.fmr == 0.01
    assert answer.verdicts.face.threshold == pytest.approx(0.103)
    answer = verify_person(gallery, clip(face=2, voice=2, sample=1), "ann")
    assert [v.outcome for v in answer.verdicts.values()] == ["different"] * 3


def test_verify_by_one_modality(gallery: Recognizer, clip: Callable[..., Path]) -> None:
    answer = verify_person(gallery, clip(face=1, sample=1), "ann")
    assert answer.verdicts.fused == answer.verdicts.face
    assert (answer.verdicts.voice.outcome, answer.verdicts.voice.score) == ("no_probe", None)
    enroll_person(gallery, clip, "vocal", voice=30)
    answer = verify_person(gallery, clip(face=30, voice=30, sample=1), "vocal")
    assert answer.verdicts.fused == answer.verdicts.voice
    assert answer.verdicts.face.outcome == "no_probe"
    assert [(h.code, h.text) for h in answer.observation.hints] == [
        ("not_comparable", "No face template is stored for vocal.")
    ]
    assert verify_person(gallery, clip(face=30), "vocal").verdicts.fused.outcome == "no_probe"


def test_verify_against_all_templates(gallery: Recognizer, clip: Callable[..., Path]) -> None:
    """One bad template of three does not decide."""
    for sample in (1, 2):
        enroll(gallery, "ann", clip(face=1, voice=1, sample=sample))
    enroll(gallery, "ann", clip(face=60, voice=60), force=True)
    assert (
        verify_person(gallery, clip(face=1, voice=1, sample=3), "ann").verdicts.fused.outcome
        == "same"
    )


def test_verify_nobody(gallery: Recognizer, clip: Callable[..., Path]) -> None:
    with pytest.raises(PersonNotFoundError):
        verify_person(gallery, clip(face=1), "nobody")


def test_verify_clips(gallery: Recognizer, clip: Callable[..., Path]) -> None:
    answer = verify_clips(gallery, clip(face=70, voice=70), clip(face=70, voice=70, sample=1))
    assert [v.outcome for v in answer.verdicts.values()] == ["same"] * 3
    answer = verify_clips(gallery, clip(face=70, voice=70), clip(face=71, voice=71))
    assert answer.verdicts.fused.outcome == "different"
    answer = verify_clips(gallery, clip(face=70, voice=70), clip(voice=70, sample=1))
    assert (answer.verdicts.fused, answer.verdicts.face.outcome) == (
        answer.verdicts.voice,
        "no_probe",
    )
    assert verify_clips(gallery, clip(face=70), clip(voice=70)).verdicts.fused.outcome == "no_probe"
    with pytest.raises(NoBiometricError, match="The reference"):
        verify_clips(gallery, clip(face=70), clip(picture=True))
    assert gallery.store.count() == 3
