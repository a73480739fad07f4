"""N-grams in the ARPA format, as KenLM and SRILM write it. Pure but for the reading.

The format has the base-10 logarithms of probabilities and of back-off weights
(S. Katz, 1987). Its units are words, or single signs with a unit for the space.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from utils.errors import ModelError

_UNKNOWN = "<unk>"
_MARKS = ("<s>", "</s>", _UNKNOWN)
_SPACES = ("<space>", "▁", "|")
# Base-10 logarithm of a unit that the file does not know at all
_NEVER_SEEN = -7.0
_MOST_BYTES = 1 << 30

Units = tuple[str, ...]


@dataclass(frozen=True)
class NGram:
    """Logarithms to base 10, of the probability and of the back-off, by units."""

    values: Mapping[Units, tuple[float, float]]

    def score(self, word: str, history: Units) -> tuple[float, Units]:
        """Score a word after earlier units.

        Returns:
            Natural logarithm of its probability, and the history after it.
        """
        total = 0.0
        for unit in self._split(word):
            total += self._logarithm(unit, history)
            history = (*history, unit)[1 - self.order :] if self.order > 1 else ()
        return total * math.log(10), history

    @cached_property
    def order(self) -> int:
        """Units of the longest entries."""
        return max(map(len, self.values))

    @cached_property
    def space(self) -> str:
        """The unit that stands for a space, empty where units are words."""
        units = {units[0] for units in self.values if len(units) == 1} - set(_MARKS)
        spaces = [space for space in _SPACES if space in units]
        has_signs = all(len(unit) == 1 for unit in units - set(_SPACES))
        return spaces[0] if spaces and has_signs else ""

    def _split(self, word: str) -> Units:
        return (*word, self.space) if self.space else (word,)

    def _logarithm(self, unit: str, history: Units) -> float:
        """Look a unit up after the longest history that is known."""
        if (unit,) not in self.values:
            unit = _UNKNOWN
        backoff = 0.0
        for start in range(len(history) + 1):
            before = history[start:]
            if (*before, unit) in self.values:
                return backoff + self.values[(*before, unit)][0]
            backoff += self.values.get(before, (0.0, 0.0))[1] if before else 0.0
        return backoff + _NEVER_SEEN


def read_ngram(file: Path) -> NGram:
    """Read an n-gram in the ARPA format.

    Raises:
        ModelError: It is not in this format, or larger than a gigabyte.
    """
    try:
        values = dict(_entries(read_text(file)))
    except (ValueError, IndexError) as error:
        raise _no_arpa(file) from error
    if not values:
        raise _no_arpa(file)
    return NGram(values)


def read_text(file: Path) -> str:
    """Read a text in UTF-8 of a gigabyte at most. Raises ModelError."""
    try:
        if file.stat().st_size <= _MOST_BYTES:
            return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            f"A list of words or an n-gram must be readable text in UTF-8. Received: {file.name}"
        ) from error
    raise ModelError(f"An n-gram may have 1 GB. Received: {file.name}, which is larger")


def _entries(text: str) -> Iterator[tuple[Units, tuple[float, float]]]:
    order = 0
    for line in map(str.strip, text.splitlines()):
        if line.startswith("\\"):
            order = int(line[1:].partition("-")[0]) if line.endswith("-grams:") else 0
        elif line and order:
            logarithm, *rest = line.split()
            if len(rest) not in (order, order + 1):
                raise ValueError(line)
            backoff = float(rest[order]) if len(rest) > order else 0.0
            yield tuple(rest[:order]), (float(logarithm), backoff)


def _no_arpa(file: Path) -> ModelError:
    return ModelError(f"An n-gram must be a file in the ARPA format. Received: {file.name}")
