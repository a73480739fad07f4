"""An enrolment is of one person, unless it is forced.

Alignment and networks are stand-ins. `DuetAligner` shows several people.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gallery.store import NewPerson
from recognition import as_json
from recognition.recognizer import Recognizer
from recognition.requests import ClipFile, EnrolmentRequest
from tests.support.asking import enroll, first_sight, identify
from tests.support.gallery_parts import (
    CALIBRATION,
    ClipAligner,
    StubEncoders,
    StubFace,
    make_recognizer,
    write_clip,
)
from utils.errors import (
    MixedPeopleError,
    PoorQualityError,
    SeveralPeopleError,
    UnlikePersonError,
)
from utils.media import AlignedFace, Capture, OtherFace
from utils.modality import SINGLE, Modality

Clip = Callable[..., Path]


def face_of(capture: Capture, who: int, time_s: float) -> AlignedFace:
    """A face of somebody else in the same clip."""
    face = capture.face_analysis.faces[0]
    image = face.image.copy()
    image[0, 0, 0] = who
    return replace(face, image=image, time_s=time_s)


class DuetAligner(ClipAligner):
    """Adds people to what the stand-in sees. `show` says how."""

    show = "one"

    def change(self, capture: Capture) -> Capture:
        """Add what `show` says."""
        faces = capture.face_analysis
        if self.show == "cut":
            mine = [face_of(capture, 1, time_s / 2) for time_s in range(4)]
            theirs = [face_of(capture, 2, 2 + time_s / 2) for time_s in range(3)]
            faces = replace(faces, faces=(*mine, *theirs))
        if self.show in ("beside", "in turn", "same in turn"):
            who = 1 if self.show == "same in turn" else 2
            found = tuple(face_of(capture, who, time_s) for time_s in (2.0, 3.0))
            others = (OtherFace(faces=found, is_together=self.show == "beside"),)
            people = 2 if self.show == "beside" else 1
            faces = replace(faces, others=others, people_in_view=people)
        if self.show == "poor":
            quality = replace(capture.speech_analysis.quality, score=0.1)
            speech = replace(capture.speech_analysis, quality=quality)
            capture = replace(capture, speech_analysis=speech)
        return replace(capture, face_analysis=faces)


@pytest.fixture
def aligner() -> DuetAligner:
    return DuetAligner()


@pytest.fixture
def duet(tmp_path: Path, aligner: DuetAligner) -> Recognizer:
    return make_recognizer(tmp_path, aligner=aligner)


def ann(folder: Path, sample: int = 0) -> Path:
    """A clip of the first person."""
    return write_clip(folder / "ann.json", face=1, voice=1, sample=sample)


@pytest.mark.parametrize(
    ("show", "error", "detail"),
    [
        ("cut", MixedPeopleError, ("seconds", [2.0, 2.5, 3.0])),
        ("in turn", MixedPeopleError, ("seconds", [2.0, 3.0])),
        ("beside", SeveralPeopleError, ("people_in_view", 2)),
        ("poor", PoorQualityError, ("modality", "voice")),
    ],
)
def test_a_clip_of_several_people_or_poor_is_enrolled_by_force_alone(
    duet: Recognizer,
    aligner: DuetAligner,
    tmp_path: Path,
    *,
    show: str,
    error: type[MixedPeopleError],
    detail: tuple[str, object],
) -> None:
    aligner.show = show
    clip = ann(tmp_path)
    with pytest.raises(error) as caught:
        enroll(duet, "ann", clip, create=True)
    assert caught.value.details[detail[0]] == detail[1]
    assert duet.store.count() == 0
    sight = first_sight(duet, "ann", clip)
    assert (sight.registered, type(sight.refusal)) == (False, error)
    events = [(event.action, event.outcome, event.detail) for event in duet.store.events(3)]
    assert ("enroll", "refused", {"why": error.code}) in events
    assert ("first_sight", error.code) in [event[:2] for event in events]
    forced = enroll(duet, "ann", clip, create=True, force=True)
    assert forced.person.templates == {"face": 1, "voice": 1}


def test_the_same_face_in_another_place_is_one_person(
    duet: Recognizer, aligner: DuetAligner, tmp_path: Path
) -> None:
    aligner.show = "same in turn"
    assert enroll(duet, "ann", ann(tmp_path), create=True).person.templates["face"] == 1


def test_a_face_that_changes_at_a_cut_does_not_spoil_the_other(
    duet: Recognizer, aligner: DuetAligner, tmp_path: Path
) -> None:
    enroll(duet, "ann", ann(tmp_path), create=True)
    aligner.show = "cut"
    answer = identify(duet, ann(tmp_path, sample=3))
    match = answer.decisions.face.match
    assert match is not None
    assert match.person_id == "ann"
    assert match.score == pytest.approx(0.8, abs=0.15)
    assert "mixed_people" in [hint.code for hint in answer.observation.hints]


def test_the_frames_of_the_main_person_count(
    duet: Recognizer, aligner: DuetAligner, tmp_path: Path
) -> None:
    """Those of somebody else in the same place do not."""
    frames = []
    for aligner.show in ("one", "cut"):
        sides = duet.observe(ClipFile(ann(tmp_path))).sides
        frames.append([sides[modality].frames for modality in SINGLE])
    assert frames == [[1, 0], [4, 0]]


def test_a_face_alone_is_not_judged_by_its_sound(
    duet: Recognizer, aligner: DuetAligner, tmp_path: Path
) -> None:
    aligner.show = "poor"
    enroll(duet, "ann", ann(tmp_path), create=True, modality=Modality.FACE)
    aligner.show = "beside"
    enroll(duet, "ben", ann(tmp_path), create=True, modality=Modality.VOICE)


def test_clips_of_one_request_must_agree(recognizer: Recognizer, clip: Clip) -> None:
    same = tuple(ClipFile(clip(face=1, voice=1, sample=n)) for n in range(2))
    two = (same[0], ClipFile(clip(face=1, voice=2, sample=3)))
    with pytest.raises(MixedPeopleError) as caught:
        recognizer.enroll(EnrolmentRequest(NewPerson("ann"), two))
    details = caught.value.details
    assert (details["modality"], details["clip"]) == ("voice", 2)
    assert details["probability"] < 0.5
    recognizer.enroll(EnrolmentRequest(NewPerson("ann"), same))


@pytest.mark.parametrize(
    ("content", "modality"),
    [
        ({"face": 40, "voice": 40}, "face"),
        ({"face": 1, "voice": 40}, "voice"),
        ({"face": 40, "voice": 1}, "face"),
        ({"voice": 40}, "voice"),
    ],
)
def test_a_clip_unlike_the_person_is_refused(
    gallery: Recognizer, clip: Clip, content: dict[str, int], modality: str
) -> None:
    path = clip(**content)
    before = gallery.store.list_templates("ann")
    with pytest.raises(UnlikePersonError) as caught:
        enroll(gallery, "ann", path)
    details = caught.value.details
    assert (details["person_id"], details["modality"]) == ("ann", modality)
    assert details["probability"] < 0.5
    least = {"face": "0.75", "voice": "0.25"}[modality]
    assert f"by {modality} with a probability of {least} or more" in caught.value.message
    assert gallery.store.list_templates("ann") == before
    forced = enroll(gallery, "ann", path, force=True)
    assert [hint.code for hint in forced.hints] == ["unlike_earlier"]
    assert enroll(gallery, "ann", clip(face=41, voice=41), replace=True).hints == ()


@pytest.mark.parametrize("is_own", [True, False])
def test_gentle_ratios_of_few_own_people_refuse_no_clip_of_one(
    tmp_path: Path, clip: Clip, is_own: bool
) -> None:
    """The same face comes to a ratio of about 0.5, and another to -1.3."""
    before = CALIBRATION if is_own else None
    gentle = replace(CALIBRATION, slope=2.0, intercept=-1.3, before=before)
    encoders = StubEncoders(face=StubFace(calibration=gentle))
    with closing(make_recognizer(tmp_path, encoders)) as recognizer:
        enroll(recognizer, "ann", clip(face=1), create=True)
        again = clip(face=1, sample=2)
        if is_own:
            assert enroll(recognizer, "ann", again).hints == ()
        other = clip(face=40)
        for path in [other] if is_own else [again, other]:
            with pytest.raises(UnlikePersonError, match="0.50" if is_own else "0.75"):
                enroll(recognizer, "ann", path)


def test_a_clip_that_was_stored_meanwhile_is_compared(
    recognizer: Recognizer, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person is new when the second clip is read, and has the first when it is stored."""
    first = clip(face=1)
    other = clip(face=40)
    observe = recognizer.observe

    def observe_late(*asked: Any) -> Any:
        probe = observe(*asked)
        monkeypatch.setattr(recognizer, "observe", observe)
        enroll(recognizer, "ann", first, create=True)
        return probe

    monkeypatch.setattr(recognizer, "observe", observe_late)
    with pytest.raises(UnlikePersonError):
        recognizer.enroll(EnrolmentRequest(NewPerson("ann"), (ClipFile(other),)))
    assert len(recognizer.store.list_templates("ann")) == 1


def test_everybody_in_view_is_identified_where_it_is_asked(
    duet: Recognizer, aligner: DuetAligner, tmp_path: Path
) -> None:
    for who, name in enumerate(("ann", "ben"), 1):
        enroll(duet, name, write_clip(tmp_path / name, face=who, voice=who), create=True)
    aligner.show = "beside"
    clip = ann(tmp_path, sample=1)
    (seen,) = identify(duet, clip).others
    assert seen.decision is None
    answer = identify(duet, clip, all_faces=True)
    (other,) = answer.others
    assert other.decision is not None
    assert other.decision.match is not None
    assert (other.decision.match.person_id, other.box_xyxy.tolist()) == ("ben", [0, 0, 0, 0])
    assert answer.named_ids == {"ann", "ben"}
    (event,) = duet.store.events(1)
    assert event.detail["others_named"] == 1
    body = as_json.identification(answer)["others"]
    assert body[0]["outcome"] == "accepted"
    assert body[0]["match"]["person_id"] == "ben"
    assert body[0]["box_xyxy"] == [0.0] * 4
