"""Recordings decoded in a process of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from align.sound_decoder import open_sound_apart
from align.sound_stream import open_sound
from tests.support import media_sound
from tests.support.processes import note_processes
from utils.errors import MediaTooLongError, MediaTypeError


def test_it_gives_what_is_decoded_here(tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    soundfile.write(path, media_sound.speech(1, 3.3), media_sound.RATE_HZ)
    with open_sound_apart(path, max_s=10.0) as apart, open_sound(path, max_s=10.0) as here:
        assert apart.duration_s == here.duration_s
        for one, other in zip(apart.blocks, here.blocks, strict=True):
            np.testing.assert_array_equal(one, other)
    with pytest.raises(MediaTooLongError, match="Received: 3 s"), open_sound_apart(path, max_s=2):
        pass


def test_the_process_ends_with_the_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done with the sound may take long."""
    started = note_processes(monkeypatch, "align.sound_decoder")
    path = tmp_path / "talk.wav"
    soundfile.write(path, media_sound.speech(1, 1.0), media_sound.RATE_HZ)
    with open_sound_apart(path, max_s=10.0) as sound:
        assert [process.is_alive for process in started] == [True]
        list(sound.blocks)
        assert [process.is_alive for process in started] == [False]


def test_errors_come_over(tmp_path: Path) -> None:
    path = tmp_path / "text.wav"
    path.write_text("no sound", encoding="utf-8")
    with (
        pytest.raises(MediaTypeError, match="'the name'"),
        open_sound_apart(path, max_s=9.0, filename="the name"),
    ):
        pass
