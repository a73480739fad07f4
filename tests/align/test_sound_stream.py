"""The sound of a file, block by block."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from align.decode import read_clip
from align.limits import ReadLimits
from align.sound_decoder import open_sound_apart
from align.sound_stream import MOST_CHANNELS, open_sound
from tests.support import media_sound
from utils.arrays import RATE_HZ, Float32Array
from utils.errors import (
    MediaCorruptError,
    MediaEmptyError,
    MediaNotFoundError,
    MediaTooLongError,
    MediaTypeError,
    NoBiometricError,
)


def read(path: Path, max_s: float = 100.0) -> tuple[Float32Array, float]:
    with open_sound(path, max_s=max_s) as sound:
        blocks = list(sound.blocks)
    assert max(map(len, blocks)) < 4 * RATE_HZ
    return np.concatenate(blocks), sound.duration_s


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    path = tmp_path / "talk.wav"
    soundfile.write(path, media_sound.speech(1, 5.0), media_sound.RATE_HZ)
    return path


def test_blocks_are_the_sound_of_the_whole_clip(talk: Path) -> None:
    samples, duration_s = read(talk)
    clip = read_clip(talk, ReadLimits())
    assert clip.waveform is not None
    np.testing.assert_array_equal(samples, clip.waveform.samples)
    assert duration_s == pytest.approx(5.0)


@pytest.mark.parametrize("channels", [2, 8, 10])
def test_channels_are_kept_apart_where_that_is_asked(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "several.wav"
    level = np.arange(1, channels + 1, dtype=np.float32) / 20
    soundfile.write(path, np.tile(level, (RATE_HZ * 3, 1)), RATE_HZ, subtype="FLOAT")
    with (
        open_sound(path, max_s=9, is_separate=True) as sound,
        open_sound_apart(path, max_s=9, is_separate=True) as apart,
    ):
        kept = min(channels, MOST_CHANNELS)
        assert sound.channels == apart.channels == kept
        samples = np.concatenate(list(sound.blocks))
        np.testing.assert_allclose(samples, np.tile(level[:kept], (RATE_HZ * 3, 1)), atol=1e-3)
        np.testing.assert_array_equal(np.concatenate(list(apart.blocks)), samples)


def test_channels_are_mixed(tmp_path: Path) -> None:
    path = tmp_path / "eight.wav"
    tone = media_sound.tone(1.0, rate_hz=RATE_HZ)
    soundfile.write(path, np.stack([tone] * 8, axis=1), RATE_HZ, subtype="FLOAT")
    samples, _ = read(path)
    np.testing.assert_allclose(samples, tone, atol=1e-4)


def test_a_long_recording_is_refused(talk: Path) -> None:
    with pytest.raises(MediaTooLongError, match=r"4 s\. Received: 5 s"):
        read(talk, max_s=4.0)


def test_a_recording_that_states_no_length_is_refused_while_it_is_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "talk.mp3"
    soundfile.write(path, media_sound.speech(1, 5.0), media_sound.RATE_HZ)
    with open_sound(path, max_s=100.0) as sound:
        whole = sum(map(len, sound.blocks)) / RATE_HZ
    with pytest.raises(MediaTooLongError):
        read(path, max_s=whole / 2)


def test_a_cut_off_file_gives_what_it_has(talk: Path) -> None:
    data = talk.read_bytes()
    talk.write_bytes(data[: len(data) // 2])
    samples, _ = read(talk)
    assert len(samples) / RATE_HZ == pytest.approx(2.5, abs=0.1)


def test_what_has_no_sound(tmp_path: Path) -> None:
    with pytest.raises(MediaNotFoundError):
        read(tmp_path / "missing.wav")
    for content, error in ((b"", MediaEmptyError), (b"just a text", MediaTypeError)):
        path = tmp_path / "file.wav"
        path.write_bytes(content)
        with pytest.raises(error):
            read(path)
    header = tmp_path / "header.wav"
    soundfile.write(header, np.zeros(0, np.float32), RATE_HZ)
    with pytest.raises((MediaCorruptError, MediaEmptyError)):
        read(header)


def test_a_picture_has_no_sound(tmp_path: Path) -> None:
    import cv2

    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), np.zeros((40, 40, 3), np.uint8))
    with pytest.raises(NoBiometricError, match="picture"):
        read(path)
