"""Lines of a transcript: words cut at pauses, ends of sentences, and before they get long.

Pure. One line suits a subtitle: two rows of 42 columns at most, where a letter of
Korean, Japanese or Chinese takes two columns.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from speech.ports import Passage, Word

_PAUSE_S = 0.8
_LONGEST_S = 7.0
_MOST_COLUMNS = 84
# Ends of sentences cut lines of so many seconds
_LEAST_SENTENCE_S = 1.0
_SENTENCE_ENDS = tuple(".?!。？！…")


@dataclass(frozen=True)
class Line:
    """A line of a transcript.

    Times are seconds from the start of the recording. The three figures are those of
    the passage that the line is part of (`speech.ports.Passage`).
    """

    words: tuple[Word, ...]
    mean_log_probability: float
    no_speech_probability: float
    compression_ratio: float

    @property
    def start_s(self) -> float:
        """Start of the first word."""
        return self.words[0].start_s

    @property
    def end_s(self) -> float:
        """End of the last word."""
        return self.words[-1].end_s

    @property
    def text(self) -> str:
        """All words."""
        return join_words(self.words)


def join_words(words: Iterable[Word]) -> str:
    """Join words to a text."""
    return "".join(word.text for word in words).strip()


def make_lines(words: Iterable[Word], passage: Passage) -> list[Line]:
    """Cut the words of a passage, in their final times, into lines."""
    return [
        Line(
            words=part,
            mean_log_probability=passage.mean_log_probability,
            no_speech_probability=passage.no_speech_probability,
            compression_ratio=passage.compression_ratio,
        )
        for part in split_words(words)
    ]


def split_words(words: Iterable[Word]) -> list[tuple[Word, ...]]:
    """Cut words into the lines that they make.

    What lies between two pauses or ends of sentences and is too long for one line
    makes several of about equal length.
    """
    stretches: list[list[Word]] = []
    for word in words:
        if not stretches or _begins_stretch(stretches[-1], word):
            stretches.append([])
        stretches[-1].append(word)
    return list(chain.from_iterable(map(_share_out, stretches)))


def _begins_stretch(stretch: list[Word], word: Word) -> bool:
    last = stretch[-1]
    is_sentence = last.end_s - stretch[0].start_s >= _LEAST_SENTENCE_S
    return word.start_s - last.end_s >= _PAUSE_S or (
        is_sentence and last.text.endswith(_SENTENCE_ENDS)
    )


def _share_out(stretch: list[Word]) -> list[tuple[Word, ...]]:
    """Share the words of a stretch out to as few lines as hold them."""
    columns = [count_columns(word.text) for word in stretch]
    duration_s = stretch[-1].end_s - stretch[0].start_s
    count = math.ceil(max(duration_s / _LONGEST_S, sum(columns) / _MOST_COLUMNS, 1))
    lines: list[list[Word]] = [[] for _ in range(count)]
    before = 0
    for word, width in zip(stretch, columns, strict=True):
        middle = before + width / 2
        lines[min(int(count * middle / max(sum(columns), 1)), count - 1)].append(word)
        before += width
    return [tuple(line) for line in lines if line]


def count_columns(text: str) -> int:
    """Count the columns that a text takes on a screen."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
