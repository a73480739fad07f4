"""A clip that a check for liveness refuses names nobody, enrols nobody, verifies nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recognition import as_json
from recognition.recognizer import Recognizer
from tests.support.asking import enroll, first_sight, identify, verify_person
from tests.support.gallery_parts import make_recognizer, outcomes
from tests.support.talking import TalkingAligner
from utils.errors import NotLiveError

Clip = Callable[..., Path]


@pytest.fixture
def aligner() -> TalkingAligner:
    """Shows somebody who talks, until its `mouth` is still."""
    return TalkingAligner()


@pytest.fixture(params=["refuse"])
def strict(
    request: pytest.FixtureRequest, tmp_path: Path, aligner: TalkingAligner, clip: Clip
) -> Iterator[Recognizer]:
    """A gallery with Ann, where the mouth must move or, in other modes, need not."""
    mode = request.param
    made = make_recognizer(
        tmp_path / "d",
        aligner=aligner,
        liveness_mouth_motion=mode,
        liveness_audio_visual_sync="off",
    )
    enroll(made, "ann", clip(face=1, voice=1), create=True)
    yield made
    made.close()


def test_whoever_talks_is_named(strict: Recognizer, clip: Clip) -> None:
    answer = identify(strict, clip(face=1, voice=1, sample=1))
    assert outcomes(answer) == [("accepted", "ann")] * 3
    liveness = as_json.identification(answer)["liveness"]
    assert (liveness["outcome"], liveness["mouth_motion"]["outcome"]) == ("pass", "pass")


def test_a_picture_with_sound_is_rejected_by_everything(
    strict: Recognizer, aligner: TalkingAligner, clip: Clip
) -> None:
    aligner.mouth = "still"
    probe = clip(face=1, voice=1, sample=1)
    answer = identify(strict, probe, all_faces=True)
    assert outcomes(answer) == [("rejected", None)] * 3
    assert answer.decisions.fused.reason == (
        "The clip must pass the check mouth_motion. Speech is heard, and the mouth does not move"
    )
    assert answer.named_ids == set()
    verified = verify_person(strict, probe, "ann")
    assert [v.outcome for v in verified.verdicts.values()] == ["rejected"] * 3
    events = strict.store.events(2)
    assert [event.detail["mouth_motion"] for event in events] == ["fail"] * 2
    assert [event.outcome for event in events] == ["rejected"] * 2


def test_a_clip_without_a_face_passes_nothing(strict: Recognizer, clip: Clip) -> None:
    answer = identify(strict, clip(voice=1, sample=1))
    assert outcomes(answer) == [("rejected", None), ("no_probe", None), ("rejected", None)]
    assert as_json.identification(answer)["liveness"]["outcome"] == "not_checked"


@pytest.mark.parametrize("strict", ["off", "report"], indirect=True)
def test_a_check_that_only_reports_changes_no_name(
    strict: Recognizer, aligner: TalkingAligner, clip: Clip
) -> None:
    aligner.mouth = "still"
    answer = identify(strict, clip(face=1, voice=1, sample=1))
    assert outcomes(answer) == [("accepted", "ann")] * 3
    liveness = as_json.identification(answer)["liveness"]
    assert liveness is None or liveness["mouth_motion"]["outcome"] == "fail"


def test_a_picture_is_enrolled_by_force_alone(
    strict: Recognizer, aligner: TalkingAligner, clip: Clip
) -> None:
    aligner.mouth = "still"
    picture = clip(face=2, voice=2)
    with pytest.raises(NotLiveError, match="must pass the check mouth_motion"):
        enroll(strict, "bob", picture, create=True)
    sight = first_sight(strict, "bob", picture)
    assert (sight.registered, sight.refusal.code) == (False, "not_live")
    assert enroll(strict, "bob", picture, create=True, force=True).templates


def test_an_enrolment_may_ask_for_more_than_an_identification(
    tmp_path: Path, aligner: TalkingAligner, clip: Clip
) -> None:
    made = make_recognizer(tmp_path / "d", aligner=aligner, liveness_enroll=True)
    enroll(made, "ann", clip(face=1, voice=1), create=True)
    aligner.mouth = "still"
    with pytest.raises(NotLiveError):
        enroll(made, "bob", clip(face=2, voice=2), create=True)
    answer = identify(made, clip(face=1, voice=1, sample=1))
    assert outcomes(answer) == [("accepted", "ann")] * 3
    made.close()
