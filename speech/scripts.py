"""Scripts that a language is written in. Pure.

A model of many languages sometimes answers in another script than that of the language
it was told. A script is the first word of the Unicode names of its letters. Latin is
part of every language here: names and abbreviations are written so everywhere.
"""

from __future__ import annotations

import unicodedata
from functools import cache

_OF_LANGUAGES = {
    "HANGUL": "ko",
    "CJK": "zh yue ja",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "CYRILLIC": "ru uk be bg mk kk tg tt ba mn sr uz az tk bs",
    "ARABIC": "ar fa ur ps sd",
    "HEBREW": "he yi",
    "DEVANAGARI": "hi mr ne sa",
    "BENGALI": "bn as",
    "THAI": "th",
    "LAO": "lo",
    "MYANMAR": "my",
    "KHMER": "km",
    "GEORGIAN": "ka",
    "ARMENIAN": "hy",
    "GREEK": "el",
    "TAMIL": "ta",
    "TELUGU": "te",
    "KANNADA": "kn",
    "MALAYALAM": "ml",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "SINHALA": "si",
    "ETHIOPIC": "am",
    "TIBETAN": "bo",
}


@cache
def scripts_of(language: str) -> frozenset[str]:
    """Find the scripts that a language is written in, beside Latin."""
    return frozenset(s for s, codes in _OF_LANGUAGES.items() if language in codes.split())


def is_foreign(text: str, language: str) -> bool:
    """Whether `text` has a letter of a script that `language` is not written in."""
    return any(_script(c) not in scripts_of(language) for c in text if _script(c))


@cache
def _script(character: str) -> str:
    """Script of a letter. Empty for Latin, and for what is no letter of a script."""
    if not character.isalpha():
        return ""
    first = unicodedata.name(character, "").split(" ")[0]
    return first if first in _OF_LANGUAGES else ""
