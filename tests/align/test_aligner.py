"""The whole way from a file to a capture.

It is tested on media made here, and on the research clips where they are.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from align.aligner import Aligner
from tests.support import media
from utils.config import ROOT
from utils.errors import MediaTypeError
from utils.media import Capture, SpeechAnalysis, Waveform
from utils.settings.capture import CaptureSettings

pytestmark = pytest.mark.slow

CLIPS = Path(os.environ.get("DUET_SHARED_DATA", ROOT.parent / "shared" / "data")) / "clips"
needs_clips = pytest.mark.skipif(
    not CLIPS.is_dir(), reason="the research clips are not on this machine (DUET_SHARED_DATA)"
)


@pytest.fixture(scope="module")
def aligner() -> Aligner:
    made = Aligner(CaptureSettings(max_frames=6, accuracy="fast"))
    made.load()
    return made


@pytest.fixture(scope="module")
def hasty() -> Aligner:
    """Sees six frames of eight for a fast answer."""
    made = Aligner(CaptureSettings(max_frames=8, accuracy="fast"))
    made.load()
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


def codes(capture: Capture) -> list[str]:
    return [h.code for h in capture.hints]


def test_someone_talking(aligner: Aligner, folder: Path) -> None:
    capture = aligner.analyse(media.write_clip(folder / "a.mp4", person=1))
    assert len(capture.face_analysis.faces) == 6
    assert capture.face_analysis.people_in_view == 1
    assert capture.face_analysis.quality is not None
    assert capture.face_analysis.quality.score > 0.8
    assert capture.speech_analysis.speech is not None
    assert capture.speech_analysis.quality.speech_s > 2.5
    assert capture.has_picture
    assert capture.has_sound
    assert capture.duration_s == pytest.approx(3.0, abs=0.1)
    assert len(capture.source_sha256) == 64
    assert codes(capture) == []
    assert set(capture.timings_ms) == {"decode", "sound", "detect", "align", "speech"}


class Demanding:
    """Asks for nothing but a moment to be reached, and notes what it is shown."""

    def __init__(self, from_s: float = 0.0, *, is_met: bool = True) -> None:
        self.from_s = from_s
        self.asked_s: list[float] = []
        self.shown: list[Capture] = []
        self.is_content = is_met

    def allows(self, speech: SpeechAnalysis, from_s: float, until_s: float) -> bool:
        """Whether the moment is reached."""
        assert speech.segments
        assert from_s == pytest.approx(0.0, abs=0.1)
        self.asked_s.append(until_s)
        return until_s >= self.from_s

    def is_met(self, capture: Capture) -> bool:
        """Note the capture."""
        self.shown.append(capture)
        return self.is_content


@pytest.fixture(scope="module")
def long_clip(folder: Path) -> Path:
    return media.write_clip(folder / "long.mp4", person=1, seconds=7.5, fps=10)


def test_an_opening_that_is_enough_is_all_that_is_seen(hasty: Aligner, long_clip: Path) -> None:
    demand = Demanding(from_s=3.4)
    capture = hasty.analyse(long_clip, demand=demand)
    (until_s,) = [asked_s for asked_s in demand.asked_s if asked_s >= 3.4]
    times = [face.time_s for face in capture.face_analysis.faces]
    assert len(times) == capture.face_analysis.frames_read >= 4
    assert until_s < 4.6
    assert max(times) == pytest.approx(until_s, abs=0.05)
    assert capture.duration_s == pytest.approx(7.5, abs=0.1)
    assert capture.speech_analysis.quality.duration_s == pytest.approx(7.5, abs=0.1)
    assert capture.timings_ms.keys() >= {"decode", "sound", "detect", "align", "speech"}


def test_a_clip_whose_opening_is_not_enough_is_read_as_any_other(
    hasty: Aligner, aligner: Aligner, long_clip: Path
) -> None:
    demand = Demanding(is_met=False)
    there = hasty.analyse(long_clip, demand=demand).face_analysis
    here = aligner.analyse(long_clip).face_analysis
    assert demand.shown
    times_s = [face.time_s for face in here.faces]
    assert len(times_s) == 6
    assert [face.time_s for face in there.faces] == times_s


def test_an_opening_without_one_plain_person_is_not_enough(hasty: Aligner, folder: Path) -> None:
    demand = Demanding()
    frames = media.talking_frames(1, 7.5, 6, (640, 360), face_px=200, others=((2, (0.8, 0.5)),))
    two = media.write_video(folder / "two.mp4", frames, media.speech(1, 7.5), 6)
    assert hasty.analyse(two, demand=demand).face_analysis.people_in_view == 2
    assert demand.asked_s
    assert not demand.shown


@pytest.mark.parametrize("accuracy", ["balanced", "thorough"])
def test_others_than_fast_ask_for_all_of_a_clip(accuracy: str, long_clip: Path) -> None:
    demand = Demanding()
    other = Aligner(CaptureSettings(max_frames=6, accuracy=accuracy))
    faces = other.analyse(long_clip, demand=demand).face_analysis.faces
    assert max(face.time_s for face in faces) > 5
    assert not demand.asked_s


def test_a_phone_held_upright(aligner: Aligner, folder: Path) -> None:
    stored = [np.ascontiguousarray(np.rot90(f)) for f in media.talking_frames(1, 1.0, 12)]
    upright = aligner.analyse(media.write_video(folder / "r.mp4", stored, None, 12, rotate_deg=-90))
    assert len(upright.face_analysis.faces) == 6
    assert upright.face_analysis.quality is not None
    assert abs(upright.face_analysis.quality.roll_deg) < 5


def test_without_sound_the_face_still_counts(aligner: Aligner, folder: Path) -> None:
    capture = aligner.analyse(media.write_clip(folder / "b.mp4", person=1, seconds=1.0, voice=None))
    assert capture.face_analysis.faces
    assert capture.speech_analysis.speech is None
    assert not capture.has_sound
    assert codes(capture) == ["no_sound"]


def test_without_a_face_the_voice_still_counts(aligner: Aligner, folder: Path) -> None:
    capture = aligner.analyse(media.write_clip(folder / "c.mp4", person=None, voice=2))
    assert capture.face_analysis.faces == ()
    assert capture.speech_analysis.speech is not None
    assert codes(capture) == ["no_face"]


@pytest.mark.parametrize(
    ("sound", "expected"), [(media.silence(2.0), "no_speech"), (media.music(2.0), "no_speech")]
)
def test_black_frames_without_speech_are_returned_not_raised(
    aligner: Aligner, folder: Path, sound: np.ndarray, expected: str
) -> None:
    black = [np.zeros((180, 320, 3), np.uint8)] * 24
    capture = aligner.analyse(media.write_video(folder / "d.mp4", black, sound, 12))
    assert capture.face_analysis.faces == ()
    assert capture.speech_analysis.speech is None
    assert codes(capture) == ["no_face", "too_dark", expected]


def test_two_people_are_told(aligner: Aligner, folder: Path) -> None:
    frames = media.talking_frames(
        1, 1.0, 12, (640, 360), face_px=240, at=(0.3, 0.5), others=((2, (0.75, 0.5)),)
    )
    capture = aligner.analyse(media.write_video(folder / "e.mp4", frames, None, 12))
    assert capture.face_analysis.people_in_view == 2
    assert "several_people" in codes(capture)


def test_voice_only_and_face_only(aligner: Aligner, folder: Path) -> None:
    heard: list[Waveform] = []
    # A drawn voice has no treble of its own, as a room has
    drawn = media.speech(3, 2.5)
    room = media.noise(2.5, level=0.0005)[: len(drawn)]
    sound = media.write_sound(folder / "f.wav", drawn + room)
    voice = aligner.analyse(sound, listen=heard.append)
    assert voice.speech_analysis.speech is not None
    assert [id(one) for one in heard] == [id(voice.speech_analysis.speech)]
    assert not voice.has_picture
    assert codes(voice) == []
    face = aligner.analyse(media.write_photo(folder / "f.jpg", person=3))
    assert len(face.face_analysis.faces) == 1
    assert not face.has_sound
    assert codes(face) == []


def test_a_distant_face_is_asked_to_come_closer(aligner: Aligner, folder: Path) -> None:
    capture = aligner.analyse(media.write_photo(folder / "g.png", media.scene(2, (1280, 720), 80)))
    assert "come_closer" in codes(capture)


def test_errors_name_the_file_as_its_sender_does(aligner: Aligner, folder: Path) -> None:
    with pytest.raises(MediaTypeError, match=r"holiday\.mp4") as caught:
        aligner.analyse(media.text_as_video(folder / "upload-17.bin"), filename="holiday.mp4")
    assert "upload-17" not in caught.value.message


def test_eight_at_once_give_the_same_as_one_after_another(aligner: Aligner, folder: Path) -> None:
    paths = [media.write_clip(folder / f"p{p}.mp4", person=p, seconds=1.0) for p in range(4)] * 2
    alone = [aligner.analyse(p) for p in paths[:4]] * 2
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(aligner.analyse, paths))
    for a, b in zip(alone, together, strict=True):
        assert [f.image.tobytes() for f in a.face_analysis.faces] == [
            f.image.tobytes() for f in b.face_analysis.faces
        ]
        assert a.speech_analysis.quality == b.speech_analysis.quality


def test_settings_bound_what_is_read(folder: Path) -> None:
    capture = Aligner(CaptureSettings(max_frames=3, read_s=1.0)).analyse(
        media.write_clip(folder / "h.mp4", person=1, seconds=2.0)
    )
    assert capture.face_analysis.frames_read == 3
    assert capture.speech_analysis.quality.duration_s <= 1.0


def test_no_tensorflow_at_all_and_no_network_before_it_is_needed(folder: Path) -> None:
    clip = media.write_clip(folder / "i.mp4", person=1, seconds=1.0)
    code = f"""
