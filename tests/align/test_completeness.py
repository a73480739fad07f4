"""Files that are cut off say so wherever their format states how long it is.

Whole files never do, whoever made them.
"""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest

from align.aligner import Aligner
from align.completeness import measure_missing_s
from align.container import demux, open_container
from align.decode import ReadLimits, identify_kind, read_clip
from align.hints import advise_on_file
from tests.support import media
from utils.config import ROOT
from utils.settings.capture import CaptureSettings

pytestmark = pytest.mark.slow

LIMITS = ReadLimits(max_frames=2)
SECONDS = 4.0
CLIPS = Path(os.environ.get("DUET_SHARED_DATA", ROOT.parent / "shared" / "data")) / "clips"
FASTSTART = {"movflags": "faststart"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
STATING: dict[str, dict[str, Any]] = {
    "index_in_front.mp4": {"options": FASTSTART},
    "a.mkv": {},
    "a.webm": {},
    "a.avi": {},
}
SILENT_ABOUT_IT: dict[str, dict[str, Any]] = {
    "a.mpg": {"fps": 24},
    "recorder.webm": {"seekable": False},
    "recorder.mp4": {"seekable": False, "options": FRAGMENTS},
}


def grainy(path: Path, fps: int = 12, **options: Any) -> Path:
    """Four seconds of pictures of about the same number of bytes, with a voice."""
    grain = np.random.default_rng(0).integers(90, 160, (4, 48, 80, 3), np.uint8)
    frames = [grain[i % 4] for i in range(round(SECONDS * fps))]
    return media.write_video(
        path, frames, media.speech(1, SECONDS), fps, keyframe_every=6, **options
    )


def says_incomplete(path: Path, limits: ReadLimits = LIMITS) -> bool:
    return [h.code for h in advise_on_file(read_clip(path, limits))] == ["incomplete"]


@pytest.mark.parametrize("name", STATING)
def test_a_video_that_was_cut_off_says_so(tmp_path: Path, name: str) -> None:
    whole = grainy(tmp_path / name, **STATING[name])
    cut = media.truncate(whole, tmp_path / f"cut_{name}", 0.6)
    assert read_clip(cut, LIMITS).missing_s == pytest.approx(0.4 * SECONDS, abs=0.6)
    assert not says_incomplete(whole)
    assert says_incomplete(cut)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mka"])
def test_a_sound_file_that_was_cut_off_says_so(tmp_path: Path, name: str) -> None:
    whole = media.write_sound(tmp_path / name, media.speech(1, SECONDS))
    cut = media.truncate(whole, tmp_path / f"cut_{name}", 0.6)
    assert read_clip(cut, LIMITS).missing_s == pytest.approx(0.4 * SECONDS, abs=0.3)
    assert not says_incomplete(whole)
    assert says_incomplete(cut)


@pytest.mark.parametrize("name", SILENT_ABOUT_IT)
def test_nothing_is_claimed_about_a_file_that_does_not_say_how_long_it_is(
    tmp_path: Path, name: str
) -> None:
    whole = grainy(tmp_path / name, **SILENT_ABOUT_IT[name])
    assert not says_incomplete(whole)
    assert not says_incomplete(media.truncate(whole, tmp_path / f"cut_{name}", 0.6))


@pytest.mark.parametrize("size", [0, 0x7FFF0000, 0x7FFFF024, 0x80000000, 0xFFFFFFFF])
def test_a_size_that_stands_for_unknown_is_no_promise(tmp_path: Path, size: int) -> None:
    data = media.write_sound(tmp_path / "a.wav", media.speech(1, SECONDS)).read_bytes()
    (tmp_path / "b.wav").write_bytes(data[:4] + struct.pack("<I", size) + data[8:])
    assert not says_incomplete(tmp_path / "b.wav")


def test_a_lost_sound_track_is_stated_although_the_pictures_are_all_there(tmp_path: Path) -> None:
    """A file that holds all pictures first, then all sound, as some cameras write it."""
    whole = grainy(
        tmp_path / "a.mp4", options={"movflags": "faststart", "max_interleave_delta": "0"}
    )
    chunks = "-c copy -movflags faststart -chunk_duration 60000000"
    apart = ffmpeg(whole, tmp_path / "apart.mp4", *chunks.split())
    cut = media.truncate(apart, tmp_path / "cut.mp4", 0.9)
    clip = read_clip(cut, LIMITS)
    assert clip.frames[-1].time_s > 0.6 * SECONDS
    assert says_incomplete(cut)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("shortened.mp4", ("-ss", "1.3", "-c", "copy")),
        ("late.mkv", ("-c", "copy", "-output_ts_offset", "10")),
        ("late.mp4", ("-c", "copy", "-output_ts_offset", "10")),
        ("short_sound.mp4", ("-c:v", "copy", "-af", "atrim=0:1")),
        ("short_sound.mkv", ("-c:v", "copy", "-af", "atrim=0:1")),
        ("timecode.mov", ("-c", "copy", "-timecode", "01:00:00:00")),
        ("few_frames.mp4", ("-vf", "select='not(mod(n,20))'", "-fps_mode", "vfr")),
    ],
)
def test_unusual_but_whole_files_say_nothing(
    tmp_path: Path, name: str, arguments: tuple[str, ...]
) -> None:
    assert not says_incomplete(ffmpeg(grainy(tmp_path / "a.mp4"), tmp_path / name, *arguments))


