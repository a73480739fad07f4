"""From probabilities of signs to the signs that were said. Pure.

`decode_greedily` takes the most probable output of each step. `search_beam` sums up all
ways to write a text, and keeps the most probable beginnings (A. Hannun et al., "First-Pass
Large Vocabulary Continuous Speech Recognition using Bi-Directional Recurrent DNNs",
2014). It may be guided by a list of words or by an n-gram.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from speech.ctc.guide import FREE, Guide, State
from speech.ctc.vocabulary import BLANK
from utils.arrays import Float32Array

NOTHING = float("-inf")
# Signs less probable than this are not tried
_LEAST_LOG_PROBABILITY = -9.0


@dataclass(frozen=True)
class Spelling:
    """Outputs that were decoded.

    Attributes:
        outputs: numbers of the signs.
        steps: step at which each sign begins.
        log_probabilities: natural logarithm for each sign: of the output at that step.
    """

    outputs: tuple[int, ...]
    steps: tuple[int, ...]
    log_probabilities: tuple[float, ...]


def decode_greedily(log_probabilities: Float32Array) -> Spelling:
    """Decode natural log probabilities (steps, outputs) step by step."""
    best = log_probabilities.argmax(axis=1)
    changes = np.flatnonzero(np.diff(best, prepend=BLANK) != 0)
    steps = [int(step) for step in changes if best[step] != BLANK]
    return _spelling(log_probabilities, tuple(int(best[step]) for step in steps), tuple(steps))


def search_beam(log_probabilities: Float32Array, width: int, guide: Guide = FREE) -> Spelling:
    """Search for the most probable text.

    Args:
        log_probabilities: natural logarithm (steps, outputs).
        width: beginnings that are kept at each step.
        guide: which words there are, and how likely they follow each other.
    """
    beams: _Beams = {(): _Beam(blank=0.0, state=guide.start)}
    for step, row in enumerate(log_probabilities):
        beams = _advance(beams, step, row, guide)
        beams = dict(sorted(beams.items(), key=lambda item: -item[1].worth)[:width])
    outputs = max(beams, key=lambda one: _final_worth(beams[one], guide))
    best = beams[outputs]
    if _final_worth(best, guide) == NOTHING:
        # Every beginning stops in the middle of a word, which is left out.
        outputs = outputs[: len(outputs) - len(best.state.letters)]
    return _spelling(log_probabilities, outputs, best.steps[: len(outputs)])


@dataclass
class _Beam:
    """A beginning of a text: log probability that it ends in a blank, and in its last sign."""

    state: State
    blank: float = NOTHING
    sign: float = NOTHING
    steps: tuple[int, ...] = ()

    @property
    def total(self) -> float:
        """Log probability."""
        return _add(self.blank, self.sign)

    @property
    def worth(self) -> float:
        """Log probability, and what the guide says."""
        return self.total + self.state.score


def _final_worth(beam: _Beam, guide: Guide) -> float:
    return beam.total + guide.finish(beam.state)


_Beams = dict[tuple[int, ...], _Beam]


def _advance(beams: _Beams, step: int, row: Float32Array, guide: Guide) -> _Beams:
    """Go on by one step."""
    likely = [int(o) for o in np.flatnonzero(row > _LEAST_LOG_PROBABILITY) if o != BLANK]
    after = {outputs: _stay(outputs, beam, row) for outputs, beam in beams.items()}
    for outputs, beam in beams.items():
        for output, state in _follow(beam, likely, guide):
            before = beam.blank if outputs and output == outputs[-1] else beam.total
            longer = after.setdefault(
                (*outputs, output), _Beam(state=state, steps=(*beam.steps, step))
            )
            longer.sign = _add(longer.sign, before + float(row[output]))
    return after


def _stay(outputs: tuple[int, ...], beam: _Beam, row: Float32Array) -> _Beam:
    """The same beginning after a step that adds no sign."""
    sign = beam.sign + float(row[outputs[-1]]) if outputs else NOTHING
    blank = beam.total + float(row[BLANK])
    return _Beam(state=beam.state, blank=blank, sign=sign, steps=beam.steps)


def _follow(beam: _Beam, likely: list[int], guide: Guide) -> Iterator[tuple[int, State]]:
    """Yield the outputs that may follow, with the state of the guide after each."""
    for output in likely:
        state = guide.follow(beam.state, output)
        if state is not None:
            yield output, state


def _add(a: float, b: float) -> float:
    """Add probabilities that are given as logarithms."""
    return float(np.logaddexp(a, b)) if NOTHING not in (a, b) else max(a, b)


def _spelling(
    log_probabilities: Float32Array, outputs: tuple[int, ...], steps: tuple[int, ...]
) -> Spelling:
    values = log_probabilities[list(steps), list(outputs)] if outputs else ()
    return Spelling(outputs, steps, tuple(map(float, values)))
