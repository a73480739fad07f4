"""Telling formats from first bytes that are cut, wrapped or tagged, as recorders leave them."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image as Pillow

from align.decode import ReadLimits, read_clip
from align.photo import count_scans
from align.sniff import SNIFF_BYTES, describe, sniff
from tests.support import media
from tests.support.pictures import draw_corners, grey_frames
from utils.errors import MediaTooLargeError, MediaTypeError

LIMITS = ReadLimits(max_frames=6)
_PACKET = 188


def write_stream(path: Path, options: dict[str, str] | None = None) -> bytes:
    """Write a transport stream of 1 s, and give its bytes."""
    made = media.write_video(
        path.with_suffix(".mpegts"),
        grey_frames(12),
        media.tone(1.0),
        12,
        codec="mpeg2video",
        sound_codec="mp2",
        options=options,
    )
    return made.read_bytes()


def widen(stream: bytes) -> bytes:
    packets = [stream[at : at + _PACKET] for at in range(0, len(stream), _PACKET)]
    return b"".join(packet + bytes(16) for packet in packets)


@pytest.mark.parametrize(
    "change",
    [
        lambda stream: stream[_PACKET * 8 + 150 :],
        lambda stream: stream[_PACKET * 8 + 3 :],
        widen,
    ],
    ids=["late amid a packet", "early amid a packet", "with checksums"],
)
def test_a_transport_stream_begins_anywhere(
    tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "a.ts"
    path.write_bytes(change(write_stream(path)))
    clip = read_clip(path, LIMITS)
    assert len(clip.frames) >= 3
    assert clip.waveform is not None


def test_the_packets_of_camcorders_are_read(tmp_path: Path) -> None:
    path = tmp_path / "00001.mts"
    path.write_bytes(write_stream(path, {"mpegts_m2ts_mode": "1"}))
    assert path.read_bytes()[4] == 0x47
    assert len(read_clip(path, LIMITS).frames) == 6


@pytest.mark.parametrize(("suffix", "codec"), [(".h264", "libx264"), (".hevc", "libx265")])
def test_pictures_without_a_container_are_read(tmp_path: Path, suffix: str, codec: str) -> None:
    path = media.write_video(tmp_path / f"a{suffix}", grey_frames(25), None, 25, codec=codec)
    clip = read_clip(path, LIMITS)
    assert len(clip.frames) == 6
    assert clip.frames[-1].time_s == pytest.approx(0.9, abs=0.15)


@pytest.mark.parametrize("suffix", [".flac", ".aac"])
@pytest.mark.parametrize("tags", [1, 2])
def test_tags_before_a_sound_do_not_make_it_mp3(tmp_path: Path, suffix: str, tags: int) -> None:
    path = media.write_sound(tmp_path / f"a{suffix}", media.tone(1.0))
    tag = b"ID3\x04\x00\x00" + bytes([0, 0, 5, 0]) + bytes(5 << 7)
    path.write_bytes(tag * tags + path.read_bytes())
    clip = read_clip(path, LIMITS)
    assert clip.waveform is not None
    assert len(clip.waveform.samples) == pytest.approx(16000, rel=0.1)


@pytest.mark.parametrize("size", [b"\x7f\x7f\x7f\x7f", b"\x00\x00\x00\x00"])
def test_a_tag_that_lies_about_its_size_changes_nothing(tmp_path: Path, size: bytes) -> None:
    (tmp_path / "a.mp3").write_bytes(b"ID3\x04\x00\x00" + size + b"fLaC")
    kind = sniff((tmp_path / "a.mp3").read_bytes())
    assert kind is not None
    assert kind.name == "mp3"


def piece_of_webm(tmp_path: Path, mark: bytes) -> bytes:
    path = media.write_video(tmp_path / "a.webm", grey_frames(25), media.tone(1.0), 25)
    data = path.read_bytes()
    cluster = data.index(b"\x1f\x43\xb6\x75")
    return data[data.index(mark, cluster) :]


@pytest.mark.parametrize("mark", [b"\x1f\x43\xb6\x75", b"\xa3"])
def test_a_later_piece_of_a_browser_s_recording_is_named(tmp_path: Path, mark: bytes) -> None:
    piece = piece_of_webm(tmp_path, mark)
    (tmp_path / "b.webm").write_bytes(piece)
    with pytest.raises(MediaTypeError, match="without its beginning"):
        read_clip(tmp_path / "b.webm", LIMITS)


@pytest.mark.parametrize("box", [b"styp", b"moof", b"sidx"])
def test_a_later_piece_of_an_mp4_is_named(box: bytes) -> None:
    head = b"\x00\x00\x00\x18" + box + bytes(16)
    assert sniff(head) is None
    assert "without its beginning" in describe(head)


@pytest.mark.parametrize("before", [b"", b"data:audio/wav;base64,", b"data:a/b;codecs=c,d;base64,"])
def test_base64_is_named_with_what_it_holds(tmp_path: Path, before: bytes) -> None:
    path = media.write_sound(tmp_path / "a.wav", media.tone(1.0))
    text = before + base64.b64encode(path.read_bytes())
    assert "wav in Base64" in describe(text[:SNIFF_BYTES])


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"<!DOCTYPE html><html><body>404</body></html>", "a web page"),
        (b"\x02#!SILK_V3" + bytes(20), "SILK"),
        (b"DHAV\xf1\x00" + bytes(20), "surveillance camera"),
        (b"ordinary words without any meaning to a decoder of sound or pictures " * 3, "text"),
        (b"A" * 200, "text"),
    ],
)
def test_what_else_comes_is_named(head: bytes, words: str) -> None:
    assert sniff(head) is None
    assert words in describe(head)


def write_progressive() -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(draw_corners()).save(buffer, "JPEG", progressive=True)
    return buffer.getvalue()


def test_a_picture_of_thousands_of_scans_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    """Each scan of it takes the time of the whole picture, and 96 bytes."""
    data = write_progressive()
    assert 2 <= count_scans(data) <= 20
    scan = data[data.rindex(b"\xff\xda") : -2]
    (tmp_path / "a.jpg").write_bytes(data[:-2] + scan * 200 + b"\xff\xd9")
    with pytest.raises(MediaTooLargeError, match="scans"):
        read_clip(tmp_path / "a.jpg", LIMITS)


@pytest.mark.parametrize("number", [0x01, 0x02, 0xBF])
def test_scans_are_not_hidden_behind_a_marker_without_a_length(number: int) -> None:
    """Decoders pass over the marker and read on. Its next bytes are no length."""
    data = write_progressive()
    scan = data[data.rindex(b"\xff\xda") : -2]
    hidden = data[:-2] + bytes([0xFF, number]) + b"\x7f\x00" + scan * 200 + b"\xff\xd9"
    assert count_scans(hidden) == count_scans(data[:-2] + scan * 200) > 100


def test_fill_bytes_take_no_time_to_speak_of() -> None:
    """A marker may have any number of bytes before it. It took the square of their number."""
    data = write_progressive()
    begun_s = time.process_time()
    assert count_scans(data[:-2] + bytes([255]) * 200_000 + b"\x00") == count_scans(data)
    assert time.process_time() - begun_s < 5


def test_a_film_behind_a_photograph_counts_for_no_scans(tmp_path: Path) -> None:
    """As phones append it to a photograph that moves."""
    path = media.write_photo(tmp_path / "a.jpg", draw_corners())
    path.write_bytes(path.read_bytes() + b"\xff\xda\x00\x02" * 500)
    assert count_scans(path.read_bytes()) == 1
    assert len(read_clip(path, LIMITS).frames) == 1