@pytest.mark.parametrize("name", ["a.mkv", "b.mp4"])
def test_subtitles_that_outlast_the_recording_are_not_missing_pictures(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "a.srt").write_text("1\n00:00:01,000 --> 00:00:30,000\nhello\n", encoding="utf-8")
    kind = "copy" if name.endswith("mkv") else "mov_text"
    subtitles = ["-i", str(tmp_path / "a.srt")]
    mapping = f"-map 0 -map 1 -c copy -c:s {kind}"
    whole = grainy(tmp_path / "whole.mp4")
    path = ffmpeg(whole, tmp_path / name, *subtitles, *mapping.split())
    assert not says_incomplete(path)


def test_what_is_not_read_anyway_is_not_asked_for(tmp_path: Path) -> None:
    cut = media.truncate(grainy(tmp_path / "a.mp4", options=FASTSTART), tmp_path / "b.mp4", 0.6)
    assert not says_incomplete(cut, ReadLimits(max_frames=2, read_s=1.0))


def test_the_capture_tells_it_first_and_is_otherwise_what_it_was(tmp_path: Path) -> None:
    whole = media.write_clip(tmp_path / "a.mp4", person=1, seconds=SECONDS, options=FASTSTART)
    aligner = Aligner(CaptureSettings(max_frames=2))
    capture = aligner.analyse(media.truncate(whole, tmp_path / "b.mp4", 0.6))
    assert capture.hints[0].code == "incomplete"
    assert "s are missing at its end" in capture.hints[0].text
    assert capture.face_analysis.faces
    assert capture.speech_analysis.speech is not None
    assert aligner.analyse(whole).hints == ()


@pytest.mark.skipif(
    not CLIPS.is_dir(), reason="the research clips are not on this machine (DUET_SHARED_DATA)"
)
def test_no_real_clip_raises_a_false_alarm() -> None:
    clips = [path for path in CLIPS.rglob("*") if path.is_file()]
    assert len(clips) > 90
    assert max(lacks_s(path) for path in clips) < 0.1


def lacks_s(path: Path) -> float:
    """What `read_clip` would state, without decoding."""
    kind = identify_kind(path, path.name)
    with open_container(path, kind) as container:
        return measure_missing_s(path, kind.demuxer, demux(container, LIMITS))


def ffmpeg(source: Path, target: Path, *arguments: str) -> Path:
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y"]
    subprocess.run([*program, "-i", str(source), *arguments, str(target)], check=True)
    return target
