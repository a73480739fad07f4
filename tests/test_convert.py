"""Video to WAV."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from align.convert import video_to_wav
from tests import media
from utils.errors import MediaCorruptError, MediaNotFoundError, MediaTypeError


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
    for source, kind in ((silent, MediaCorruptError), (media.write_photo(tmp_path / "a.jpg"), MediaTypeError),
                         (media.text_as_video(tmp_path / "t.mp4"), MediaTypeError), (tmp_path / "gone.mp4", MediaNotFoundError)):
        with pytest.raises(kind):
            video_to_wav(source, tmp_path / "a.wav")
        assert not (tmp_path / "a.wav").exists()
