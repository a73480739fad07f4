"""A recording from sound to lines: the chain around an engine."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from speech.ports import Transcriber
from speech.transcription_session import TranscriptionSession
from tests.support.media_sound import noise
from tests.support.recordings import (
    WordyEngine,
    needs_recordings,
    read_english,
    silence,
    syllables,
    tiny_english,
)
from utils.arrays import RATE_HZ, Float32Array


def write(engine: Any, sound: Float32Array, **options: Any) -> tuple[TranscriptionSession, str]:
    session = TranscriptionSession(cast(Transcriber, engine), **options)
    lines = []
    for start in range(0, len(sound), RATE_HZ):
        lines += session.accept(sound[start : start + RATE_HZ])
    lines += session.finish()
    return session, " ".join(line.text for line in lines)


def test_words_have_the_times_of_the_recording() -> None:
    session = TranscriptionSession(WordyEngine())
    lines = session.accept(np.concatenate([silence(5), syllables(2), silence(9), syllables(2)]))
    lines += session.finish()
    assert lines[0].start_s == pytest.approx(5.0, abs=0.4)
    assert lines[-1].end_s <= 18.0
    assert not [line for line in lines if 7.5 < line.start_s < 15.5]
    assert session.heard_s == pytest.approx(18.0)


def test_the_language_is_found_once() -> None:
    engine = WordyEngine(language="ko")
    session, _ = write(engine, syllables(65))
    assert engine.languages == [None, *["ko"] * (len(engine.languages) - 1)]
    assert len(engine.languages) > 1
    assert session.language == "ko"
    engine = WordyEngine()
    assert write(engine, syllables(2), language="ko")[0].language == "ko"
    assert engine.languages == ["ko"]


def test_an_engine_is_not_asked_about_silence() -> None:
    engine = WordyEngine()
    session, text = write(engine, silence(60))
    assert (engine.windows, text, session.language) == ([], "", None)


def test_what_nobody_said_is_dropped() -> None:
    assert write(WordyEngine(compression_ratio=9.0), syllables(3))[1] == ""


def test_windows_are_as_full_as_they_get() -> None:
    engine = WordyEngine()
    talk = np.concatenate([np.concatenate([syllables(4), silence(3)])] * 6)
    write(engine, talk)
    assert len(engine.windows) == 1


@needs_recordings
def test_read_english_is_written_down() -> None:
    _, text = write(tiny_english(), read_english("LJ001-0001"))
    assert "the only sense with which we are at present" in text
    _, quiet = write(tiny_english(), np.float32(0.005) * read_english("LJ001-0001"))
    assert "the only sense with which we are at present" in quiet


@pytest.mark.parametrize("level", [0.0, 0.001, 0.0316])
def test_the_real_engine_writes_nothing_of_noise(level: float) -> None:
    assert write(tiny_english(), noise(20, level, rate_hz=RATE_HZ))[1] == ""
