"""The engine writes as many tokens as the seconds of sound may hold, and not half of them."""

from __future__ import annotations

from typing import cast

import pytest

from speech.transcriber_whisper import WhisperTranscriber
from tests.support.recordings import syllables, tiny_english

SECONDS = 2.0
BUDGET = 56
"""Tokens for two seconds: 16, and 20 a second."""


@pytest.mark.parametrize("prompt", ["", "names that came before", "and so on " * 20])
def test_a_budget_is_written_to_the_end(monkeypatch: pytest.MonkeyPatch, prompt: str) -> None:
    engine = cast(WhisperTranscriber, tiny_english())
    endless = [*engine._suppressed_of("en"), engine._tokenizer_of("en").eot]
    monkeypatch.setattr(engine, "_suppressed_of", lambda _: endless)
    encoded, _ = engine._encode(syllables(SECONDS), is_live=True)
    tokens, _ = engine._decode(encoded, "en", prompt, SECONDS, beams=1)
    # After a long prompt, CTranslate2 does not count its first token
    assert len(tokens) in (BUDGET, BUDGET + 1)
