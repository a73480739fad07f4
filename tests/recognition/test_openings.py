"""Which clips may be read to their opening alone, and which are read whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from liveness import judges
from liveness.challenge import Challenge
from liveness.judgement import Judge, Judgement, LivenessOutcome
from recognition.recognizer import Recognizer
from recognition.requests import ClipFile, IdentificationRequest
from tests.support.asking import enroll, first_sight, identify, verify_clips, verify_person
from tests.support.gallery_parts import ClipAligner, make_recognizer
from utils.demand import Demand, Listen, Watch
from utils.media import Capture
from utils.settings.liveness import PASSIVE

Clip = Callable[..., Path]


class NotingAligner(ClipAligner):
    """Notes what it is asked for. With `turns`, somebody else ends an opening."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.turns = False

    def analyse(
        self,
        path: Path,
        *,
        filename: str | None = None,
        demand: Demand | None = None,
        listen: Listen | None = None,
        watch: Watch | None = None,
    ) -> Capture:
        """Read a clip. An opening is enough where it meets the demand."""
        self.asked.append("whole" if demand is None else "opening")
        capture = super().analyse(path, filename=filename)
        if demand is None or not demand.is_met(capture) or not self.turns:
            return capture
        return turn(capture)


def turn(capture: Capture) -> Capture:
    """Let somebody else take the place of a person in the last three of seven faces."""
    own = capture.face_analysis.faces[0]
    other = replace(own, image=own.image.copy())
    other.image[0, 0, 0] = 2
    faces = [replace(own if n < 4 else other, time_s=n / 4) for n in range(7)]
    return replace(capture, face_analysis=replace(capture.face_analysis, faces=tuple(faces)))


@pytest.fixture
def aligner() -> NotingAligner:
    return NotingAligner()


def make(folder: Path, aligner: NotingAligner, **settings: Any) -> Recognizer:
    """Make a recognizer without checks for liveness."""
    off: dict[str, Any] = {f"liveness_{check}": "off" for check in PASSIVE}
    return make_recognizer(folder, aligner=aligner, **off, **settings)


def test_a_question_may_be_answered_by_an_opening_and_no_enrolment(
    tmp_path: Path, aligner: NotingAligner, clip: Clip
) -> None:
    recognizer = make(tmp_path, aligner)
    ann = clip(face=1, voice=1)
    enroll(recognizer, "ann", ann, create=True)
    assert aligner.asked == ["whole"]
    identify(recognizer, ann)
    verify_person(recognizer, ann, "ann")
    verify_clips(recognizer, ann, ann)
    assert aligner.asked[1:] == ["opening"] * 4


def test_only_a_clip_that_may_be_stored_at_first_sight_is_read_whole(
    tmp_path: Path, aligner: NotingAligner, clip: Clip
) -> None:
    recognizer = make(tmp_path, aligner)
    for again in (False, False, True):
        first_sight(recognizer, "ann", clip(face=1, voice=1), re_register=again)
    assert aligner.asked == ["whole", "opening", "whole"]


def test_a_challenge_and_everybody_in_view_take_the_whole_clip(
    tmp_path: Path, aligner: NotingAligner, clip: Clip
) -> None:
    recognizer = make(tmp_path, aligner, liveness_challenge="off")
    digits = Challenge("482913", "en", lambda *_: pytest.fail("nobody listens"))
    asked = ClipFile(clip(face=1, voice=1), challenge=digits)
    recognizer.identify(IdentificationRequest(replace(asked, challenge=None), all_faces=True))
    assert aligner.asked == ["whole"]
    with pytest.raises(pytest.fail.Exception):
        recognizer.identify(IdentificationRequest(asked))
    assert aligner.asked == ["whole"] * 2


@pytest.mark.parametrize("check", [*PASSIVE, "challenge"])
def test_where_a_check_refuses_all_is_read(
    tmp_path: Path, aligner: NotingAligner, clip: Clip, check: str
) -> None:
    modes: dict[str, Any] = {
        f"liveness_{one}": "refuse" if one == check else "off" for one in PASSIVE
    }
    modes["liveness_challenge"] = "refuse" if check == "challenge" else "report"
    identify(make_recognizer(tmp_path, aligner=aligner, **modes), clip(face=1, voice=1))
    assert aligner.asked == ["whole"]


def test_strangers_who_are_kept_are_read_whole(
    tmp_path: Path, aligner: NotingAligner, clip: Clip
) -> None:
    identify(make(tmp_path, aligner, stranger_days=1), clip(face=1, voice=1))
    assert aligner.asked == ["whole"]


def test_an_opening_with_somebody_else_in_it_is_not_enough(
    tmp_path: Path, aligner: NotingAligner, clip: Clip
) -> None:
    recognizer = make(tmp_path, aligner)
    aligner.turns = True
    answer = identify(recognizer, clip(face=1, voice=1))
    assert aligner.asked == ["opening", "whole"]
    assert len(answer.observation.faces) == 1


def test_checks_that_look_at_no_face_are_made_once(
    tmp_path: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where faces of somebody else are left out, the motion of the mouth alone is asked again."""
    asked: list[int] = []

    def examine(capture: Capture) -> Judgement:
        asked.append(len(capture.face_analysis.faces))
        return Judgement(LivenessOutcome.PASSED, "as it is", 1.0)

    monkeypatch.setitem(judges._LOADERS, Judge.SCREEN_OR_PRINT, lambda _: examine)
    monkeypatch.setitem(judges._LOADERS, Judge.MOUTH_MOTION, lambda _: examine)
    for check, expected in ((Judge.SCREEN_OR_PRINT, [7]), (Judge.MOUTH_MOTION, [7, 4])):
        off: dict[str, Any] = {f"liveness_{name}": "off" for name in PASSIVE}
        off[f"liveness_{check}"] = "report"
        aligner = TurningAligner()
        recognizer = make_recognizer(tmp_path / check, aligner=aligner, **off)
        probe = recognizer.observe(ClipFile(clip(face=1, voice=1)))
        recognizer.close()
        assert probe.liveness is not None
        assert probe.liveness.judgements.keys() == {check}
        assert asked == expected
        asked.clear()


class TurningAligner(ClipAligner):
    """Sees the face of somebody else at the end of each clip."""

    def change(self, capture: Capture) -> Capture:
        """Let somebody else take the place."""
        return turn(capture)
