"""Clips whose clock does not begin with the picture, or is set anew on the way."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import imageio_ffmpeg
import pytest

from align.container import demux, open_container
from align.decode import ReadLimits, read_clip
from align.sniff import MediaKind
from align.sound_stream import open_sound
from tests.support import media
from tests.support.pictures import grey_frames, number_of
from utils.arrays import RATE_HZ
from utils.errors import MediaCorruptError, MediaTooLongError

LIMITS = ReadLimits(max_frames=6, film_s=8.0)
_FPS = 12


def cut_off(source: Path, path: Path, seconds: Fraction) -> Path:
    """Copy a clip without its first seconds, as a phone does: by an edit list.

    The picture stays from the keyframe on, and is not shown before the cut.
    """
    with av.open(str(source)) as container, av.open(str(path), "w", format="mp4") as copy:
        streams = {s.index: copy.add_stream_from_template(s) for s in container.streams}
        for packet in container.demux():
            if packet.dts is None or packet.pts is None or packet.time_base is None:
                continue
            packet.pts -= round(seconds / packet.time_base)
            packet.dts -= round(seconds / packet.time_base)
            packet.stream = streams[packet.stream.index]
            copy.mux(packet)
    return path


@pytest.fixture
def trimmed(tmp_path: Path) -> Path:
    frames = grey_frames(3 * _FPS)
    sound = media.tone(3.0)
    source = media.write_video(tmp_path / "a.mp4", frames, sound, _FPS, keyframe_every=1000)
    return cut_off(source, tmp_path / "b.mp4", Fraction(5, 4))


@pytest.mark.parametrize("is_fast", [False, True])
def test_what_an_edit_list_cuts_off_is_not_seen(trimmed: Path, is_fast: bool) -> None:
    clip = read_clip(trimmed, ReadLimits(max_frames=6, is_fast=is_fast))
    assert len(clip.frames) == (5 if is_fast else 6)
    first = number_of(clip.frames[0].image)
    assert first == pytest.approx(15 + clip.frames[0].time_s * _FPS, abs=1.5)
    assert clip.frames[0].time_s < 0.4
    assert clip.frames[-1].time_s == pytest.approx(1.65, abs=0.25)


def test_what_is_hidden_has_an_end_too(trimmed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no length that could be too long."""
    monkeypatch.setattr("align.container._MOST_HIDDEN", 10)
    with pytest.raises(MediaCorruptError):
        read_clip(trimmed, LIMITS)


def test_sound_and_picture_of_a_clip_that_was_cut_begin_together(trimmed: Path) -> None:
    clip = read_clip(trimmed, LIMITS)
    assert clip.waveform is not None
    assert len(clip.waveform.samples) / 16000 == pytest.approx(1.75, abs=0.1)
    assert clip.sound_starts_s[0] == pytest.approx(0.0, abs=0.03)
    assert clip.coding.picture_s == pytest.approx(clip.coding.sound_s, abs=0.1)
    assert clip.film[0].time_s < 0.1
    assert len(clip.film) == pytest.approx(17, abs=2)


def test_packets_that_are_never_shown_take_no_memory_to_speak_of(tmp_path: Path) -> None:
    """A file of some megabytes may have a million of them, of a few bytes each."""
    source = media.write_video(tmp_path / "a.mp4", grey_frames(_FPS), None, _FPS)
    path = tmp_path / "b.mp4"
    with av.open(str(source)) as container, av.open(str(path), "w", format="mp4") as copy:
        stream = copy.add_stream_from_template(container.streams.video[0])
        key = bytes(next(container.demux(video=0)))
        for number in range(-20_000, 100):
            packet = av.Packet(key if number == -20_000 else key[:8])
            packet.time_base = Fraction(1, 25)
            packet.pts = packet.dts = number
            packet.is_keyframe = number == -20_000
            packet.stream = stream
            copy.mux(packet)
    with open_container(path, MediaKind("mp4", "mov")) as container:
        tracks = demux(container, LIMITS)
    assert 9_000 < len(tracks.video.packets) < 11_000


def test_frames_of_a_second_each_are_no_jump_of_the_clock(tmp_path: Path) -> None:
    """They refer to later ones, and matroska does not say when each is decoded."""
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi"]
    picture = ["-i", "testsrc2=s=320x240:r=1:d=20", "-f", "lavfi", "-i", "sine=d=20"]
    coding = ["-c:v", "libx264", "-bf", "8", "-b_strategy", "0", str(tmp_path / "a.mkv")]
    subprocess.run([*program, *picture, *coding], check=True)
    clip = read_clip(tmp_path / "a.mkv", LIMITS)
    assert clip.duration_s == pytest.approx(20.0, abs=0.1)
    assert clip.frames[-1].time_s < 20


def write_stream(path: Path, start_s: int = 0) -> bytes:
    media.write_video(
        path,
        grey_frames(35),
        media.tone(1.4),
        25,
        codec="mpeg2video",
        sound_codec="mp2",
        options={"output_ts_offset": str(start_s)},
    )
    return path.read_bytes()


@pytest.mark.parametrize("order", [(0, 5000), (5000, 0), (0, 0), (0, 0, 0), (0, 5000, 0)])
def test_recordings_that_were_joined_follow_each_other(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    """As of a camera that was started anew: its clock jumps by hours, or goes back."""
    parts = [write_stream(tmp_path / "a.mpegts", start_s) for start_s in order]
    (tmp_path / "b.ts").write_bytes(b"".join(parts))
    clip = read_clip(tmp_path / "b.ts", LIMITS)
    length_s = 1.4 * len(order)
    assert clip.duration_s == pytest.approx(length_s, abs=0.2)
    assert len(clip.frames) == 6
    times = [frame.time_s for frame in clip.frames]
    assert all(before < after for before, after in pairwise(times))
    assert times[-1] > length_s - 1
    assert clip.coding.picture_s == pytest.approx(length_s, abs=0.2)


def test_a_jump_of_the_clock_makes_no_recording_too_long(tmp_path: Path) -> None:
    parts = [write_stream(tmp_path / "a.mpegts", start_s) for start_s in (0, 5000)]
    (tmp_path / "b.ts").write_bytes(b"".join(parts))
    with open_sound(tmp_path / "b.ts", max_s=100.0) as stream:
        heard_s = sum(len(block) for block in stream.blocks) / RATE_HZ
    assert heard_s == pytest.approx(2.8, abs=0.2)
    with pytest.raises(MediaTooLongError), open_sound(tmp_path / "b.ts", max_s=2.0) as stream:
        list(stream.blocks)


def test_a_stream_that_is_long_indeed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.ts").write_bytes(write_stream(tmp_path / "a.mpegts"))
    with pytest.raises(MediaTooLongError):
        read_clip(tmp_path / "b.ts", ReadLimits(max_clip_s=1.0, read_s=0.5))
