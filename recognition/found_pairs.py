"""Pairs of a gallery that may be one person: those that come near, and those that count."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gallery.records.distinct import Pair
from utils.arrays import Float64Array, IndexArray

MOST_EACH = 64
"""Most pairs of a person with those before: the likeliest."""
MOST_PAIRS = 100_000
"""Most pairs of a kind that are held: the likeliest."""


@dataclass
class Found:
    """Pairs and their ratios, by internal numbers, and people whose templates disagree."""

    alike: dict[Pair, float] = field(default_factory=dict)
    split: dict[Pair, float] = field(default_factory=dict)
    mixed: set[int] = field(default_factory=set)

    def forget(self, keys: set[int]) -> None:
        """Forget what was found of some people."""
        self.alike = {pair: llr for pair, llr in self.alike.items() if keys.isdisjoint(pair)}
        self.split = {pair: llr for pair, llr in self.split.items() if keys.isdisjoint(pair)}
        self.mixed -= keys

    def raise_bar(self, bar: float) -> None:
        """Forget the pairs of a ratio below `bar`."""
        self.alike = {pair: llr for pair, llr in self.alike.items() if llr >= bar}
        self.split = {pair: llr for pair, llr in self.split.items() if llr >= bar}

    def bound(self) -> None:
        """Keep the likeliest pairs where there are very many."""
        self.alike = _likeliest(self.alike)
        self.split = _likeliest(self.split)


@dataclass(frozen=True)
class Near:
    """Pairs (n,) that may be one person.

    Attributes:
        number: of those who are compared now, which one it is.
        row: the row of the other one.
        ratio: the highest by face, by voice and by both.
    """

    number: IndexArray
    row: IndexArray
    ratio: Float64Array

    def take(self, which: IndexArray) -> Near:
        """Take some of the pairs."""
        return Near(self.number[which], self.row[which], self.ratio[which])

    def join(self, other: Near) -> Near:
        """Join with others, and keep the `MOST_EACH` likeliest of each."""
        both = Near(
            np.concatenate([self.number, other.number]),
            np.concatenate([self.row, other.row]),
            np.concatenate([self.ratio, other.ratio]),
        )
        order = np.lexsort((-both.ratio, both.number))
        numbers = both.number[order]
        rank = np.arange(len(numbers)) - np.searchsorted(numbers, numbers)
        return both.take(order[rank < MOST_EACH])


def _likeliest(pairs: dict[Pair, float]) -> dict[Pair, float]:
    if len(pairs) <= MOST_PAIRS:
        return pairs
    return dict(sorted(pairs.items(), key=lambda item: -item[1])[:MOST_PAIRS])
