"""Which voice of the session is heard, where several speak in one stretch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from recognition.recognizer import Recognizer
from speech.live_options import LiveOptions
from speech.live_voices import LiveVoices, Part
from tests.support.gallery_parts import direction, make_recognizer

ALIKE = direction("voice", 1)


@pytest.fixture
def recognizer(tmp_path: Path) -> Iterator[Recognizer]:
    opened = make_recognizer(tmp_path)
    yield opened
    opened.close()


def test_voices_of_one_stretch_are_two_people(recognizer: Recognizer) -> None:
    """They are as alike as can be, as over a telephone, and yet speak beside each other."""
    voices = LiveVoices(recognizer.voices, LiveOptions())
    first, second = voices.hear([Part(ALIKE, 3.0), Part(ALIKE, 3.0)])
    assert first is not None
    assert second is not None
    assert first is not second
    assert {first.label.speaker.label, second.label.speaker.label} == {"unknown 1", "unknown 2"}
    again = voices.hear([Part(ALIKE, 3.0), Part(ALIKE, 3.0)])
    assert set(again) == {first, second}
    (alone,) = voices.hear([Part(ALIKE, 3.0)])
    assert alone in (first, second)


def test_each_voice_of_a_stretch_finds_its_own(recognizer: Recognizer) -> None:
    voices = LiveVoices(recognizer.voices, LiveOptions())
    (first,) = voices.hear([Part(direction("voice", 1), 3.0)])
    (second,) = voices.hear([Part(direction("voice", 2), 3.0)])
    heard = voices.hear([Part(direction("voice", 2), 2.0), Part(direction("voice", 1), 2.0)])
    assert heard == [second, first]


def test_a_short_piece_makes_no_voice(recognizer: Recognizer) -> None:
    voices = LiveVoices(recognizer.voices, LiveOptions())
    assert voices.hear([Part(ALIKE, 0.4)]) == [None]
    assert voices.hear([]) == []


def test_no_more_voices_than_the_options_allow(recognizer: Recognizer) -> None:
    voices = LiveVoices(recognizer.voices, LiveOptions(num_speakers=1))
    (first,) = voices.hear([Part(direction("voice", 1), 3.0)])
    assert voices.hear([Part(direction("voice", 2), 3.0)]) == [first]
    both = [Part(direction("voice", 1), 3.0), Part(direction("voice", 2), 3.0)]
    assert voices.hear(both) == [first, first]
    fresh = LiveVoices(recognizer.voices, LiveOptions(num_speakers=1))
    assert len(set(fresh.hear(both))) == 1
