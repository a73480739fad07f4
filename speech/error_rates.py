"""Error rates of transcripts. Pure.

    rate = (substitutions + deletions + insertions) / length of what was said

over the fewest changes that turn what was said into what was written (V. Levenshtein,
1966). The character error rate (CER) counts characters, with spaces or without. The word
error rate (WER) counts words. Both sides are normalised first by `normalise`, whose
name in reports is "plain".
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

NORMALISER = "plain"


@dataclass(frozen=True)
class Errors:
    """Changes between what was said and what was written, and the length of the former."""

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    length: int = 0

    @property
    def rate(self) -> float:
        """Error rate. It may be above 1. Raises ValueError where nothing was said."""
        if not self.length:
            raise ValueError("An error rate needs a text that is not empty. Received: 0 signs")
        return self.count / self.length

    @property
    def count(self) -> int:
        """Number of changes of any kind."""
        return self.substitutions + self.deletions + self.insertions

    def __add__(self, other: Errors) -> Errors:
        return Errors(
            substitutions=self.substitutions + other.substitutions,
            deletions=self.deletions + other.deletions,
            insertions=self.insertions + other.insertions,
            length=self.length + other.length,
        )


def normalise(text: str) -> str:
    """Bring a text to lower case without punctuation and signs, one space between words.

    Compatible forms count as one (Unicode NFKC), so a Korean syllable equals its jamo.
    """
    plain = unicodedata.normalize("NFKC", text).lower()
    signs = (" " if unicodedata.category(c)[0] in "PS" and c != "'" else c for c in plain)
    return " ".join("".join(signs).replace("'", "").split())


def count_character_errors(reference: str, written: str, *, spaces: bool) -> Errors:
    """Count the errors of characters, with spaces or without."""
    sides = [normalise(reference), normalise(written)]
    if not spaces:
        sides = [side.replace(" ", "") for side in sides]
    return count_errors(*sides)


def count_word_errors(reference: str, written: str) -> Errors:
    """Count the errors of words."""
    return count_errors(normalise(reference).split(), normalise(written).split())


def count_errors(reference: Sequence[str], written: Sequence[str]) -> Errors:
    """Count the fewest changes. Among ways of equal cost, substitutions come first."""
    row = [Errors(insertions=j) for j in range(len(written) + 1)]
    for i, sign in enumerate(reference, 1):
        previous = row
        row = [Errors(deletions=i)]
        for j, other in enumerate(written, 1):
            row.append(_cheapest(previous[j - 1], previous[j], row[-1], is_same=sign == other))
    best = row[-1]
    return best + Errors(length=len(reference))


def total(errors: Iterable[Errors]) -> Errors:
    """Add errors up: the rate of the sum weighs each text by its length."""
    return sum(errors, Errors())


def _cheapest(both: Errors, above: Errors, left: Errors, *, is_same: bool) -> Errors:
    if is_same:
        return both
    ways = (
        both + Errors(substitutions=1),
        above + Errors(deletions=1),
        left + Errors(insertions=1),
    )
    return min(ways, key=lambda way: way.count)
