"""Video to WAV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from align.convert import video_to_wav
from tests.support import media
from utils.errors import MediaCorruptError, MediaNotFoundError, MediaTypeError, OutputError


def test_the_sound_track_becomes_16_khz_mono(tmp_path: Path) -> None:
    frames = [np.zeros((96, 160, 3), np.uint8)] * 12
    source = media.write_video(tmp_path / "a b.mp4", frames, media.tone(1.0), 12)
    seconds = video_to_wav(source, tmp_path / "a.wav")
    samples, rate = soundfile.read(tmp_path / "a.wav")
    assert rate == 16_000
    assert samples.ndim == 1
    assert seconds == pytest.approx(1.0, abs=0.05) == len(samples) / rate
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.1)


def test_without_sound_nothing_is_left_behind(tmp_path: Path) -> None:
    silent = media.write_video(tmp_path / "a.mp4", [np.zeros((96, 160, 3), np.uint8)] * 3, None, 3)
    for source, kind in (
        (silent, MediaCorruptError),
        (media.write_photo(tmp_path / "a.jpg"), MediaTypeError),
        (media.text_as_video(tmp_path / "t.mp4"), MediaTypeError),
        (tmp_path / "gone.mp4", MediaNotFoundError),
    ):
        with pytest.raises(kind):
            video_to_wav(source, tmp_path / "a.wav")
        assert not list(tmp_path.glob("*.wav*")) + list(tmp_path.glob(".*"))


def test_nothing_that_was_there_is_lost(tmp_path: Path) -> None:
    """The source stays, also where it is the target, and so does another file there."""
    sound = _wav(tmp_path / "a.wav", 1.0)
    before = sound.read_bytes()
    silent = media.write_video(tmp_path / "a.mp4", [np.zeros((96, 160, 3), np.uint8)] * 3, None, 3)
    (tmp_path / "folder").write_text("a file")
    (tmp_path / "b.wav").mkdir()
    for source, target, overwrite, kind in (
        (sound, sound, False, OutputError),
        (sound, sound, True, OutputError),
        (silent, sound, False, OutputError),
        (silent, sound, True, MediaCorruptError),
        (sound, tmp_path / "folder/a.wav", False, OutputError),
        (sound, tmp_path / "b.wav", True, OutputError),
    ):
        with pytest.raises(kind):
            video_to_wav(source, target, overwrite=overwrite)
        assert sound.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "a.wav", "b.wav", "folder"]


def test_overwrites_where_it_may_and_makes_the_folder(tmp_path: Path) -> None:
    target = tmp_path / "new/folder/a.wav"
    video_to_wav(_wav(tmp_path / "a.wav", 1.0), target)
    assert video_to_wav(_wav(tmp_path / "b.wav", 0.5), target, overwrite=True) == pytest.approx(
        0.5, abs=0.01
    )
    assert soundfile.info(target).duration == pytest.approx(0.5, abs=0.01)
    assert oct(target.stat().st_mode)[-3:] == oct((tmp_path / "a.wav").stat().st_mode)[-3:]


def _wav(file: Path, seconds: float) -> Path:
    soundfile.write(file, media.tone(seconds, rate_hz=16_000), 16_000)
    return file
