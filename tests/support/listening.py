"""Speech to text that hears what a test tells it to."""

from __future__ import annotations

import numpy as np
import pytest

from speech import scribe
from speech.ports import Passage, SpeechModel, Word
from speech.scribe import Scribe
from utils.arrays import Float32Array


class Listener:
    """An engine that hears what it is told to."""

    said = ""
    model = SpeechModel("told", "0" * 64, ("en", "ko", "zh"), "none")

    def transcribe(
        self,
        speech: Float32Array,
        *,
        language: str | None = None,
        prompt: str = "",
        is_live: bool = False,
    ) -> Passage:
        """Write down `said`, whatever is heard."""
        assert language
        assert speech.dtype == np.float32
        return Passage(
            words=(Word(self.said, 0.0, 1.0, probability=0.9),),
            language=language,
            language_probability=1.0,
            mean_log_probability=-0.1,
            no_speech_probability=0.0,
            compression_ratio=1.0,
        )


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Listener:
    """The engine of every service of this process."""
    engine = Listener()
    monkeypatch.setattr(Scribe, "_load", lambda _: engine)
    monkeypatch.setattr(scribe, "is_installed", lambda _: True)
    return engine
