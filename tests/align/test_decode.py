"""Decoding: every format that is read, and the times of the frames."""

from __future__ import annotations

import hashlib
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import imageio_ffmpeg
import numpy as np
import pillow_heif
import pytest

from align import video
from align.container import scale_ticks
from align.decode import ReadLimits, read_clip, read_timed
from align.sniff import sniff
from tests.support import media
from tests.support.pictures import VIDEOS, draw_corners, grey_frames, number_of
from utils.errors import (
    MediaCorruptError,
)

LIMITS = ReadLimits(max_frames=6)


@pytest.mark.parametrize("name", VIDEOS)
def test_every_video_format_gives_frames_and_sound(tmp_path: Path, name: str) -> None:
    path = media.write_video(tmp_path / name, grey_frames(25), media.tone(1.0), 25, **VIDEOS[name])
    clip = read_clip(path, LIMITS)
    assert len(clip.frames) == 6
    assert all(f.image.shape == (96, 160, 3) and f.image.dtype == np.uint8 for f in clip.frames)
    assert clip.duration_s == pytest.approx(1.0, abs=0.15)
    assert clip.source_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert clip.waveform is not None
    assert clip.waveform.rate_hz == 16_000
    assert clip.waveform.duration_s == pytest.approx(1.0, abs=0.1)
    assert loudest_hz(clip.waveform.samples) == pytest.approx(440, abs=5)


@pytest.mark.parametrize(
    "suffix", [".wav", ".flac", ".mp3", ".ogg", ".m4a", ".opus", ".mka", ".webm"]
)
def test_every_sound_format_gives_16_khz_mono(tmp_path: Path, suffix: str) -> None:
    clip = read_clip(media.write_sound(tmp_path / f"a{suffix}", media.tone(0.6, 300)), LIMITS)
    assert clip.frames == ()
    assert clip.waveform is not None
    assert clip.waveform.samples.dtype == np.float32
    assert np.abs(clip.waveform.samples).max() <= 1
    assert clip.waveform.duration_s == pytest.approx(0.6, abs=0.1)
    assert loudest_hz(clip.waveform.samples) == pytest.approx(300, abs=6)


@pytest.mark.parametrize(("default", "shown"), [(0, 0), (1, 9), (None, 0)])
def test_the_picture_track_with_the_default_flag_is_shown(
    tmp_path: Path, default: int | None, shown: int
) -> None:
    grey = grey_frames(25)
    films = [
        media.write_video(tmp_path / f"{number}.mp4", [grey[number]] * 5, None, 5)
        for number in (0, 9)
    ]
    path = tmp_path / "both.mkv"
    flags = [f"-disposition:v:{i}" + (" default" if i == default else " 0") for i in (0, 1)]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(films[0]), "-i"]
    command += [str(films[1]), "-map", "0", "-map", "1", "-c", "copy", *" ".join(flags).split()]
    subprocess.run([*command, str(path)], check=True)
    assert [number_of(frame.image) for frame in read_clip(path, LIMITS).frames] == [shown] * 5


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".heic", ".avif"])
def test_every_picture_format_gives_one_frame(tmp_path: Path, suffix: str) -> None:
    clip = read_clip(media.write_photo(tmp_path / f"a{suffix}", draw_corners()), LIMITS)
    assert clip.waveform is None
    assert clip.duration_s == 0
    (frame,) = clip.frames
    assert np.abs(frame.image.astype(int) - draw_corners()).mean() < 4


@pytest.mark.parametrize("kind", ["amr", "aiff", "bw64"])
def test_sound_of_phones_and_broadcasters(tmp_path: Path, kind: str) -> None:
    path = media.write_rare_sound(tmp_path / "a.bin", media.tone(1.0, 300), kind)
    waveform = read_clip(path, LIMITS).waveform
    assert waveform is not None
    assert waveform.duration_s == pytest.approx(1.0, abs=0.1)
    assert loudest_hz(waveform.samples) == pytest.approx(300, abs=6)


