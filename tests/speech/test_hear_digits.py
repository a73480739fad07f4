"""An engine that is held to digits hears digits, whatever is said."""

from __future__ import annotations

import io
import zipfile

import pytest
import soundfile

from speech.digits import DOUBT, choose_digits
from speech.ports import DigitListener, DigitReadings, Word
from tests.support.recordings import DATA, syllables, tiny_english

VOICES = DATA.parent / "voices.zip"
SAID = "speechocean762/so0003/000030054.opus"


def test_whatever_is_said_digits_are_heard() -> None:
    engine = tiny_english()
    assert isinstance(engine, DigitListener)
    doubts = engine.hear_digits(syllables(2.0), "en", count=6).doubts
    assert all(set(digits) <= set("0123456789") for digits in doubts)
    assert min(doubts.values()) == 0
    assert any(len(digits) == 6 and not doubt for digits, doubt in doubts.items())


@pytest.mark.skipif(not VOICES.exists(), reason="the research recordings are not on this machine")
def test_digits_that_are_said_are_heard_in_their_time() -> None:
    with zipfile.ZipFile(VOICES) as archive:
        samples, _ = soundfile.read(io.BytesIO(archive.read(SAID)), dtype="float32")
    engine = tiny_english()
    assert isinstance(engine, DigitListener)
    readings = engine.hear_digits(samples, "en", count=4)
    assert readings.doubts["2599"] == 0
    words = choose_digits(readings, "en", "000000")
    assert "".join(word.text.strip() for word in words) == "2599"
    starts = [word.start_s for word in words]
    assert starts == sorted(starts)
    assert 0 <= starts[0] < words[-1].end_s <= len(samples) / 16_000 + 0.1


@pytest.mark.parametrize(
    ("asked", "heard"),
    [
        ("482913", "482913"),  # as likely as the likeliest
        ("482953", "482953"),
        ("482952", "482953"),  # nearer than the likeliest
        ("111111", "482913"),  # what is asked for is not heard because it is asked for
        ("770000", "482913"),
        ("777777", "482913"),  # all as far: the likeliest
    ],
)
def test_a_doubt_is_decided_by_what_is_asked_for(asked: str, heard: str) -> None:
    doubts = {"482913": 0.0, "482953": DOUBT, "111111": DOUBT + 0.1, "770000": 9.0}

    def place(digits: str) -> tuple[Word, ...]:
        return (Word(digits, 0.0, 1.0, probability=1.0),)

    (word,) = choose_digits(DigitReadings(doubts, place), "en", asked)
    assert word.text == heard


@pytest.mark.parametrize(
    ("written", "heard"),
    [
        ("forty-eight, twenty-nine, thirteen", "forty-eight, twenty-nine, thirteen"),
        ("forty-eight, thirteen", "4 8 2 3"),  # no nearer
        ("Good morning.", "4 8 2 3"),
    ],
)
def test_numbers_are_heard_as_they_are_written(written: str, heard: str) -> None:
    readings = DigitReadings(
        {"4823": 0.0},
        place=lambda digits: (Word(" ".join(digits), 0.0, 1.0, probability=1.0),),
        written=(Word(written, 0.0, 1.0, probability=1.0),),
    )
    (word,) = choose_digits(readings, "en", "482913")
    assert word.text == heard
