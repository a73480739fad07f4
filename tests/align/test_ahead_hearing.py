"""Hearing beside the decoding: once, told as soon as the speech is known, and never silent."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from align.ahead import Ahead, Heard
from align.faces import FaceDetector
from align.speech import analyse_speech
from tests.support import media
from utils.media import Capture, Clip, Waveform


def examine_nothing(_: Clip, __: Ahead) -> Capture | None:
    return None


def test_one_sound_is_heard() -> None:
    """A decoder that is not what it was may tell of sounds without end."""
    heard: list[tuple[Waveform, ...]] = []

    def hear(waveforms: tuple[Waveform, ...], _: Callable[[Heard], None]) -> None:
        heard.append(waveforms)

    sounds = [(Waveform(media.tone(0.1), 16_000),) for _ in range(3)]
    with Ahead(FaceDetector(), hear, 2, examine_nothing) as ahead:
        for sound in sounds:
            ahead.hear(sound)
    assert heard == sounds[:1]


def test_what_was_heard_is_known_while_the_voice_is_embedded() -> None:
    embedded = threading.Event()
    nothing = analyse_speech(None, 1.0), 0, 0.0

    def hear(_: tuple[Waveform, ...], tell: Callable[[Heard], None]) -> None:
        tell(nothing)
        assert embedded.wait(60)
        raise ValueError("the encoder fails")

    with Ahead(FaceDetector(), hear, 2, examine_nothing) as ahead:
        ahead.hear(())
        assert ahead.result() is nothing
        embedded.set()
        with pytest.raises(ValueError, match="encoder"):
            ahead.finish()


def test_a_hearing_that_fails_is_told() -> None:
    def hear(*_: object) -> None:
        raise ValueError("no analysis")

    with Ahead(FaceDetector(), hear, 2, examine_nothing) as ahead:
        ahead.hear(())
        with pytest.raises(ValueError, match="no analysis"):
            ahead.result()
