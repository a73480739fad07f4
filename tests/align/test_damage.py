"""Every way in which a file can be bad: what is refused, and what is still read."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from PIL import Image as Pillow

from align.container import Track, measure_time_s
from align.decode import ReadLimits, read_clip
from align.picture_stream import open_pictures
from align.sniff import describe, sniff
from tests.support import media
from tests.support.pictures import VIDEOS, draw_corners, grey_frames, number_of
from utils.errors import (
    MediaCorruptError,
    MediaEmptyError,
    MediaError,
    MediaNotFoundError,
    MediaTooLargeError,
    MediaTooLongError,
    MediaTypeError,
)

LIMITS = ReadLimits(max_frames=6)


def refuse(
    path: Path,
    kind: type[MediaError],
    limits: ReadLimits = LIMITS,
    filename: str | None = None,
) -> MediaError:
    """The error that a file is refused with. It may not hold the path."""
    with pytest.raises(kind) as caught:
        read_clip(path, limits, filename)
    assert type(caught.value) is kind
    assert str(path.parent) not in caught.value.message + caught.value.hint
    return caught.value


def test_no_file(tmp_path: Path) -> None:
    refuse(tmp_path / "gone.mp4", MediaNotFoundError)
    refuse(tmp_path, MediaNotFoundError)


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    refuse(tmp_path / "a.mp4", MediaEmptyError)


def test_text_renamed_to_mp4_is_named_as_text(tmp_path: Path) -> None:
    error = refuse(
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
        (b"PK\x05\x06" + bytes(18), "zip"),
        (b"II*\x00......", "TIFF"),
        (b"\x00\x00\x00\x0cjP  \r\n", "JPEG 2000"),
        (b"\x00\x00\x01\x00....", "icon"),
        (b"GIF89a.....", "GIF"),
        (b"caff\x00\x01....", "CAF"),
        (b"wvpk\x00\x01....", "WavPack"),
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
    refuse(tmp_path / "a.mp4", MediaTypeError)


def test_a_picture_under_the_name_of_a_video_is_still_a_picture(tmp_path: Path) -> None:
    media.write_photo(tmp_path / "a.jpg", draw_corners()).rename(tmp_path / "a.mp4")
    assert len(read_clip(tmp_path / "a.mp4", LIMITS).frames) == 1


@pytest.mark.parametrize("codec", [b"encv", b"tmcd", b"\0\0\0\0"])
def test_sound_behind_a_picture_of_no_use_is_read(tmp_path: Path, codec: bytes) -> None:
    """The picture is the first stream, and is encrypted, a time code, or nothing known."""
    path = media.write_video(tmp_path / "a.mp4", grey_frames(12), media.tone(1.0), 12)
    path.write_bytes(path.read_bytes().replace(b"avc1", codec))
    clip = read_clip(path, LIMITS)
    assert not clip.frames
    assert len(clip.waveforms[0].samples) == pytest.approx(16000, rel=0.1)


def test_an_encrypted_clip_is_called_that(tmp_path: Path) -> None:
    key = {"encryption_key": "76a6c65c5ea762046bd749a2e632ccbb", "encryption_kid": "a7" * 16}
    options = {"encryption_scheme": "cenc-aes-ctr", **key}
    path = tmp_path / "a.mp4"
    media.write_video(path, grey_frames(12), media.tone(1.0), 12, options=options)
    error = refuse(path, MediaCorruptError)
    assert "encrypted" in error.message
    assert "copy protection" in error.hint


def test_a_sound_of_hundreds_of_channels_is_corrupt(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((4000, 255), np.float32), 16000)
    refuse(tmp_path / "a.wav", MediaCorruptError)


@pytest.mark.parametrize("name", ["a.avif", "a.heic", "a.webp", "a.png", "a.jpg"])
def test_a_picture_with_damage_in_the_middle_is_read_or_corrupt(tmp_path: Path, name: str) -> None:
    """Whatever its decoder raises."""
    data = media.write_photo(tmp_path / name, draw_corners()).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(20):
        damaged = bytearray(data)
        for place in rng.integers(len(data) // 4, len(data), 20):
            damaged[place] ^= 0xFF
        (tmp_path / name).write_bytes(damaged)
        with suppress(MediaCorruptError, MediaTooLargeError, MediaTypeError):
            assert len(read_clip(tmp_path / name, LIMITS).frames) == 1


def test_truncated_without_an_index_is_corrupt(tmp_path: Path) -> None:
    whole = media.write_video(tmp_path / "a.mp4", grey_frames(12), media.tone(1.0), 12)
    refuse(media.truncate(whole, tmp_path / "b.mp4", 0.5), MediaCorruptError)


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


@pytest.mark.parametrize(
    "stamp", [lambda _: 0, lambda number: 500 * (number // 12), lambda number: number]
)
def test_frames_without_times_of_their_own_are_spread_by_the_rate(
    tmp_path: Path, stamp: Callable[[int], int]
) -> None:
    """All of a file, or of a cluster, have one time, or are counted in milliseconds."""
    source = media.write_video(tmp_path / "a.mkv", grey_frames(36), fps=25, keyframe_every=12)
    path = stamp_anew(source, tmp_path / "b.mkv", stamp)
    frames = read_clip(path, LIMITS).frames
    for frame, true in zip(frames, read_clip(source, LIMITS).frames, strict=True):
        assert abs(number_of(frame.image) - number_of(true.image)) <= 1
        assert frame.time_s == pytest.approx(true.time_s, abs=0.09)
    looks = [[frame.time_s] for frame in frames]
    with open_pictures(path, looks) as shown:
        assert [len(look) for look in shown] == [1] * len(frames)


def test_packets_without_a_time_follow_each_other(tmp_path: Path) -> None:
    source = media.write_video(tmp_path / "a.mkv", grey_frames(5), fps=25)
    with av.open(str(source)) as container:
        track = Track(container.streams.video[0])
        packets = [packet for packet in container.demux(track.stream) if packet.size]
        for packet in packets:
            packet.pts = packet.dts = None
        times = [measure_time_s(packet, track) for packet in packets]
    assert times == pytest.approx([0.0, 0.04, 0.08, 0.12, 0.16])
    assert [packet.pts for packet in packets] == [0, 40, 80, 120, 160], "the decoder is told"


def stamp_anew(source: Path, path: Path, stamp: Callable[[int], int]) -> Path:
    """Copy a picture with the time stamps of `stamp`, in milliseconds by the frame's number."""
    with av.open(str(source)) as container, av.open(str(path), "w", format="matroska") as copy:
        stream = copy.add_stream_from_template(container.streams.video[0])
        for number, packet in enumerate(p for p in container.demux() if p.size):
            packet.pts = packet.dts = stamp(number)
            packet.stream = stream
            copy.mux(packet)
    return path


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
        refuse(tmp_path / name, MediaCorruptError)


