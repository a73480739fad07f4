"""Digits are read however people say them, and however an engine writes them."""

from __future__ import annotations

import itertools

import pytest

from liveness.spoken_digits import SpokenDigit, read_digits
from speech.ports import Word

SAID = {
    "en": (
        "4 8 2 9 1 3",
        "482,913",
        "4-8-2-9-1-3",
        "Four, eight, two. Nine, one, three.",
        "forty-eight twenty-nine thirteen",
        "four hundred eighty two thousand nine hundred and thirteen",
        "for ate to nine won three",
        "Please: four eight two nine one three, thank you",
    ),
    "ko": (
        "사 팔 이 구 일 삼",
        "사팔이구일삼",
        "넷, 여덟, 둘, 아홉, 하나, 셋.",
        "네 여덟 두 구 한 세",
        "사십팔만 이천구백십삼입니다",
        "48만 2913",
        "4팔 이 9일 3",
        "저는 사팔이 구일삼 말했습니다",
    ),
    "zh": (
        "四八二九一三",
        "四八两九幺三",
        "四十八万二千九百一十三",
        "４８２９１３",
        "我说四八二九一三",
    ),
}
CASES = list(
    itertools.chain.from_iterable(
        itertools.product(texts, [language]) for language, texts in SAID.items()
    )
)


def digits_in(text: str, language: str) -> str:
    words = [Word(text, 0.0, 1.0, probability=0.9)]
    return "".join(one.digit for one in read_digits(words, language))


@pytest.mark.parametrize(("text", "language"), CASES)
def test_the_same_digits_are_read_from_all_ways_to_say_them(text: str, language: str) -> None:
    assert digits_in(text, language) == "482913"


@pytest.mark.parametrize(
    ("text", "language", "digits"),
    [
        ("zero one zero oh six", "en", "01006"),
        ("공일공 영육", "ko", "01006"),
        ("零一〇零六", "zh", "01006"),
        ("four seven hundred", "en", "4700"),
        ("열셋 스물하나 칠십", "ko", "132170"),
        ("三百零五", "zh", "305"),
    ],
)
def test_zeros_and_numbers_of_several_digits(text: str, language: str, digits: str) -> None:
    assert digits_in(text, language) == digits


@pytest.mark.parametrize(
    ("text", "language"),
    [("", "en"), ("Good morning everyone", "en"), ("이거 오늘 사람 구름", "ko"), ("早上好", "zh")],
)
def test_no_digits_are_read_into_other_words(text: str, language: str) -> None:
    assert digits_in(text, language) == ""


def test_each_digit_is_placed_in_time() -> None:
    words = (Word(" forty-two", 1.0, 2.0, probability=0.9), Word(" 7", 2.5, 3.0, probability=0.9))
    assert read_digits(words, "en") == (
        SpokenDigit("4", 1.1, 1.6),
        SpokenDigit("2", 1.6, 2.0),
        SpokenDigit("7", 2.75, 3.0),
    )
