"""The formats of transcripts, and how subtitles and plain text are written. Pure.

SRT is the form of SubRip, VTT that of the W3C (https://www.w3.org/TR/webvtt1/). The names
are those of OpenAI's API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol


class Caption(Protocol):
    """A line with its times in seconds, and who speaks, or an empty text."""

    @property
    def start_s(self) -> float:
        """When it appears."""

    @property
    def end_s(self) -> float:
        """When it goes."""

    @property
    def text(self) -> str:
        """What is said."""

    @property
    def speaker(self) -> str:
        """Who says it."""


def write_text(captions: Iterable[Caption]) -> str:
    """Write a line for each caption, with the speaker where there is one."""
    return "".join(f"{_with_speaker(c)}\n" for c in captions)


def write_srt(captions: Iterable[Caption]) -> str:
    """Write SubRip."""
    return "\n".join(
        f"{number}\n{_span(c, ',')}\n{_one_line(_with_speaker(c))}\n"
        for number, c in enumerate(captions, 1)
    )


def write_vtt(captions: Iterable[Caption]) -> str:
    """Write WebVTT, with the speaker as a voice span."""
    cues = (f"\n{_span(c, '.')}\n{_voice(c)}\n" for c in captions)
    return "WEBVTT\n" + "".join(cues)


def format_time(seconds: float, mark: str) -> str:
    """Write seconds as 01:02:03.004, with `mark` before the milliseconds."""
    milliseconds = round(max(seconds, 0.0) * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{mark}{milliseconds % 1000:03}"


def _span(caption: Caption, mark: str) -> str:
    end_s = max(caption.end_s, caption.start_s + 0.001)
    return f"{format_time(caption.start_s, mark)} --> {format_time(end_s, mark)}"


def _with_speaker(caption: Caption) -> str:
    return f"{caption.speaker}: {caption.text}" if caption.speaker else caption.text


def _voice(caption: Caption) -> str:
    text = _escape(_one_line(caption.text))
    if not caption.speaker:
        return text
    return f"<v {_escape(_one_line(caption.speaker))}>{text}"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _one_line(text: str) -> str:
    """Join the lines of a text: an empty one would end the subtitle."""
    return " ".join(text.split())


@dataclass(frozen=True)
class TextFormat:
    """How lines are written as text, the ending of such a file, and its media type."""

    write: Callable[[Iterable[Caption]], str]
    suffix: str
    media_type: str


TEXT_FORMATS = {
    "text": TextFormat(write_text, ".txt", "text/plain"),
    "srt": TextFormat(write_srt, ".srt", "application/x-subrip"),
    "vtt": TextFormat(write_vtt, ".vtt", "text/vtt"),
}
DIARIZED = "diarized_json"
JSON_FORMATS = ("json", "verbose_json", DIARIZED)
"""`speech.transcripts.WRITE_JSON` writes them."""
FORMATS = (*TEXT_FORMATS, *JSON_FORMATS)
