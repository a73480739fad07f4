"""Errors of a diarisation, as `pyannote.metrics` counts them. Pure.

The diarisation error rate (DER) is the time of speech that is missed, that is heard where
there is none, and that is given to the wrong speaker, by the time of speech. Where two
people speak, their time counts twice. Speakers of the reference and of the hypothesis
are matched one to one so that they share the most time (NIST, "The 2009 rich
transcription meeting recognition evaluation plan"). With names there is nothing to
match for those who are named: a name is right or wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from scipy.optimize import linear_sum_assignment


@dataclass(frozen=True)
class Stretch:
    """Somebody speaks from `start_s` to `end_s`."""

    start_s: float
    end_s: float
    speaker: str


@dataclass(frozen=True)
class DiarisationErrors:
    """Seconds of each kind of error, and of all speech."""

    missed_s: float
    false_s: float
    confused_s: float
    total_s: float

    @property
    def rate(self) -> float:
        """The error rate. 0 for no speech without errors, and else infinite."""
        errors_s = self.missed_s + self.false_s + self.confused_s
        return errors_s / self.total_s if self.total_s else float("inf") if errors_s else 0.0

    def __add__(self, other: DiarisationErrors) -> DiarisationErrors:
        return DiarisationErrors(
            self.missed_s + other.missed_s,
            self.false_s + other.false_s,
            self.confused_s + other.confused_s,
            self.total_s + other.total_s,
        )


@dataclass(frozen=True)
class _Moment:
    """A stretch of time in which nobody begins or ends."""

    seconds: float
    spoken: frozenset[str]
    heard: frozenset[str]


def count_diarisation_errors(
    reference: Sequence[Stretch],
    hypothesis: Sequence[Stretch],
    *,
    collar_s: float = 0.0,
    named: Collection[str] = (),
) -> DiarisationErrors:
    """Count the errors of a hypothesis.

    Args:
        reference: who speaks when.
        hypothesis: what was made of it.
        collar_s: seconds before and after each border of the reference that do not
            count.
        named: speakers who match their own name alone. The others are matched with
            whom they share the most time.
    """
    moments = list(_cut(reference, hypothesis, collar_s))
    names = _match(moments, named)
    missed_s = false_s = confused_s = total_s = 0.0
    for moment in moments:
        right = sum(names.get(speaker) in moment.heard for speaker in moment.spoken)
        both = min(len(moment.spoken), len(moment.heard))
        missed_s += moment.seconds * (len(moment.spoken) - both)
        false_s += moment.seconds * (len(moment.heard) - both)
        confused_s += moment.seconds * (both - right)
        total_s += moment.seconds * len(moment.spoken)
    return DiarisationErrors(missed_s, false_s, confused_s, total_s)


def _cut(
    reference: Sequence[Stretch], hypothesis: Sequence[Stretch], collar_s: float
) -> Iterator[_Moment]:
    """Cut the time at all borders, and leave out the collars."""
    edges = _edges(reference)
    borders = edges | _edges(hypothesis)
    borders |= {edge + side for edge, side in product(edges, (-collar_s, collar_s))}
    for start, end in pairwise(sorted(borders)):
        middle = (start + end) / 2
        if any(abs(middle - edge) < collar_s for edge in edges):
            continue
        yield _Moment(end - start, _at(middle, reference), _at(middle, hypothesis))


def _edges(stretches: Sequence[Stretch]) -> set[float]:
    return {s.start_s for s in stretches} | {s.end_s for s in stretches}


def _at(time_s: float, stretches: Sequence[Stretch]) -> frozenset[str]:
    return frozenset(s.speaker for s in stretches if s.start_s <= time_s < s.end_s)


def _match(moments: Sequence[_Moment], named: Collection[str]) -> Mapping[str, str]:
    """Match speakers of the reference with those of the hypothesis."""
    spoken = sorted(frozenset().union(*(moment.spoken for moment in moments)))
    heard = sorted(frozenset().union(*(moment.heard for moment in moments)))
    shared = np.zeros((len(spoken), len(heard)))
    for moment in moments:
        for one, other in product(moment.spoken, moment.heard):
            if one == other or not {one, other} & set(named):
                shared[spoken.index(one), heard.index(other)] += moment.seconds
    rows, columns = linear_sum_assignment(-shared)
    pairs = [(r, c) for r, c in zip(rows, columns, strict=True) if shared[r, c]]
    return {spoken[row]: heard[column] for row, column in pairs}
