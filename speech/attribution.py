"""Words to those who say them: a transcript out of lines and turns. Pure.

A word belongs to the voice that speaks most of its time, and else to the nearest one.
The lines of an engine are cut where the speaker changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from speech.lines import Line
from speech.ports import Word
from speech.speakers import LEAST_S, NOBODY, Diarisation
from speech.transcripts import SpokenLine
from speech.turns import Turn
from utils.arrays import Float64Array

# Voices that speak together for less are not marked: it is the haste of a change
_LEAST_OVERLAP_S = 0.3


def attribute(lines: Iterable[Line], diarisation: Diarisation) -> list[SpokenLine]:
    """Say who says each line, in the order of their starts.

    Lines in which the speaker changes are cut.
    """
    book = _Turns(diarisation.turns)
    spoken: list[SpokenLine] = []
    for line in lines:
        spoken += _attribute_line(line, book, diarisation)
    return sorted(spoken, key=lambda one: one.start_s)


def _attribute_line(line: Line, book: _Turns, diarisation: Diarisation) -> Iterator[SpokenLine]:
    placed = [(word, book.find(word)) for word in line.words]
    for _, group in groupby(placed, key=lambda pair: pair[1].voice if pair[1] else None):
        pairs = list(group)
        part = replace(line, words=tuple(word for word, _ in pairs))
        turn = pairs[0][1]
        if turn is None:
            yield SpokenLine(part, NOBODY)
            continue
        who = diarisation.speakers[turn.voice]
        turns = {t for _, t in pairs if t}
        is_short = max(t.clean_s for t in turns) < LEAST_S
        is_unseen = who.decided_by == "face" and turns.isdisjoint(diarisation.seen)
        yield SpokenLine(
            part,
            who,
            is_inferred=is_short or is_unseen,
            overlaps=book.overlap_s(turn.voice, part.start_s, part.end_s) >= _LEAST_OVERLAP_S,
        )


class _Turns:
    """The turns of a recording, to be searched by time."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = turns
        self._starts = np.array([turn.start_s for turn in turns])
        self._ends = np.array([turn.end_s for turn in turns])
        self._voices = np.array([turn.voice for turn in turns])

    def find(self, word: Word) -> Turn | None:
        """Find the turn that a word is part of. None: nobody speaks at all."""
        if not len(self._turns):
            return None
        # Engines begin a word early. Below 0 it is the distance to the turn
        middle_s = (word.start_s + word.end_s) / 2
        overlap_s = self._measure_overlap(middle_s, word.end_s)
        return self._turns[int(overlap_s.argmax())]

    def overlap_s(self, voice: int, start_s: float, end_s: float) -> float:
        """Seconds between two times in which another voice speaks while this one does."""
        own = self._voices == voice
        total = 0.0
        for row in np.flatnonzero(own & (self._measure_overlap(start_s, end_s) > 0)):
            first = max(start_s, self._starts[row])
            last = min(end_s, self._ends[row])
            total += float(np.maximum(self._measure_overlap(first, last)[~own], 0.0).sum())
        return total

    def _measure_overlap(self, start_s: float, end_s: float) -> Float64Array:
        shared = np.minimum(self._ends, end_s) - np.maximum(self._starts, start_s)
        return np.asarray(shared, np.float64)