def test_heic_and_avif_are_told_apart_by_all_their_brands() -> None:
    for brands, name in ((b"heic\0\0\0\0mif1heic", "heic"), (b"mif1\0\0\0\0mif1avif", "avif")):
        kind = sniff(b"\x00\x00\x00\x18ftyp" + brands + b"\0\0\0\x08free")
        assert kind is not None
        assert (kind.name, kind.is_photo) == (name, True)


def test_a_heic_of_a_phone_held_upright_is_turned(tmp_path: Path) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise
    picture = Image.fromarray(np.ascontiguousarray(np.rot90(draw_corners())))
    pillow_heif.from_pillow(picture).save(tmp_path / "a.heic", exif=exif.tobytes(), quality=95)
    (frame,) = read_clip(tmp_path / "a.heic", LIMITS).frames
    assert np.abs(frame.image.astype(int) - draw_corners()).mean() < 6


def loudest_hz(samples: np.ndarray) -> float:
    return float(
        np.argmax(np.abs(np.fft.rfft(samples * np.hanning(len(samples))))) * 16_000 / len(samples)
    )


def test_stereo_of_44100_hz_becomes_mono(tmp_path: Path) -> None:
    import soundfile

    left = media.tone(0.5, 400, 0.4, 44_100)
    right = media.silence(0.5, 44_100)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], 1), 44_100)
    waveform = read_clip(tmp_path / "a.wav", LIMITS).waveform
    assert waveform is not None
    assert np.abs(waveform.samples).max() == pytest.approx(0.2, rel=0.05)


def test_float_sound_beyond_full_scale_is_scaled_and_made_finite(tmp_path: Path) -> None:
    import soundfile

    samples = media.tone(0.5, level=3.0, rate_hz=16_000)
    samples[100] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    waveform = read_clip(tmp_path / "a.wav", LIMITS).waveform
    assert waveform is not None
    assert np.isfinite(waveform.samples).all()
    assert np.abs(waveform.samples).max() == 3 / 4, "by a power of two"


@pytest.mark.parametrize("keyframe_every", [4, 12, 250])
def test_frames_carry_the_time_at_which_they_are_shown(tmp_path: Path, keyframe_every: int) -> None:
    path = media.write_video(
        tmp_path / "a.mp4", grey_frames(36), None, 12, keyframe_every=keyframe_every
    )
    frames = read_clip(path, LIMITS).frames
    assert [number_of(f.image) for f in frames] == [round(f.time_s * 12) for f in frames]


def test_frames_are_spread_evenly_over_the_clip(tmp_path: Path) -> None:
    times = [
        f.time_s
        for f in read_clip(
            media.write_video(tmp_path / "a.mp4", grey_frames(36), None, 12), LIMITS
        ).frames
    ]
    assert [int(t / 0.5) for t in times] == [0, 1, 2, 3, 4, 5]


def test_small_videos_are_decoded_by_one_thread_and_larger_ones_by_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []
    real = video.prepare_codec

    def note(codec: Any, limits: ReadLimits, threads: int) -> None:
        real(codec, limits, threads)
        counts.append(codec.thread_count)

    monkeypatch.setattr(video, "prepare_codec", note)
    monkeypatch.setattr(video, "_THREADS", 3)
    path = media.write_video(tmp_path / "a.mp4", grey_frames(36), None, 12)
    height, width = read_clip(path, LIMITS).frames[0].image.shape[:2]
    for most_px in (36 * height * width, 36 * height * width - 1):
        monkeypatch.setattr(video, "_SMALL_PX", most_px)
        read_clip(path, LIMITS)
    assert counts == [1, 1, 3]


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_frames_are_those_of_a_full_decoding_to_the_bit(tmp_path: Path, codec: str) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (200, 400, 3), np.uint8)
    wall = np.asarray(cv2.GaussianBlur(noise, (0, 0), 2), np.uint8)
    moving = [np.ascontiguousarray(wall[i : i + 96, 2 * i : 2 * i + 160]) for i in range(90)]
    options = {
        "preset": "medium",
        "bf": "4",
        "crf": "25",
        **({"x265-params": "log-level=none"} if codec == "libx265" else {}),
    }
    path = media.write_video(
        tmp_path / "a.mp4", moving, None, 25, codec=codec, codec_options=options
    )
    with av.open(str(path)) as container:
        full = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    frames = read_clip(path, LIMITS).frames
    assert len(frames) == 6
    for frame in frames:
        assert np.array_equal(frame.image, full[round(frame.time_s * 25)])


