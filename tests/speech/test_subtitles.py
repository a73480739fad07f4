"""Subtitles and plain text."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from speech.subtitles import format_time, write_srt, write_text, write_vtt


@dataclass(frozen=True)
class Caption:
    start_s: float
    end_s: float
    text: str
    speaker: str = ""


CAPTIONS = [Caption(0.5, 2.25, "Good morning."), Caption(3661.0, 3662.5, "1 < 2 & 3", "Ann")]


def test_srt() -> None:
    assert write_srt(CAPTIONS) == (
        "1\n00:00:00,500 --> 00:00:02,250\nGood morning.\n\n"
        "2\n01:01:01,000 --> 01:01:02,500\nAnn: 1 < 2 & 3\n"
    )


def test_vtt() -> None:
    assert write_vtt(CAPTIONS) == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:02.250\nGood morning.\n"
        "\n01:01:01.000 --> 01:01:02.500\n<v Ann>1 &lt; 2 &amp; 3\n"
    )


def test_text() -> None:
    assert write_text(CAPTIONS) == "Good morning.\nAnn: 1 < 2 & 3\n"


def test_nothing_said() -> None:
    assert write_srt([]) == ""
    assert write_vtt([]) == "WEBVTT\n"
    assert write_text([]) == ""


def test_a_text_cannot_break_out_of_its_subtitle() -> None:
    broken = Caption(0.0, 0.0, "one\n\n2\n00:00:01,000 --> x", "A\nb")
    assert write_srt([broken]).count("\n\n") == 0
    assert "00:00:00,000 --> 00:00:00,001" in write_srt([broken])


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "00:00:00,000"), (59.9996, "00:01:00,000"), (-1.0, "00:00:00,000")]
)
def test_times_are_rounded_once(seconds: float, text: str) -> None:
    assert format_time(seconds, ",") == text
