"""Korean syllables as jamo, and back. Pure.

A syllable is an initial, a vowel and perhaps a final. Of the conjoining jamo of Unicode
(blocks U+1100 to U+11FF) modern Korean uses 19, 21 and 27. Each has its place in the
syllable, so syllables come back from a row of jamo without marks between them.
"""

from __future__ import annotations

import re
import unicodedata

INITIALS = "".join(map(chr, range(0x1100, 0x1113)))
VOWELS = "".join(map(chr, range(0x1161, 0x1176)))
FINALS = "".join(map(chr, range(0x11A8, 0x11C3)))
JAMO = INITIALS + VOWELS + FINALS

# The initial that is not heard
_SILENT = "\u110b"
_PART = re.compile(f"([{INITIALS}]?)([{VOWELS}])([{FINALS}]?)|([^{JAMO}])")


def decompose(text: str) -> str:
    """Write each Korean syllable as its two or three jamo. Other signs stay."""
    return "".join(unicodedata.normalize("NFD", c) if "가" <= c <= "힣" else c for c in text)


def compose(signs: str) -> str:
    """Join jamo to syllables. Other signs stay.

    A vowel without an initial takes the silent one. An initial without a vowel, and a
    final without a syllable, are left out: they cannot be read.
    """
    return "".join(map(_join, _PART.finditer(signs)))


def _join(part: re.Match[str]) -> str:
    initial, vowel, final, other = part.groups()
    if not vowel:
        return other
    return unicodedata.normalize("NFC", (initial or _SILENT) + vowel + (final or ""))
