"""Figures of the prose in Markdown files: words a sentence, and semicolons.

Code blocks, tables, headings and link targets are no prose and do not count.
`python -m tests.support.prose` prints a line for each page.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.documentation import ROOT, without_code, written_pages

NO_PROSE = re.compile(r"^(#|\||    \S|<|!\[)")
ITEM = re.compile(r"^\s*([-*]|\d+\.)\s+")
ABBREVIATIONS = re.compile(r"\b(e\.g|i\.e|etc|vs|cf|approx)\.")


@dataclass(frozen=True)
class Prose:
    """Lengths of the sentences of a text in words, and its number of semicolons."""

    words: tuple[int, ...]
    semicolons: int

    @property
    def median(self) -> float:
        """Words of the middle sentence.

        0 for a text without sentences.
        """
        return statistics.median(self.words) if self.words else 0.0

    @property
    def longest(self) -> int:
        """Words of the longest sentence."""
        return max(self.words, default=0)

    @property
    def semicolons_per_100(self) -> float:
        """Semicolons for 100 sentences."""
        return 100 * self.semicolons / max(len(self.words), 1)


def measure_prose(text: str) -> Prose:
    """Measure the sentences of a Markdown text."""
    sentences = list(split_sentences(text))
    lengths = tuple(len(sentence.split()) for sentence in sentences)
    return Prose(words=lengths, semicolons=sum(sentence.count(";") for sentence in sentences))


def split_sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a Markdown text, without code, tables and headings."""
    for paragraph in _paragraphs(text):
        plain = re.sub(r"`[^`]*`", "code", paragraph)
        plain = re.sub(r"\]\([^)]*\)", "]", plain)
        plain = ABBREVIATIONS.sub(r"\1", plain)
        for sentence in re.split(r"(?<=[.!?])[*_\"”)]*\s+", plain):
            if len(sentence.split()) > 1:
                yield sentence


def _paragraphs(text: str) -> Iterator[str]:
    lines: list[str] = []
    for line in [*without_code(text).splitlines(), ""]:
        starts_anew = bool(ITEM.match(line))
        if lines and (not line.strip() or starts_anew or NO_PROSE.match(line)):
            yield " ".join(lines)
            lines = []
        if line.strip() and not NO_PROSE.match(line):
            lines.append(ITEM.sub("", line).strip())


def main() -> None:
    """Print the figures of every page."""
    print(f"{'page':40} sentences median longest  ; per 100")
    for page in written_pages():
        prose = measure_prose(page.read_text(encoding="utf-8"))
        name = str(page.relative_to(ROOT))
        print(
            f"{name:40} {len(prose.words):9} {prose.median:6.1f} {prose.longest:7} "
            f"{prose.semicolons_per_100:9.1f}"
        )


if __name__ == "__main__":
    main()
