"""Whether the opening of a clip is enough for the checks that are on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from liveness.judgement import Judge, Judgement, Liveness, LivenessOutcome
from liveness.judges import Judges
from liveness.opening import SURE, Opening
from tests.support.gallery_parts import write_clip
from tests.support.talking import TalkingAligner
from utils.config import Settings
from utils.media import Capture, SpeechAnalysis, SpeechSegment

FAILED = LivenessOutcome.FAILED
PASSED = LivenessOutcome.PASSED
NOT_CHECKED = LivenessOutcome.NOT_CHECKED


def speech(capture: Capture, *segments: tuple[float, float]) -> SpeechAnalysis:
    """The speech of a capture, at other times."""
    said = tuple(SpeechSegment(*one) for one in segments)
    return replace(capture.speech_analysis, segments=said)


@pytest.fixture
def capture(tmp_path: Path) -> Capture:
    """What is seen and heard of somebody who talks."""
    return TalkingAligner().analyse(write_clip(tmp_path / "clip", face=1, voice=1))


def judges(**modes: str) -> Judges:
    """The shipped checks, with some modes set."""
    settings = Settings.of(**{f"liveness_{name}": mode for name, mode in modes.items()})
    return Judges(settings.liveness, settings.storage.model_dir)


class Told(Judges):
    """Checks that say what they are told to say."""

    def __init__(self, **said: Judgement) -> None:
        super().__init__(Settings().liveness, Settings().storage.model_dir)
        self._said = {Judge(name): judgement for name, judgement in said.items()}

    def examine(self, capture: Capture, challenge: object = None) -> Liveness:
        """Say it."""
        return Liveness(self._said)


def test_speech_that_counts_must_be_filmed(capture: Capture) -> None:
    opening = Opening(judges())
    said = speech(capture, (0.5, 2.0), (2.5, 6.0))
    assert not opening.allows(said, 0.0, 4.0)
    assert opening.allows(said, 0.0, 4.2)


def test_speech_that_is_too_little_in_any_case_is_not_waited_for(capture: Capture) -> None:
    opening = Opening(judges())
    assert opening.allows(speech(capture), 0.0, 3.0)
    assert opening.allows(speech(capture, (0.5, 2.5), (7.5, 60.0)), 0.0, 3.0)
    assert not opening.allows(speech(capture, (0.5, 2.5), (6.5, 60.0)), 0.0, 3.0)
    off = Opening(judges(audio_visual_sync="off"))
    assert off.allows(speech(capture, (0.5, 6.0)), 0.0, 3.0)


def test_speech_counts_where_a_film_is_by_the_clock_of_the_picture(capture: Capture) -> None:
    """The sound begins 3 s before the picture, whose film ends 11 s after that."""
    told = Told(audio_visual_sync=Judgement(NOT_CHECKED, "", code="too_little_speech"))
    opening = Opening(told)
    late = speech(capture, (6.0, 12.0))
    assert not opening.allows(late, 3.0, 6.0)
    assert not opening.is_met(replace(capture, speech_analysis=late))
    early = speech(capture, (0.0, 4.0), (10.0, 60.0))
    assert opening.allows(early, 3.0, 6.0)
    assert opening.is_met(replace(capture, speech_analysis=early))


def test_a_mouth_that_plainly_moves_is_enough(capture: Capture) -> None:
    checks = judges(audio_visual_sync="off")
    opening = Opening(checks)
    assert opening.is_met(capture)
    assert opening.judge(capture) == checks.examine(capture)
    few = replace(capture.face_analysis, faces=capture.face_analysis.faces[:3])
    assert not opening.is_met(replace(capture, face_analysis=few))


@pytest.mark.parametrize("judge", SURE)
def test_what_passes_by_little_is_looked_at_to_the_end(judge: Judge, capture: Capture) -> None:
    sure = Judgement(PASSED, "", SURE[judge])
    nearly = Judgement(PASSED, "", SURE[judge] - 1e-6)
    assert Opening(Told(**{judge: sure})).is_met(capture)
    assert not Opening(Told(**{judge: nearly})).is_met(capture)


@pytest.mark.parametrize(
    ("judge", "code", "said", "is_enough"),
    [
        (Judge.AUDIO_VISUAL_SYNC, "too_little_speech", ((0.5, 2.5),), True),
        (Judge.AUDIO_VISUAL_SYNC, "too_few_faces", (), True),
        (Judge.AUDIO_VISUAL_SYNC, "too_little_speech", ((0.5, 3.5),), False),
        (Judge.MOUTH_MOTION, "too_little_speech", (), True),
        (Judge.MOUTH_MOTION, "too_few_faces", (), False),
    ],
)
def test_what_cannot_be_checked_must_lack_in_all_of_the_clip(
    capture: Capture,
    judge: Judge,
    code: str,
    said: tuple[tuple[float, float], ...],
    *,
    is_enough: bool,
) -> None:
    told = Told(**{judge: Judgement(NOT_CHECKED, "", code=code)})
    heard = replace(capture, speech_analysis=speech(capture, *said))
    opening = Opening(told)
    opening.allows(heard.speech_analysis, 0.0, 3.0)
    assert opening.is_met(heard) is is_enough


def test_what_fails_is_looked_at_to_the_end(capture: Capture) -> None:
    told = Told(mouth_motion=Judgement(FAILED, "", 1.0, code="mouth_still"))
    assert not Opening(told).is_met(capture)


def test_where_no_check_is_on_all_is_enough(capture: Capture) -> None:
    off = judges(mouth_motion="off", audio_visual_sync="off")
    opening = Opening(off)
    assert opening.allows(capture.speech_analysis, 0.0, 3.0)
    assert opening.is_met(capture)
    assert opening.judge(capture) is None
