"""Whether the mouth moves: drawn faces that talk, shake, tilt, and clips that lack something."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from align.aligner import Aligner
from demo.faces import face
from demo.scenes import scene
from liveness import mouth_motion
from liveness.judgement import LivenessOutcome
from liveness.mouth_motion import LEAST_FACES, THRESHOLD, measure_talk
from tests.support import media
from tests.support.gallery_parts import write_clip
from tests.support.talking import TalkingAligner
from utils.arrays import ImageArray
from utils.media import Capture, OtherFace
from utils.settings.capture import CaptureSettings


def tilted(image: ImageArray, degrees: float) -> ImageArray:
    """A print that is turned about its vertical axis: narrower on one side."""
    size = image.shape[0]
    corners = np.array([(0, 0), (size, 0), (size, size), (0, size)], np.float32)
    shift = np.float32(size * np.sin(np.radians(degrees)) / 4)
    moved = corners + np.array([(0, shift), (0, -shift), (0, shift), (0, -shift)], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    return np.asarray(cv2.warpPerspective(image, matrix, (size, size)), np.uint8)


def prints(tilts_deg: list[float]) -> list[ImageArray]:
    """Aligned faces, roughly, of a print that is tilted so far: a drawn face fills each."""
    return [tilted(face(1, 112, 0.5), degrees) for degrees in tilts_deg]


@pytest.fixture
def capture(tmp_path: Path) -> Capture:
    """What is seen and heard of somebody who talks."""
    return TalkingAligner().analyse(write_clip(tmp_path / "clip", face=1, voice=1))


def test_a_mouth_that_talks_passes(capture: Capture) -> None:
    judgement = mouth_motion.judge(capture)
    assert judgement.outcome is LivenessOutcome.PASSED
    assert judgement.score > judgement.threshold == THRESHOLD


def test_a_picture_fails_also_when_it_is_tilted_to_and_fro() -> None:
    assert measure_talk(prints([0] * 6)) == pytest.approx(0, abs=1e-3)
    assert measure_talk(prints([-20, -8, 5, 20, 8, -5, -15, 10])) < THRESHOLD


def test_a_picture_with_sound_is_said_to_be_still(tmp_path: Path) -> None:
    aligner = TalkingAligner()
    aligner.mouth = "still"
    judgement = mouth_motion.judge(aligner.analyse(write_clip(tmp_path / "c", face=1, voice=1)))
    assert judgement.outcome is LivenessOutcome.FAILED
    assert judgement.reason == "Speech is heard, and the mouth does not move"
    assert judgement.score < judgement.threshold


@pytest.mark.parametrize(
    ("mouth", "is_together", "in_view", "code"),
    [
        ("moves", True, 2, "another_talks"),
        ("moves", True, 1, "mouth_still"),
        ("moves", False, 2, "mouth_still"),
        ("still", True, 2, "mouth_still"),
    ],
)
def test_who_is_still_beside_somebody_who_talks_is_not_refused(
    tmp_path: Path, mouth: str, in_view: int, code: str, *, is_together: bool
) -> None:
    aligner = TalkingAligner()
    path = write_clip(tmp_path / "c", face=1, voice=1)
    aligner.mouth = mouth
    other = OtherFace(aligner.analyse(path).face_analysis.faces, is_together)
    aligner.mouth = "still"
    still = aligner.analyse(path)
    seen = replace(still.face_analysis, others=(other,), people_in_view=in_view)
    both = replace(still, face_analysis=seen)
    judgement = mouth_motion.judge(both)
    assert judgement.code == code
    is_unchecked = judgement.outcome is LivenessOutcome.NOT_CHECKED
    assert is_unchecked is (code == "another_talks")


@pytest.mark.parametrize("lack", ["faces", "speech", "all faces"])
def test_what_a_clip_lacks_is_named_and_nothing_passes(capture: Capture, lack: str) -> None:
    faces = capture.face_analysis
    left = {"faces": LEAST_FACES - 1, "all faces": 0}.get(lack, len(faces.faces))
    speech = capture.speech_analysis
    heard_s = 0.1 if lack == "speech" else speech.quality.speech_s
    lacking = replace(
        capture,
        face_analysis=replace(faces, faces=faces.faces[:left]),
        speech_analysis=replace(speech, quality=replace(speech.quality, speech_s=heard_s)),
    )
    judgement = mouth_motion.judge(lacking)
    assert judgement.outcome is LivenessOutcome.NOT_CHECKED
    assert judgement.score is None
    assert ("speech" if lack == "speech" else "frames with a face") in judgement.reason


def test_a_drawn_person_in_a_real_file_passes_and_a_picture_with_sound_fails(
    tmp_path: Path,
) -> None:
    places = [(0.5 + 0.02 * np.sin(i / 5), 0.5) for i in range(75)]
    still = [scene(1, at=place) for place in places]
    clips = (
        media.write_clip(tmp_path / "talks.mp4", 1),
        media.write_video(tmp_path / "still.mp4", still, media.speech(1, 3.0)),
    )
    aligner = Aligner(CaptureSettings())
    outcomes = [mouth_motion.judge(aligner.analyse(path)).outcome for path in clips]
    assert outcomes == [LivenessOutcome.PASSED, LivenessOutcome.FAILED]
