"""Transcripts: lines with a speaker each, and what is written of them in JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from speech.lines import Line, join_words
from speech.ports import Word
from speech.speakers import Speaker
from speech.subtitles import DIARIZED, Caption


@dataclass(frozen=True)
class SpokenLine:
    """A line and who says it.

    Attributes:
        line: the words.
        who: whose voice it is; None = that was not asked.
        is_inferred: the turn is too short to be decided by itself, or its face is not
            seen: it goes by the same voice elsewhere.
        overlaps: somebody else speaks at the same time.
    """

    line: Line
    who: Speaker | None = None
    is_inferred: bool = False
    overlaps: bool = False

    @property
    def speaker(self) -> str:
        """Name, or number of the stranger. Empty where that was not asked."""
        return self.who.label if self.who else ""

    @property
    def outcome(self) -> str:
        """Outcome of the speaker, or "inferred"."""
        outcome = self.who.outcome if self.who else ""
        return "inferred" if self.is_inferred and outcome == "named" else outcome

    @property
    def start_s(self) -> float:
        """Start of the first word."""
        return self.line.start_s

    @property
    def end_s(self) -> float:
        """End of the last word."""
        return self.line.end_s

    @property
    def text(self) -> str:
        """All words."""
        return self.line.text


@dataclass(frozen=True)
class Transcript:
    """What is said in a recording, and when.

    `language` is None where nothing is said and none was stated.
    """

    lines: tuple[SpokenLine, ...]
    language: str | None
    duration_s: float

    @property
    def text(self) -> str:
        """All lines, with a space between two."""
        return " ".join(line.text for line in self.lines)

    @property
    def named_ids(self) -> frozenset[str]:
        """Ids of all people of the gallery who are named."""
        return frozenset(
            line.who.person_id for line in self.lines if line.who and line.who.person_id
        )

    @property
    def words(self) -> list[Word]:
        """All words."""
        words: list[Word] = []
        for line in self.lines:
            words += line.line.words
        return words


def to_json(transcript: Transcript) -> dict[str, Any]:
    """Write the text alone."""
    return {"text": transcript.text}


def to_verbose_json(
    transcript: Transcript, granularities: Sequence[str] = ("segment", "word")
) -> dict[str, Any]:
    """Write text, lines and words with their times and figures."""
    body: dict[str, Any] = {
        "task": "transcribe",
        "language": transcript.language or "",
        "duration": round(transcript.duration_s, 3),
        "text": transcript.text,
    }
    if "segment" in granularities:
        body["segments"] = [_segment(number, line) for number, line in enumerate(transcript.lines)]
    if "word" in granularities:
        body["words"] = [word_to_json(word) for word in transcript.words]
    return body


def to_diarized_json(transcript: Transcript) -> dict[str, Any]:
    """Write the lines with those who say them."""
    return {
        "task": "transcribe",
        "language": transcript.language or "",
        "duration": round(transcript.duration_s, 3),
        "text": transcript.text,
        "segments": [diarized_segment(n, line) for n, line in enumerate(transcript.lines)],
    }


def diarized_segment(number: int, spoken: SpokenLine) -> dict[str, Any]:
    """Write a line in the form of OpenAI's diarised segments, with whose voice it is."""
    who = spoken.who
    return {
        "type": "transcript.text.segment",
        "id": f"seg_{number:04}",
        "start": round(spoken.start_s, 3),
        "end": round(spoken.end_s, 3),
        "text": spoken.text,
        "speaker": spoken.speaker,
        "person_id": who.person_id if who else None,
        "outcome": spoken.outcome,
        "probability": round(who.probability, 4) if who and who.probability else None,
        "decided_by": who.decided_by if who else None,
        "overlap": spoken.overlaps,
    }


@dataclass(frozen=True)
class StoredLine:
    """A line as the result of a job has it."""

    start_s: float
    end_s: float
    text: str
    speaker: str


def captions_of(result: Mapping[str, Any]) -> list[StoredLine]:
    """Read the lines of what `to_diarized_json` returned."""
    return [
        StoredLine(one["start"], one["end"], one["text"], one["speaker"])
        for one in result["segments"]
    ]


def reword(captions: Iterable[Caption], word: Callable[[str], str]) -> list[StoredLine]:
    """Call those who speak by other words."""
    return [StoredLine(c.start_s, c.end_s, c.text, word(c.speaker)) for c in captions]


def word_to_json(word: Word) -> dict[str, Any]:
    """Write a word without the space before it."""
    return {
        "word": join_words([word]),
        "start": round(word.start_s, 3),
        "end": round(word.end_s, 3),
        "probability": round(word.probability, 4),
    }


def _segment(number: int, spoken: SpokenLine) -> dict[str, Any]:
    """A line in the form of OpenAI's segments, `seek`, `tokens` and `temperature` included."""
    line = spoken.line
    return {
        "id": number,
        "seek": round(line.start_s * 100),
        "start": round(line.start_s, 3),
        "end": round(line.end_s, 3),
        "text": line.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(line.mean_log_probability, 4),
        "compression_ratio": round(line.compression_ratio, 4),
        "no_speech_prob": round(line.no_speech_probability, 4),
    }


WRITE_JSON: Mapping[str, Callable[[Transcript], dict[str, Any]]] = {
    "json": to_json,
    "verbose_json": to_verbose_json,
    DIARIZED: to_diarized_json,
}
"""What writes a transcript in each of the JSON formats."""
