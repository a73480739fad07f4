"""The signs that a CTC network writes, and the CSV file that lists them.

The file has the columns `id`, `char` and perhaps `freq`, as vocabularies of Korean
speech recognition have it. Entries such as `<pad>` and `<sos>` are of other networks and
are left out. Output 0 is the blank, and output 1 stands for signs that are not listed.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from speech.ctc.jamo import JAMO, compose, decompose
from utils.errors import DatasetError
from utils.text_file import read_text

BLANK = 0
UNKNOWN = 1
_FIRST = 2
_NAMES = ("<blank>", "<unk>")
_COLUMNS = ("char", "sign", "grapheme", "token", "label")
_SPACES = ("<space>", "<sp>")
# UTF-8 with or without its mark, and what a Korean spreadsheet writes


@dataclass(frozen=True)
class Vocabulary:
    """Signs in the order of a network's outputs, the first of them output 2.

    Korean is spelled in jamo where `signs` holds jamo, and in syllables otherwise.

    Raises:
        ValueError: A sign is there twice, or there is none.
    """

    signs: str

    def __post_init__(self) -> None:
        double = [sign for sign, count in Counter(self.signs).items() if count > 1]
        if double or not self.signs.strip():
            raise ValueError(
                "A vocabulary lists each sign once, and one at least. Received:"
                f" {''.join(double)[:20]!r} more than once"
            )

    @property
    def size(self) -> int:
        """Outputs of the network: signs, blank and unknown."""
        return len(self.signs) + _FIRST

    @property
    def has_jamo(self) -> bool:
        """Whether Korean is spelled in jamo."""
        return any(sign in JAMO for sign in self.signs)

    def spell(self, text: str) -> str:
        """Write a text in the signs of this kind: jamo, and spaces where they are listed."""
        spelled = decompose(text) if self.has_jamo else text
        return spelled if " " in self.signs else spelled.replace(" ", "")

    def encode(self, text: str) -> list[int]:
        """Turn a text into outputs. Signs that are not listed become `UNKNOWN`."""
        return [self._outputs.get(sign, UNKNOWN) for sign in self.spell(text)]

    def decode(self, outputs: Iterable[int]) -> str:
        """Turn outputs into a text with Korean in syllables. Blank and unknown write nothing."""
        return self.compose("".join(self.sign(output) for output in outputs))

    def compose(self, signs: str) -> str:
        """Turn signs into a text with Korean in syllables."""
        return compose(signs) if self.has_jamo else signs

    def sign(self, output: int) -> str:
        """Return the sign of an output. Empty for blank and unknown."""
        return self.signs[output - _FIRST] if output >= _FIRST else ""

    @cached_property
    def _outputs(self) -> Mapping[str, int]:
        return {sign: place for place, sign in enumerate(self.signs, _FIRST)}


JAMO_VOCABULARY = Vocabulary(" " + JAMO)
"""Space and the 67 jamo of modern Korean: 70 outputs."""


def collect_signs(texts: Iterable[str]) -> Vocabulary:
    """Collect the signs of texts, frequent ones first."""
    counts = count_signs(texts)
    return Vocabulary("".join(sorted(counts, key=lambda sign: (-counts[sign], sign))))


def count_signs(texts: Iterable[str]) -> Counter[str]:
    """Count the signs of texts."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    return counts


def read_vocabulary(file: Path) -> Vocabulary:
    """Read a vocabulary from a CSV file, in the order of its ids.

    Without a header that names the column of the signs, each line is a sign.

    Raises:
        DatasetError: It cannot be read, or an entry is no single sign.
    """
    rows = [row for row in csv.reader(io.StringIO(read_text(file), newline="")) if row]
    signs = "".join(_as_sign(entry, file) for entry in _entries(rows))
    try:
        return Vocabulary(signs)
    except ValueError as error:
        raise DatasetError(f"{error}. The vocabulary is {file.name}.") from error


def format_vocabulary(vocabulary: Vocabulary, counts: Mapping[str, int]) -> str:
    """Format a vocabulary as CSV, with how often each sign is in the training texts."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "char", "freq"])
    for place, sign in enumerate([*_NAMES, *vocabulary.signs]):
        writer.writerow([place, sign, counts.get(sign, 0)])
    return text.getvalue()


def _entries(rows: Sequence[Sequence[str]]) -> list[str]:
    """The entries of a file, in the order of their ids where it has ids."""
    header = [name.strip().lower() for name in rows[0]] if rows else []
    column = next((header.index(name) for name in _COLUMNS if name in header), None)
    if column is None:
        return [row[0] for row in rows]
    body = [row for row in rows[1:] if len(row) > column]
    if "id" in header:
        place = header.index("id")
        body.sort(key=lambda row: int(row[place]) if row[place].strip().isdigit() else 0)
    return [row[column] for row in body]


def _as_sign(entry: str, file: Path) -> str:
    """A sign, or "" for an entry such as <pad>, which other networks need."""
    if entry in _SPACES:
        return " "
    if len(entry) > 2 and entry.startswith("<") and entry.endswith(">"):
        return ""
    if len(entry) != 1:
        raise DatasetError(
            f"An entry of a vocabulary must be one sign. Received: {entry[:20]!r} in {file.name}"
        )
    return entry
