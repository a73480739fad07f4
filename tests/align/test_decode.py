"""Decoding: every format that is read, the times of the frames, and every way in which
a file can be bad.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import zlib
from pathlib import Path

import av
import cv2
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image as Pillow

from align.decode import ReadLimits, read_clip, read_timed
from align.sniff import describe, sniff
from tests.support import media
from utils.errors import (
    MediaCorruptError,
    MediaEmptyError,
    MediaError,
    MediaNotFoundError,
    MediaTooLargeError,
    MediaTooLongError,
    MediaTypeError,
)

SIZE = (160, 96)
LIMITS = ReadLimits(max_frames=6)


def grey_frames(count: int, size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    """Frames whose brightness tells their number: 20, 26, 32, ..."""
    return [np.full((size[1], size[0], 3), 20 + 6 * i, np.uint8) for i in range(count)]


def number_of(image: np.ndarray) -> int:
    return round((float(image[8:-8, 8:-8].mean()) - 20) / 6)


def corners() -> np.ndarray:
    """A picture that shows which way is up: red top left, green top right, blue bottom
    left.
    """
    image = np.full((96, 160, 3), 128, np.uint8)
    image[:40, :60] = (220, 30, 30)
    image[:40, -60:] = (30, 220, 30)
    image[-40:, :60] = (30, 30, 220)
    return image


# --- formats ----------------------------------------------------------------------------------------------------------------------------

VIDEOS = {
    "h264.mp4": {},
    "hevc.mp4": {"codec": "libx265"},
    "mpeg4.mp4": {"codec": "mpeg4"},
    "a.mov": {},
    "a.mkv": {},
    "vp8.webm": {},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "a.mpg": {},
    "mjpeg.avi": {},
    "faststart.mp4": {"options": {"movflags": "faststart"}},
    "fragmented.mp4": {"options": {"movflags": "frag_keyframe+empty_moov"}},
    "recorder.webm": {"seekable": False},
}


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


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_every_picture_format_gives_one_frame(tmp_path: Path, suffix: str) -> None:
    clip = read_clip(media.write_photo(tmp_path / f"a{suffix}", corners()), LIMITS)
    assert clip.waveform is None
    assert clip.duration_s == 0
    (frame,) = clip.frames
    assert np.abs(frame.image.astype(int) - corners()).mean() < 4


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


def test_float_sound_beyond_full_scale_is_clipped_and_made_finite(tmp_path: Path) -> None:
    import soundfile

    samples = media.tone(0.5, level=3.0, rate_hz=16_000)
    samples[100] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    waveform = read_clip(tmp_path / "a.wav", LIMITS).waveform
    assert waveform is not None
    assert np.isfinite(waveform.samples).all()
    assert np.abs(waveform.samples).max() == 1


# --- which frames, and when -------------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_frames_are_those_of_a_full_decoding_to_the_bit(tmp_path: Path, codec: str) -> None:
    rng = np.random.default_rng(0)
    wall = cv2.GaussianBlur(rng.integers(0, 255, (200, 400, 3), np.uint8), (0, 0), 2)
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
    media.write_photo(cover, corners())
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


# --- bad files --------------------------------------------------------------------------------------------------------------------------


def refused(
    path: Path, kind: type[MediaError], limits: ReadLimits = LIMITS, filename: str | None = None
) -> MediaError:
    """The error with which a file is refused, checked for what none of them may hold."""
    with pytest.raises(kind) as caught:
        read_clip(path, limits, filename)
    assert type(caught.value) is kind
    assert str(path.parent) not in caught.value.message + caught.value.hint
    return caught.value


def test_no_file(tmp_path: Path) -> None:
    refused(tmp_path / "gone.mp4", MediaNotFoundError)
    refused(tmp_path, MediaNotFoundError)


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    refused(tmp_path / "a.mp4", MediaEmptyError)


def test_text_renamed_to_mp4_is_named_as_text(tmp_path: Path) -> None:
    error = refused(
        media.text_as_video(tmp_path / "a.mp4"), MediaTypeError, filename="/etc/secret/my clip.mp4"
    )
    assert "Received: text" in error.message
    assert "my clip.mp4" in error.message
    assert "/etc/secret" not in error.message


@pytest.mark.parametrize(
    ("head", "word"),
    [
        (b"%PDF-1.7 ....", "PDF"),
        (b"PK\x03\x04......", "zip"),
        (b"GIF89a.....", "GIF"),
        (b"\x00\x00\x00\x18ftypheic....", "HEIC"),
        (b"#EXTM3U\nhttp://example.org/a.ts\n", "text"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "text"),
        (b"\xff\xfeh\x00i\x00", "text"),
        (b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n", "text"),
        (bytes(range(256)), "binary"),
        (b"\x00", "binary"),
    ],
)
def test_other_content_is_refused_with_its_name(tmp_path: Path, head: bytes, word: str) -> None:
    assert sniff(head) is None
    assert word in describe(head)
    (tmp_path / "a.mp4").write_bytes(head)
    refused(tmp_path / "a.mp4", MediaTypeError)


def test_a_picture_under_the_name_of_a_video_is_still_a_picture(tmp_path: Path) -> None:
    media.write_photo(tmp_path / "a.jpg", corners()).rename(tmp_path / "a.mp4")
    assert len(read_clip(tmp_path / "a.mp4", LIMITS).frames) == 1


def test_truncated_without_an_index_is_corrupt(tmp_path: Path) -> None:
    whole = media.write_video(tmp_path / "a.mp4", grey_frames(12), media.tone(1.0), 12)
    refused(media.truncate(whole, tmp_path / "b.mp4", 0.5), MediaCorruptError)


@pytest.mark.parametrize(
    "name", ["faststart.mp4", "a.mkv", "vp8.webm", "a.mpg", "mjpeg.avi", "fragmented.mp4"]
)
def test_truncated_but_readable_is_used_as_far_as_it_goes(tmp_path: Path, name: str) -> None:
    grain = np.random.default_rng(0).integers(-15, 15, (36, 96, 160, 3))
    frames = [
        np.clip(f + g, 0, 255).astype(np.uint8) for f, g in zip(grey_frames(36), grain, strict=True)
    ]
    whole = media.write_video(tmp_path / name, frames, media.tone(1.5), 24, **VIDEOS[name])
    clip = read_clip(media.truncate(whole, tmp_path / f"cut_{name}", 0.6), LIMITS)
    assert 2 <= len(clip.frames) <= 6
    assert max(f.time_s for f in clip.frames) < 1.44
    assert [number_of(f.image) for f in clip.frames] == pytest.approx(
        [round(f.time_s * 24) for f in clip.frames], abs=1
    )


def test_damage_in_the_middle_costs_little(tmp_path: Path) -> None:
    frames = media.talking_frames(0, 2.0, 12, (160, 96), face_px=90)
    path = media.write_video(tmp_path / "a.mp4", frames, media.tone(2.0), 12, keyframe_every=4)
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4 + len(data) // 3
    data[start : start + 300] = bytes(300)
    path.write_bytes(data)
    clip = read_clip(path, LIMITS)
    assert len(clip.frames) >= 4
    assert clip.waveform is not None


@pytest.mark.parametrize("broken", ["sound", "picture"])
def test_one_broken_track_leaves_the_other(tmp_path: Path, broken: str) -> None:
    path = media.write_video(tmp_path / "a.mkv", grey_frames(12), media.tone(1.0), 12)
    kind = {"sound": "audio", "picture": "video"}[broken]
    spoil = tmp_path / "b.mkv"
    with av.open(str(path)) as source, av.open(str(spoil), "w") as target:
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is None:
                continue
            made = packet
            if packet.stream.type == kind:
                made = av.Packet(
                    bytes(np.random.default_rng(0).integers(0, 255, packet.size, np.uint8))
                )
                made.pts = packet.pts
                made.dts = packet.dts
                made.time_base = packet.time_base
                made.is_keyframe = packet.is_keyframe
            made.stream = streams[packet.stream.index]
            target.mux(made)
    clip = read_clip(spoil, LIMITS)
    assert bool(clip.frames) == (broken == "sound")
    if broken == "picture":
        assert clip.waveform is not None


def test_garbage_after_a_right_beginning_is_corrupt(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, 5000, np.uint8).tobytes()
    for name, head in {
        "a.mp4": b"\x00\x00\x00\x18ftypisom",
        "a.webm": b"\x1a\x45\xdf\xa3",
        "a.jpg": b"\xff\xd8\xff\xe0",
        "a.png": b"\x89PNG\r\n\x1a\n",
        "a.wav": b"RIFF\x00\x00\x00\x00WAVE",
        "a.flac": b"fLaC",
        "a.ogg": b"OggS",
    }.items():
        (tmp_path / name).write_bytes(head + noise)
        refused(tmp_path / name, MediaCorruptError)


def test_a_picture_cut_in_half_is_corrupt(tmp_path: Path) -> None:
    for suffix in (".jpg", ".png", ".webp"):
        whole = media.write_photo(tmp_path / f"a{suffix}", corners())
        refused(media.truncate(whole, tmp_path / f"b{suffix}", 0.5), MediaCorruptError)


def test_too_long_by_the_header(tmp_path: Path) -> None:
    path = media.write_sound(tmp_path / "a.wav", media.silence(4.0, 8000), 8000)
    error = refused(path, MediaTooLongError, ReadLimits(max_clip_s=3.0))
    assert "3 s" in error.message


def test_too_long_without_a_duration_in_the_header(tmp_path: Path) -> None:
    path = media.write_video(tmp_path / "a.webm", grey_frames(36), None, 12, seekable=False)
    refused(path, MediaTooLongError, ReadLimits(max_clip_s=2.0, read_s=1.0))


def test_pictures_of_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    limits = ReadLimits(max_frame_px=10_000, max_photo_px=10_000)
    refused(
        media.write_video(tmp_path / "a.mp4", grey_frames(3), None, 3), MediaTooLargeError, limits
    )
    refused(media.write_photo(tmp_path / "a.png", corners()), MediaTooLargeError, limits)


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    side = 30_000
    header = b"IHDR" + side.to_bytes(4, "big") * 2 + b"\x08\x00\x00\x00\x00"
    chunks = [header, b"IDAT" + zlib.compress(bytes(side + 1) * 100)]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        (len(c) - 4).to_bytes(4, "big") + c + zlib.crc32(c).to_bytes(4, "big") for c in chunks
    )
    (tmp_path / "a.png").write_bytes(png)
    refused(tmp_path / "a.png", MediaTooLargeError)


def test_a_decoder_that_is_too_slow_is_stopped(tmp_path: Path) -> None:
    path = media.write_video(tmp_path / "a.mp4", grey_frames(30), None, 12)
    refused(path, MediaTooLargeError, ReadLimits(decode_s=0.0))


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
    path = media.write_video(tmp_path / "a.mp4", [corners()] * 3, None, 3)
    capture = cv2.VideoCapture(str(path))
    bgr = capture.read()[1]
    capture.release()
    assert np.abs(read_clip(path, LIMITS).frames[0].image.astype(int) - bgr[..., ::-1]).mean() < 4


def test_a_picture_that_only_pretends_to_be_one(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Pillow.fromarray(corners()).save(buffer, "GIF")
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue())
    refused(tmp_path / "a.jpg", MediaTypeError)