def test_variable_frame_rate_is_read_by_its_time_stamps(tmp_path: Path) -> None:
    stamps = [0, 40, 80, 120, 160, 200, 1200, 2200, 2240, 3000]
    path = media.write_video(tmp_path / "a.mp4", grey_frames(10), None, 25, stamps_ms=stamps)
    frames = read_clip(path, ReadLimits(max_frames=3)).frames
    assert len(frames) == 3
    assert [stamps[number_of(f.image)] / 1000 for f in frames] == pytest.approx(
        [f.time_s for f in frames], abs=0.002
    )


def test_only_the_first_seconds_are_read(tmp_path: Path) -> None:
    path = media.write_video(tmp_path / "a.mp4", grey_frames(36), media.tone(3.0), 12)
    clip = read_clip(path, ReadLimits(max_frames=6, read_s=1.0))
    assert max(f.time_s for f in clip.frames) <= 1.0
    assert clip.waveform is not None
    assert clip.waveform.duration_s <= 1.0
    assert clip.duration_s == pytest.approx(3.0, abs=0.1)


def test_a_recorder_s_webm_without_duration_is_measured(tmp_path: Path) -> None:
    path = media.write_video(tmp_path / "a.webm", grey_frames(24), None, 12, seekable=False)
    with av.open(str(path)) as container:
        assert container.duration is None
    assert read_clip(path, LIMITS).duration_s == pytest.approx(2.0, abs=0.1)


def test_cover_art_is_no_picture_of_a_person(tmp_path: Path) -> None:
    sound = tmp_path / "a.mp3"
    cover = tmp_path / "c.jpg"
    out = tmp_path / "b.mp3"
    media.write_sound(sound, media.tone(0.5))
    media.write_photo(cover, draw_corners())
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        "-i",
        sound,
        "-i",
        cover,
        "-map",
        "0",
        "-map",
        "1",
        "-c",
        "copy",
        "-disposition:v",
        "attached_pic",
        out,
    ]
    subprocess.run(list(map(str, command)), check=True)
    clip = read_clip(out, LIMITS)
    assert clip.frames == ()
    assert clip.waveform is not None


def test_timings_are_told(tmp_path: Path) -> None:
    _, timings = read_timed(
        media.write_video(tmp_path / "a.mp4", grey_frames(12), media.tone(1.0), 12), LIMITS
    )
    assert set(timings) == {"decode", "sound"}
    assert all(t > 0 for t in timings.values())


def test_reading_leaves_no_file_open(tmp_path: Path) -> None:
    path = media.write_video(tmp_path / "a.mp4", grey_frames(12), media.tone(1.0), 12)
    broken = media.truncate(path, tmp_path / "b.mp4", 0.5)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        read_clip(path, LIMITS)
        with pytest.raises(MediaCorruptError):
            read_clip(broken, LIMITS)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_opencv_agrees_on_colours(tmp_path: Path) -> None:
    path = media.write_video(tmp_path / "a.mp4", [draw_corners()] * 3, None, 3)
    capture = cv2.VideoCapture(str(path))
    bgr = capture.read()[1]
    capture.release()
    assert np.abs(read_clip(path, LIMITS).frames[0].image.astype(int) - bgr[..., ::-1]).mean() < 4


def test_ticks_are_seconds_to_the_last_bit() -> None:
    bases = [Fraction(1, 90_000), Fraction(1001, 30_000), Fraction(1, 15_360)]
    for ticks in (-7, 0, 1, 12_345_678_901):
        assert [scale_ticks(ticks, base) for base in bases] == [float(ticks * b) for b in bases]
