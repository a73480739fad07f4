"""How a CTC network decodes, and what says so in the folder of its model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from network.serving.card import CARD_FILE

# In the folder of a model, where its owner puts them
WORDS_FILE = "words.txt"
NGRAM_FILE = "ngram.arpa"


@dataclass(frozen=True)
class CtcOptions:
    """How the signs are decoded.

    Attributes:
        width: of the beam; 1 decodes greedily.
        words: list of the only words that may be written, which asks for a beam.
        ngram: n-gram in the ARPA format, which asks for a beam.
    """

    width: int = 1
    words: Path | None = None
    ngram: Path | None = None

    @property
    def is_guided(self) -> bool:
        """Whether words or an n-gram guide a beam."""
        return self.words is not None or self.ngram is not None


def is_ctc_folder(name: str) -> bool:
    """Whether a name leads to a folder with a model that has a card."""
    return bool(name) and (Path(name) / CARD_FILE).is_file()


def find_options(folder: Path) -> CtcOptions:
    """Find the words and the n-gram that lie in the folder of a model."""
    words = folder / WORDS_FILE
    ngram = folder / NGRAM_FILE
    return CtcOptions(
        words=words if words.is_file() else None, ngram=ngram if ngram.is_file() else None
    )
