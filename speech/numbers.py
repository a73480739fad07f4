"""Digits read out in English and Korean, to compare them with spelled numbers. Pure.

A number can be said in several ways: 1465 is "fourteen sixty five" or "one thousand four
hundred sixty five". `read_out` takes the way that is nearest to what was said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:(?:st|nd|rd|th|s)\b)?", re.ASCII)
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_POINT = re.compile(r"(?<=\d)\.(?=\d)")
_PERCENT = re.compile(r"(?<=\d) ?%")
_MOST_DIGITS = 15

_UNITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen"),
    *("seventeen", "eighteen", "nineteen"),
)
_TENS = (
    *("zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy"),
    *("eighty", "ninety"),
)
_ENGLISH_POWERS = (
    (10**12, "trillion"),
    (10**9, "billion"),
    (10**6, "million"),
    (1000, "thousand"),
    (100, "hundred"),
)
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}

_KOREAN_DIGITS = "영일이삼사오육칠팔구"
_KOREAN_POWERS = (
    (10**12, "조"),
    (10**8, "억"),
    (10**4, "만"),
    (1000, "천"),
    (100, "백"),
    (10, "십"),
)
_NATIVE_TENS = ("", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")
_NATIVE_UNITS = ("", "하나", "둘", "셋", "넷", "다섯", "여섯", "일곱", "여덟", "아홉")
# Before what is counted
_NATIVE_BEFORE = {"하나": "한", "둘": "두", "셋": "세", "넷": "네", "스물": "스무"}


def read_out(written: str, reference: str, count_errors: Callable[[str], int]) -> str:
    """Read the digits of a text out as what was said does.

    Args:
        written: text with digits.
        reference: the text that it is compared with. Korean, if it has a Korean letter.
        count_errors: errors of a text against `reference`. Of all ways to read a number out,
            the one with the fewest is taken, one number after another.
    """
    is_korean = _HANGUL.search(reference) is not None
    list_readings = read_korean if is_korean else read_english
    written = _POINT.sub("점" if is_korean else " point ", written)
    written = _PERCENT.sub("퍼센트" if is_korean else " percent", written)
    while (match := _NUMBER.search(written)) is not None:
        before = written[: match.start()]
        after = written[match.end() :]
        texts = [f"{before}{reading}{after}" for reading in list_readings(match[0])]
        written = min(texts, key=count_errors)
    return written


def read_english(number: str) -> list[str]:
    """List the ways to say a number such as "1465", "1,000", "8th" or "1480s"."""
    digits = re.sub(r"\D", "", number)
    suffix = number.lstrip("0123456789,")
    ways = list(dict.fromkeys(_list_english(digits)))
    if suffix == "s":
        return [f"{way.removesuffix('y')}ies" if way.endswith("y") else f"{way}s" for way in ways]
    return [to_ordinal(way) for way in ways] if suffix else ways


def _list_english(digits: str) -> Iterator[str]:
    if len(digits) <= _MOST_DIGITS:
        cardinal = say_english(int(digits))
        yield cardinal
        yield re.sub(r" hundred (?=\w)", " hundred and ", cardinal)
    if len(digits) == 4:
        yield say_year(int(digits))
    yield " ".join(_UNITS[int(digit)] for digit in digits)
    yield " ".join("oh" if digit == "0" else _UNITS[int(digit)] for digit in digits)


def say_english(number: int) -> str:
    """Say a cardinal number without "and"."""
    if number < len(_UNITS):
        return _UNITS[number]
    for power, name in _ENGLISH_POWERS:
        if number >= power:
            rest = f" {say_english(number % power)}" if number % power else ""
            return f"{say_english(number // power)} {name}{rest}"
    rest = f" {_UNITS[number % 10]}" if number % 10 else ""
    return f"{_TENS[number // 10]}{rest}"


def say_year(number: int) -> str:
    """Say a number of four digits in two parts."""
    century = number // 100
    year = number % 100
    if not year:
        return f"{say_english(century)} hundred"
    return f"{say_english(century)} {'oh ' if year < 10 else ''}{say_english(year)}"


def to_ordinal(cardinal: str) -> str:
    """Make an ordinal number of a cardinal."""
    *first, last = cardinal.split(" ")
    regular = f"{last.removesuffix('y')}ieth" if last.endswith("y") else f"{last}th"
    return " ".join([*first, _ORDINALS.get(last, regular)])


def read_korean(number: str) -> list[str]:
    """List the ways to say a number such as "15": 십오, 일오, 열다섯."""
    digits = re.sub(r"\D", "", number)
    return list(dict.fromkeys(_list_korean(digits)))


def _list_korean(digits: str) -> Iterator[str]:
    if len(digits) <= _MOST_DIGITS:
        yield say_korean(int(digits))
    spelled = "".join(_KOREAN_DIGITS[int(digit)] for digit in digits)
    yield spelled
    yield spelled.replace("영", "공")
    if len(digits) <= 2 and int(digits):
        tens = _NATIVE_TENS[int(digits) // 10]
        unit = _NATIVE_UNITS[int(digits) % 10]
        yield tens + unit
        yield tens + _NATIVE_BEFORE.get(unit, unit) if unit else _NATIVE_BEFORE.get(tens, tens)


def say_korean(number: int) -> str:
    """Say a number in Sino-Korean. One is left out before 십, 백, 천 and a leading 만."""
    if number < 10:
        return _KOREAN_DIGITS[number]
    power, name = next(one for one in _KOREAN_POWERS if number >= one[0])
    count = number // power
    factor = "" if count == 1 and power <= 10**4 else say_korean(count)
    return f"{factor}{name}{say_korean(number % power) if number % power else ''}"
