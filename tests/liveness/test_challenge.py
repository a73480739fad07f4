"""Digits are asked for anew, and one of them at most may be wrong."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from align.speech import find_source_time
from liveness.challenge import DIGITS, Challenge, Hear, count_wrong, draw_digits, judge
from liveness.judgement import Judge, LivenessOutcome
from liveness.judges import Judges
from speech.ports import Word
from tests.support.gallery_parts import clip
from tests.support.talking import TalkingAligner
from utils.arrays import Float32Array
from utils.config import Settings
from utils.media import Capture, SpeechSegment
from utils.settings.liveness import LivenessSettings


def capture(folder: Path, face: str | None = None, voice: str | None = None) -> Capture:
    """A clip that is aligned."""
    path = folder / "clip.mp4"
    path.write_bytes(clip(face=face, voice=voice))
    return TalkingAligner().analyse(path)


def has_twins(digits: str) -> bool:
    """Whether a digit comes twice in a row."""
    return any(a == b for a, b in itertools.pairwise(digits))


def saying(text: str) -> Challenge:
    """A challenge for 482913, where `text` is heard."""

    def listen(samples: Float32Array, language: str, count: int) -> Hear:
        assert samples.dtype == np.float32
        assert count == DIGITS
        assert language == "en"
        words = [
            Word(f" {word}", i / 10, i / 10 + 0.1, probability=0.9)
            for i, word in enumerate(text.split())
        ]
        return {"482913": words}.__getitem__

    return Challenge("482913", "en", listen)


@pytest.mark.parametrize(
    ("text", "outcome", "score"),
    [
        ("4 8 2 9 1 3", LivenessOutcome.PASSED, 6),
        ("4 8 2 9 1 5", LivenessOutcome.PASSED, 5),
        ("4 8 2 9 1", LivenessOutcome.PASSED, 5),
        ("4 8 2 9 1 1 3", LivenessOutcome.PASSED, 5),
        ("4 8 2 9 5 5", LivenessOutcome.FAILED, 4),
        ("0 1 2 3 4 5 6 7 8 9 " * 3, LivenessOutcome.FAILED, 0),
        ("good morning", LivenessOutcome.FAILED, 0),
    ],
)
def test_one_digit_may_be_wrong(
    tmp_path: Path, text: str, outcome: LivenessOutcome, score: float
) -> None:
    judgement = judge(capture(tmp_path, face="ann", voice="ann"), saying(text))
    assert (judgement.outcome, judgement.score) == (outcome, score)
    assert (judgement.code == "wrong_digits") == (outcome is LivenessOutcome.FAILED)


def test_whoever_says_nothing_passes_nothing(tmp_path: Path) -> None:
    judgement = judge(capture(tmp_path, face="ann"), saying("4 8 2 9 1 3"))
    assert (judgement.outcome, judgement.code) == (LivenessOutcome.NOT_CHECKED, "no_speech")


@pytest.mark.parametrize(
    ("mode", "asked", "is_judged"),
    [("refuse", False, True), ("report", False, False), ("report", True, True)],
)
def test_a_clip_is_blamed_for_no_answer_only_where_each_must_answer(
    tmp_path: Path, mode: str, asked: bool, is_judged: bool
) -> None:
    judges = Judges(LivenessSettings(liveness_challenge=mode), Settings().storage.model_dir)
    challenge = saying("4 8 2 9 1 3") if asked else None
    liveness = judges.examine(capture(tmp_path, face="ann", voice="ann"), challenge)
    assert liveness is not None
    assert (Judge.CHALLENGE in liveness.judgements) == is_judged
    assert (liveness.refusal is not None) == (mode == "refuse")


def test_digits_are_random_and_none_is_said_twice_in_a_row() -> None:
    drawn = [draw_digits() for _ in range(300)]
    assert len(set(drawn)) > 290
    assert {len(digits) for digits in drawn} == {DIGITS}
    assert set("".join(drawn)) == set("0123456789")
    assert not any(map(has_twins, drawn))


@pytest.mark.parametrize(
    ("asked", "heard", "wrong"),
    [("123", "123", 0), ("123", "", 3), ("", "12", 2), ("123", "1923", 1), ("123", "321", 2)],
)
def test_wrong_digits_are_counted(asked: str, heard: str, wrong: int) -> None:
    assert count_wrong(asked, heard) == wrong


def test_a_moment_of_joined_speech_is_found_in_the_clip() -> None:
    segments = (SpeechSegment(1.0, 2.0), SpeechSegment(5.0, 6.0))
    assert find_source_time(0.5, segments, 0.1) == pytest.approx(1.4)
    assert find_source_time(1.7, segments, 0.1) == pytest.approx(5.4)
    assert find_source_time(9.0, segments, 0.1) == pytest.approx(6.1)
    assert find_source_time(1.0, ()) == 0.0