def test_a_picture_cut_in_half_is_corrupt(tmp_path: Path) -> None:
    for suffix in (".jpg", ".png", ".webp"):
        whole = media.write_photo(tmp_path / f"a{suffix}", draw_corners())
        refuse(media.truncate(whole, tmp_path / f"b{suffix}", 0.5), MediaCorruptError)


def test_too_long_by_the_header(tmp_path: Path) -> None:
    path = media.write_sound(tmp_path / "a.wav", media.silence(4.0, 8000), 8000)
    error = refuse(path, MediaTooLongError, ReadLimits(max_clip_s=3.0))
    assert "3 s" in error.message


def test_too_long_without_a_duration_in_the_header(tmp_path: Path) -> None:
    path = media.write_video(tmp_path / "a.webm", grey_frames(36), None, 12, seekable=False)
    refuse(path, MediaTooLongError, ReadLimits(max_clip_s=2.0, read_s=1.0))


def test_pictures_of_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    limits = ReadLimits(max_frame_px=10_000, max_photo_px=10_000)
    refuse(
        media.write_video(tmp_path / "a.mp4", grey_frames(3), None, 3), MediaTooLargeError, limits
    )
    refuse(media.write_photo(tmp_path / "a.png", draw_corners()), MediaTooLargeError, limits)


def test_a_decompression_bomb_is_refuse(tmp_path: Path) -> None:
    side = 30_000
    header = b"IHDR" + side.to_bytes(4, "big") * 2 + b"\x08\x00\x00\x00\x00"
    chunks = [header, b"IDAT" + zlib.compress(bytes(side + 1) * 100)]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        (len(c) - 4).to_bytes(4, "big") + c + zlib.crc32(c).to_bytes(4, "big") for c in chunks
    )
    (tmp_path / "a.png").write_bytes(png)
    refuse(tmp_path / "a.png", MediaTooLargeError)


def test_a_decoder_that_is_too_slow_is_stopped(tmp_path: Path) -> None:
    path = media.write_video(tmp_path / "a.mp4", grey_frames(30), None, 12)
    refuse(path, MediaTooLargeError, ReadLimits(decode_s=0.0))


def test_a_picture_that_only_pretends_to_be_one(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Pillow.fromarray(draw_corners()).save(buffer, "GIF")
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue())
    refuse(tmp_path / "a.jpg", MediaTypeError)
