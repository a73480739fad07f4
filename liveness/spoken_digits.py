"""Digits in what an engine of speech to text writes: numerals, words and whole numbers.

"4 8 2", "four eight two", "사 팔 이", "넷 여덟 둘", "四八二" and "forty-eight, two" are the
same digits. Every word becomes a letter for its kind, and a pattern of these letters finds
the numbers.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

LANGUAGES = ("en", "ko", "zh")
"""Codes of the languages whose digits are read."""


class HeardWord(Protocol):
    """A word and when it is said, in seconds from the start of the sound."""

    @property
    def text(self) -> str:
        """What is said."""

    @property
    def start_s(self) -> float:
        """When it begins."""

    @property
    def end_s(self) -> float:
        """When it ends."""


@dataclass(frozen=True)
class SpokenDigit:
    """A digit, "0" to "9", and when it is said, in seconds."""

    digit: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class _Token:
    """A word of a number by the letter of its kind, and its place in the text.

    Kinds: u 1 to 9, z zero, e 10 to 19, t whole tens, x ten, h hundred, k thousand that
    is counted, w what ends a group (thousand in English, 10,000 in Korean and Chinese),
    n numerals, and . for a word that is no number.
    """

    kind: str
    text: str
    start: int
    end: int


_ENGLISH = {
    **dict.fromkeys(("zero", "oh", "o", "nought"), "0"),
    **dict.fromkeys(("one", "won"), "1"),
    **dict.fromkeys(("two", "to", "too"), "2"),
    "three": "3",
    **dict.fromkeys(("four", "for", "fore"), "4"),
    "five": "5",
    "six": "6",
    "seven": "7",
    **dict.fromkeys(("eight", "ate"), "8"),
    "nine": "9",
    "ten": "10",
    "eleven": "11",
    "twelve": "12",
    "thirteen": "13",
    "fourteen": "14",
    "fifteen": "15",
    "sixteen": "16",
    "seventeen": "17",
    "eighteen": "18",
    "nineteen": "19",
    "twenty": "20",
    "thirty": "30",
    **dict.fromkeys(("forty", "fourty"), "40"),
    "fifty": "50",
    "sixty": "60",
    "seventy": "70",
    "eighty": "80",
    "ninety": "90",
    "hundred": "h100",
    "thousand": "w1000",
}
_KOREAN = {
    **dict.fromkeys(("영", "공", "령", "제로"), "0"),
    **dict.fromkeys(("일", "하나", "한"), "1"),
    **dict.fromkeys(("이", "둘", "두"), "2"),
    **dict.fromkeys(("삼", "셋", "세"), "3"),
    **dict.fromkeys(("사", "넷", "네"), "4"),
    **dict.fromkeys(("오", "다섯"), "5"),
    **dict.fromkeys(("육", "륙", "유", "여섯"), "6"),
    **dict.fromkeys(("칠", "일곱"), "7"),
    **dict.fromkeys(("팔", "여덟", "여덜"), "8"),
    **dict.fromkeys(("구", "아홉"), "9"),
    "열": "10t",
    **dict.fromkeys(("스물", "스무"), "20"),
    "서른": "30",
    "마흔": "40",
    "쉰": "50",
    "예순": "60",
    "일흔": "70",
    "여든": "80",
    "아흔": "90",
    "십": "x10",
    "백": "h100",
    "천": "k1000",
    "만": "w10000",
}
_CHINESE = {
    **dict.fromkeys("零〇○", "0"),
    **dict.fromkeys("一幺壹", "1"),
    **dict.fromkeys("二两兩贰", "2"),
    **dict.fromkeys("三叁", "3"),
    **dict.fromkeys("四肆", "4"),
    **dict.fromkeys("五伍", "5"),
    **dict.fromkeys("六陆", "6"),
    **dict.fromkeys("七柒", "7"),
    **dict.fromkeys("八捌", "8"),
    **dict.fromkeys("九玖", "9"),
    "十": "x10",
    "百": "h100",
    "千": "k1000",
    **dict.fromkeys("万萬", "w10000"),
}
_VALUES: Mapping[str, Mapping[str, str]] = {"en": _ENGLISH, "ko": _KOREAN, "zh": _CHINESE}
_KOREAN_ENDING = "(?:이?요|입니다|이에요|예요|번)?"
_ALTERNATIVES = {
    language: "|".join(sorted(values, key=len, reverse=True))
    for language, values in _VALUES.items()
}
_WHOLE_WORD = re.compile(f"(?:{_ALTERNATIVES['ko']})+?{_KOREAN_ENDING}")
_PIECES = {language: re.compile(words) for language, words in _ALTERNATIVES.items()}
_WORD = {
    "en": re.compile(r"[0-9]+|[^\W0-9_]+"),
    "ko": re.compile(r"[0-9]+|[^\W0-9_]+"),
    "zh": re.compile(r"[0-9]+|[^\W0-9_]"),
}

_TAIL = "(?:z?u?xu?|tu?|e|z?u)"
_COUNTED = f"(?:u?k(?:z?u?h)?{_TAIL}?|u?h{_TAIL}?|u?xu?|tu?|e)"
_NUMBER = re.compile(f"(?:{_COUNTED}|u|n)w(?:z?(?:{_COUNTED}|u|n))?|{_COUNTED}|n|u|z")


def read_digits(words: Sequence[HeardWord], language: str) -> tuple[SpokenDigit, ...]:
    """Read the digits that are said.

    Args:
        words: what is said, in order of time.
        language: one of `LANGUAGES`.

    Returns:
        The digits in order of time. A number that is said as a whole is its digits, each
        with its share of the time.
    """
    text = "".join(_normalise(word.text) for word in words)
    times = list(itertools.chain.from_iterable(map(_spread, words)))
    return tuple(
        SpokenDigit(digit, times[start][0], times[max(start, end - 1)][1])
        for digit, start, end in _find_digits(text, language)
    )


def _normalise(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()


def _spread(word: HeardWord) -> list[tuple[float, float]]:
    """Give each letter of a word its share of the time."""
    edges = np.linspace(word.start_s, word.end_s, len(_normalise(word.text)) + 1).tolist()
    return list(itertools.pairwise(edges))


def _find_digits(text: str, language: str) -> Iterator[tuple[str, int, int]]:
    """Yield each digit with its place in the text."""
    tokens = list(_cut(text, language))
    kinds = "".join(token.kind for token in tokens)
    for number in _NUMBER.finditer(kinds):
        part = tokens[number.start() : number.end()]
        digits = part[0].text if number.group() == "n" else str(_evaluate(part))
        edges = np.linspace(part[0].start, part[-1].end, len(digits) + 1).round().astype(int)
        yield from zip(digits, edges[:-1].tolist(), edges[1:].tolist(), strict=True)


def _cut(text: str, language: str) -> Iterator[_Token]:
    for word in _WORD[language].finditer(text):
        if word.group().isdecimal():
            yield _numerals(word)
        elif language == "ko":
            yield from _cut_korean(word)
        elif word.group() != "and":
            yield _token(_VALUES[language].get(word.group(), ""), word.start(), word.end())


def _cut_korean(word: re.Match[str]) -> Iterator[_Token]:
    """Cut a word into numbers where it holds nothing else, but for an ending."""
    if not _WHOLE_WORD.fullmatch(word.group()):
        yield _token("", word.start(), word.end())
        return
    end = len(word.group())
    while not _is_whole(word.group()[:end]):
        end -= 1
    for piece in _PIECES["ko"].finditer(word.group()[:end]):
        start = word.start() + piece.start()
        yield _token(_KOREAN[piece.group()], start, word.start() + piece.end())


def _is_whole(word: str) -> bool:
    return "".join(_PIECES["ko"].findall(word)) == word


def _numerals(word: re.Match[str]) -> _Token:
    return _Token("n", word.group(), word.start(), word.end())


def _token(value: str, start: int, end: int) -> _Token:
    """Make a token of the value of a word: its kind and number. Empty: no number."""
    number = value.strip("txhkw")
    letters = value.replace(number, "") if number else "."
    return _Token(letters or _kind_of(int(number)), number, start, end)


def _kind_of(value: int) -> str:
    if value < 10:
        return "u" if value else "z"
    return "e" if value < 20 else "t"


def _evaluate(tokens: Sequence[_Token]) -> int:
    """Compute the value of one number."""
    total = 0
    group = 0
    counted = 0
    for token in tokens:
        value = int(token.text)
        if token.kind == "w":
            total += (group + counted) * value
            group = 0
            counted = 0
        elif token.kind in "xhk":
            group += max(counted, 1) * value
            counted = 0
        elif token.kind in "te":
            group += value
        else:
            counted = value
    return total + group + counted