import sys
from pathlib import Path
from align.aligner import Aligner
from utils.settings.capture import CaptureSettings

assert not {{"onnxruntime", "onnx", "tensorflow", "mtcnn", "moviepy"}} & set(sys.modules)
capture = Aligner(CaptureSettings(max_frames=2)).analyse(Path({str(clip)!r}))
assert capture.face_analysis.faces
assert not {{"tensorflow", "keras", "mtcnn", "moviepy"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


AWKWARD = {  # name: (a face, speech, people in view, codes that must come)
    "black_no_duration.webm": (False, False, 0, {"no_face", "too_dark", "no_speech"}),
    "dog_no_audio.mp4": (False, False, 0, {"no_face", "no_sound"}),
    "face_no_audio_track.mp4": (True, False, 1, {"no_sound"}),
    "face_silent_audio_track.mp4": (True, False, 1, {"no_speech"}),
    "face_webm_no_audio.webm": (True, False, 1, {"no_sound"}),
    "failing_audio.mp4": (False, False, 0, {"no_face", "no_speech"}),
    "mouth_only_with_speech.mp4": (False, True, 0, {"no_face"}),
    "no_face_with_sound.mp4": (False, False, 0, {"no_face", "no_speech"}),
    "one_pixel.mp4": (False, False, 0, {"no_face", "no_sound"}),
    "rotation_Gender_male_3_sideways_with_flag90.mp4": (True, True, 1, set()),
    "rotation_Gender_male_3_upside_down_with_flag180.mp4": (True, True, 1, set()),
    "small_face.mp4": (True, False, 1, {"no_speech"}),
    "two_faces_a.mp4": (True, True, 2, {"come_closer", "several_people"}),
    "two_faces_two_voices.mp4": (True, True, 2, {"several_people"}),
    "vertical_hevc.mp4": (True, True, 1, set()),
    "vertical_no_audio.mp4": (True, False, 1, {"no_sound"}),
}


@needs_clips
@pytest.mark.parametrize("name", AWKWARD)
def test_what_users_send_by_accident(aligner: Aligner, name: str) -> None:
    has_face, has_speech, people, expected = AWKWARD[name]
    capture = aligner.analyse(CLIPS / "awkward" / name)
    assert bool(capture.face_analysis.faces) == has_face
    assert (capture.speech_analysis.speech is not None) == has_speech
    assert capture.face_analysis.people_in_view == people
    assert expected <= set(codes(capture))
    assert expected or codes(capture) == []


@needs_clips
def test_a_mouth_that_fills_the_picture_is_no_face() -> None:
    """Whatever the name of the file says."""
    capture = Aligner(CaptureSettings()).analyse(CLIPS / "awkward" / "face_no_audio_mjpeg.avi")
    assert codes(capture) == ["no_face", "no_sound"]
