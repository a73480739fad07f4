"""What is done of a clip while its decoder has nothing new to say."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from align import cutting, mouth_film
from align.ahead import Ahead
from align.aligner import Aligner
from align.audience import Audience, Nobody
from align.confinement import Confinement
from align.cutting import Cutter
from align.decode import ReadLimits, read_timed
from align.decoders import Decoders
from align.faces import FaceDetector, analyse_faces
from align.mouth_film import MOUTHS
from tests.support import media
from utils.demand import Demand, Watch
from utils.errors import MediaTypeError
from utils.media import AlignedFace, Capture, Clip, FaceAnalysis, Frame, SpeechAnalysis
from utils.settings.capture import CaptureSettings

SETTINGS = CaptureSettings(max_frames=4, accuracy="balanced")
LEAST_PX = 20.0


class Patient:
    """Shows a clip to an audience that has time for all that it wants to do."""

    def __init__(self, audience: Audience) -> None:
        self._audience = audience

    def __getattr__(self, name: str) -> Any:
        return getattr(self._audience, name)

    def see(self, frame: Frame) -> Frame:
        """Show a frame, and wait."""
        seen = self._audience.see(frame)
        while self._audience.spend_time():
            pass
        return seen


class Hasty(Patient):
    """Leaves an audience no time."""

    def see(self, frame: Frame) -> Frame:
        """Show a frame."""
        return self._audience.see(frame)


class Work:
    """Notes which of some functions is called, and reads clips."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self._patch = patch

    def note(self, place: Any, name: str) -> None:
        """Note each call of a function."""
        original = getattr(place, name)

        def noting(*arguments: Any) -> Any:
            self.done.append(name)
            return original(*arguments)

        self._patch.setattr(place, name, noting)

    def count(self, name: str) -> tuple[int, int]:
        """How often a function was called before the end of the clip, and after it."""
        end = self.done.index("read")
        return self.done[:end].count(name), self.done[end:].count(name)

    def analyse(
        self,
        path: Path,
        way: type[Patient],
        settings: CaptureSettings = SETTINGS,
        *,
        demand: Demand | None = None,
        watch: Watch | None = None,
    ) -> Capture:
        """Analyse a clip anew, with time for that or without."""

        @contextmanager
        def read(
            path: Path, name: str | None, limits: ReadLimits, audience: Audience
        ) -> Iterator[tuple[Clip, dict[str, float]]]:
            clip = read_timed(path, limits, name, way(audience))
            self.done.append("read")
            yield clip

        self.done.clear()
        return Aligner(settings, read, film_s=8.0).analyse(path, demand=demand, watch=watch)


def check_same_faces(one: FaceAnalysis, other: FaceAnalysis) -> None:
    assert one.quality == other.quality
    assert one.people_in_view == other.people_in_view
    assert len(one.others) == len(other.others)
    for ours, theirs in zip(one.faces, other.faces, strict=True):
        np.testing.assert_array_equal(ours.image, theirs.image)


def test_mouths_and_faces_are_found_before_the_clip_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = media.write_clip(tmp_path / "a.mp4", person=1, seconds=4.2, fps=10)
    work = Work(monkeypatch)
    work.note(mouth_film, "cut_mouth")
    work.note(cutting, "assess_face")
    hasty = work.analyse(path, Hasty)
    assert hasty.mouth_film is not None
    mouths = len(hasty.mouth_film.mouths)
    assert work.count("assess_face") == (0, 4)
    assert work.count("cut_mouth") == (0, mouths)
    patient = work.analyse(path, Patient)
    assert patient.mouth_film is not None
    assert work.count("assess_face") == (4, 0)
    before, after = work.count("cut_mouth")
    assert (before + after, before % MOUTHS) == (mouths, 0)
    assert before >= mouths / 2
    np.testing.assert_array_equal(patient.mouth_film.mouths, hasty.mouth_film.mouths)
    np.testing.assert_array_equal(patient.mouth_film.times_s, hasty.mouth_film.times_s)
    check_same_faces(patient.face_analysis, hasty.face_analysis)


def test_who_is_found_in_the_end_counts_in_frames_that_were_worked_on_before() -> None:
    """A plain face is followed. Somebody beside is seen in the last of the frames."""
    size = (320, 240)
    alone = media.scene(5, size, 160, (0.3, 0.5))
    two = media.scene(5, size, 160, (0.3, 0.5), others=[(4, (0.85, 0.5))])
    frames = [Frame(image, float(s)) for s, image in enumerate([alone] * 4 + [two])]
    with Ahead(FaceDetector(), hear_nothing, len(frames), want_more) as ahead:
        for frame in frames:
            Patient(ahead).see(frame)
        found = ahead.find(frames)
    assert found is not None
    assert [len(faces) for faces in found] == [1, 1, 1, 1, 2]
    anew = analyse_faces(frames, found, LEAST_PX, Cutter())
    check_same_faces(analyse_faces(frames, found, LEAST_PX, ahead.cutter), anew)
    assert len(anew.faces) == 5


def hear_nothing(*_: Any) -> None:
    """Hear nothing, and say nothing of it."""


def want_more(_clip: Clip, _ahead: Ahead) -> Capture | None:
    """Find no opening enough."""


class Opening(Nobody):
    """Opens a pipe that the decoder waits for, when there is time."""

    def __init__(self, pipe: Path) -> None:
        self._pipe = pipe
        self.spent = 0

    def spend_time(self) -> bool:
        """Open it once."""
        if not self.spent:
            self._pipe.open("wb").close()
        self.spent += 1
        return self.spent < 3


def test_time_is_spent_while_the_decoder_is_silent(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"wait\n")
    os.mkfifo(path.with_suffix(".go"))
    opening = Opening(path.with_suffix(".go"))
    decoders = Decoders(
        SETTINGS, 1, bounds=Confinement(stall_s=20), program="tests.support.hostile_decoder"
    )
    with pytest.raises(MediaTypeError), decoders.read(path, None, audience=opening):
        pass
    decoders.close()
    assert opening.spent


class Unmet:
    """Is content with no opening."""

    def allows(self, speech: SpeechAnalysis, from_s: float, until_s: float) -> bool:
        """Allow every moment."""
        del speech, from_s, until_s
        return True

    def is_met(self, capture: Capture) -> bool:
        """Want more."""
        del capture
        return False


@pytest.mark.parametrize(
    ("accuracy", "seconds", "shown"),
    [("fast", 4.2, {5}), ("fast", 7.5, set()), ("balanced", 7.5, {6})],
)
def test_faces_are_shown_while_a_clip_is_read_that_has_no_opening(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    accuracy: str,
    seconds: float,
    shown: set[int],
) -> None:
    path = media.write_clip(tmp_path / "a.mp4", person=1, seconds=seconds, fps=10)
    watched: list[tuple[int, int]] = []

    def watch(faces: Sequence[AlignedFace], frames: int) -> bool:
        watched.append((len(faces), frames))
        return False

    settings = CaptureSettings(max_frames=6, accuracy=accuracy)
    Work(monkeypatch).analyse(path, Patient, settings, demand=Unmet(), watch=watch)
    assert {frames for _, frames in watched} == shown
    assert max((faces for faces, _ in watched), default=0) == max(shown, default=0)
