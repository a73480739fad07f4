"""An engine that is held to digits hears digits, whatever is said."""

from __future__ import annotations

import io
import zipfile

import pytest
import soundfile

from speech.ports import DigitListener
from tests.support.recordings import DATA, syllables, tiny_english

VOICES = DATA.parent / "voices.zip"
SAID = "speechocean762/so0003/000030054.opus"


def test_whatever_is_said_digits_are_heard() -> None:
    engine = tiny_english()
    assert isinstance(engine, DigitListener)
    words = engine.hear_digits(syllables(2.0), "en", count=6)
    assert all(word.text.strip() in "0123456789" for word in words)


@pytest.mark.skipif(not VOICES.exists(), reason="the research recordings are not on this machine")
def test_digits_that_are_said_are_heard_in_their_time() -> None:
    with zipfile.ZipFile(VOICES) as archive:
        samples, _ = soundfile.read(io.BytesIO(archive.read(SAID)), dtype="float32")
    engine = tiny_english()
    assert isinstance(engine, DigitListener)
    words = engine.hear_digits(samples, "en", count=4)
    assert "".join(word.text.strip() for word in words) == "2599"
    starts = [word.start_s for word in words]
    assert starts == sorted(starts)
    assert 0 <= starts[0] < words[-1].end_s <= len(samples) / 16_000 + 0.1
