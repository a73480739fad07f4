"""Frames of long videos at chosen times, decoded here and in a process of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from align.decoder_process import DEATHS
from align.picture_decoder import open_pictures_apart
from align.picture_stream import open_pictures
from align.sound_decoder import open_sound_apart
from align.sound_stream import open_sound
from tests.support.media import scene, speech, talking_frames, write_sound, write_video
from tests.support.processes import note_processes
from utils.errors import MediaNotFoundError, MediaTypeError, MediaUnreadableError
from utils.media import Frame

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
HOSTILE = "tests.support.hostile_pictures"
LOOKS = [[0.5, 0.7, 0.9], [2.0, 2.4], [30.0, 30.2]]


def times_of(frames: Sequence[Frame]) -> list[float]:
    return [round(frame.time_s, 2) for frame in frames]


def look(path: Path, looks: Sequence[Sequence[float]] = LOOKS) -> list[tuple[Frame, ...]]:
    with open_pictures(path, looks) as pictures:
        return list(pictures)


@pytest.mark.parametrize(("suffix", "keyframe_every"), [(".mp4", 12), (".mp4", 1000), (".mpg", 12)])
def test_frames_are_those_at_the_times(tmp_path: Path, suffix: str, keyframe_every: int) -> None:
    path = tmp_path / f"talk{suffix}"
    write_video(path, talking_frames(0, 4.0), speech(0, 4.0), keyframe_every=keyframe_every)
    here = look(path)
    for frames, times in zip(here, [[0.52, 0.72, 0.92], [2.0, 2.4]], strict=False):
        assert [frame.time_s for frame in frames] == pytest.approx(times, abs=0.045)
    assert here[2:] == [()]
    with open_pictures_apart(path, LOOKS) as apart:
        for one, other in zip(apart, here, strict=True):
            for frame, same in zip(one, other, strict=True):
                np.testing.assert_array_equal(frame.image, same.image)


def test_times_are_those_of_the_sound(tmp_path: Path) -> None:
    """The picture begins a second after the sound."""
    path = write_video(tmp_path / "a.mp4", talking_frames(0, 3.0), speech(0, 4.0))
    late = tmp_path / "late.mkv"
    command: list[str | Path] = [FFMPEG, "-v", "error", "-itsoffset", "1", "-i", path, "-i", path]
    subprocess.run([*command, "-map", "0:v", "-map", "1:a", "-c", "copy", late], check=True)
    (early, second) = look(late, [[0.2, 0.4], [2.0, 2.2]])
    assert early == ()
    (same,) = look(path, [[1.0, 1.2]])
    for one, other in zip(second, same, strict=True):
        np.testing.assert_array_equal(one.image, other.image)


def test_frames_that_stand_are_not_taken_for_others(tmp_path: Path) -> None:
    """A slide is shown for two seconds, then frames come as they like."""
    stamps = [0, 2000, 2050, 2300, 2310, 2900, 3000]
    frames = [scene(n) for n in range(len(stamps))]
    path = write_video(tmp_path / "slides.mkv", frames, stamps_ms=stamps)
    slide, quick = look(path, [[0.5, 0.7], [2.0, 2.2, 2.4, 2.6]])
    assert slide == ()
    assert times_of(quick) == [2.0, 2.3]


def test_frames_that_no_other_refers_to_are_decoded_where_others_are_rare(tmp_path: Path) -> None:
    """Of nine frames eight are referred to by no other."""
    few = {"preset": "ultrafast", "bf": "8", "b_strategy": "0", "x264-params": "b-pyramid=0"}
    frames = talking_frames(0, 8.0, 24)
    path = write_video(tmp_path / "few.mp4", frames, fps=24, codec_options=few)
    first, second = look(path, [(np.arange(12) / 5 + start).tolist() for start in (1.0, 4.5)])
    assert len(first) >= 9
    assert len(second) == 12


def test_frames_are_upright_and_of_bounded_size(tmp_path: Path) -> None:
    frames = [scene(0, (1920, 1080))] * 20
    path = write_video(tmp_path / "phone.mp4", frames, rotate_deg=90, fps=10)
    (frames_seen,) = look(path, [[0.5, 0.7]])
    assert [frame.image.shape for frame in frames_seen] == [(1280, 720, 3)] * 2


def test_a_broken_picture_ends(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mpg", talking_frames(0, 4.0), speech(0, 4.0))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 3])
    first, *others = look(path)
    assert len(first) == 3
    assert not any(len(frames) == 2 for frames in others)


def test_sound_has_no_picture_and_cover_art_is_none(tmp_path: Path) -> None:
    sound = write_sound(tmp_path / "a.wav", speech(0, 2.0))
    covered = tmp_path / "covered.mp3"
    cover = write_video(tmp_path / "cover.mp4", [scene(0)])
    command: list[str | Path] = [
        FFMPEG,
        "-v",
        "error",
        "-i",
        sound,
        "-i",
        cover,
        "-map",
        "0",
        "-map",
        "1:v",
    ]
    command += ["-frames:v", "1", "-c:v", "mjpeg", "-disposition:v", "attached_pic"]
    subprocess.run([*command, "-id3v2_version", "3", covered], check=True)
    film = write_video(tmp_path / "film.mp4", talking_frames(0, 2.0), speech(0, 2.0))
    for path, has_picture in ((sound, False), (covered, False), (film, True)):
        with open_sound(path, max_s=9.0) as stream:
            assert stream.has_picture is has_picture
        assert bool(look(path, [[0.4, 0.6]])) is has_picture


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(MediaNotFoundError), open_pictures(tmp_path / "no.mp4", LOOKS):
        pass
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    with (
        open_pictures_apart(text, LOOKS, "the name") as pictures,
        pytest.raises(MediaTypeError, match="'the name'"),
    ):
        next(pictures)


def test_a_death_after_a_look_costs_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = note_processes(monkeypatch, "align.picture_decoder", HOSTILE)
    path = write_video(tmp_path / "a.mp4", talking_frames(0, 4.0))
    deaths = DEATHS.count
    with open_pictures_apart(path, LOOKS) as pictures:
        assert len(next(pictures)) == 3
        with pytest.raises(MediaUnreadableError, match="SIGSEGV"):
            next(pictures)
    assert DEATHS.count == deaths + 1
    assert not any(process.is_alive for process in started)


def test_a_decoder_that_makes_no_sense_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("align.picture_decoder", "align.sound_decoder"):
        note_processes(monkeypatch, place, "tests.support.senseless_decoder")
    with (
        pytest.raises(MediaUnreadableError, match="makes no sense"),
        open_pictures_apart(tmp_path, LOOKS) as pictures,
    ):
        next(pictures)
    with (
        pytest.raises(MediaUnreadableError, match="makes no sense"),
        open_sound_apart(tmp_path, max_s=9.0),
    ):
        pass
