"""Digits read out as they were said."""

from __future__ import annotations

import pytest

from speech.evaluation import count_all
from speech.numbers import read_english, read_korean


@pytest.mark.parametrize(
    ("number", "way"),
    [
        ("1465", "fourteen sixty five"),
        ("1808", "eighteen oh eight"),
        ("1900", "nineteen hundred"),
        ("6,439", "six thousand four hundred thirty nine"),
        ("105", "one hundred and five"),
        ("8th", "eighth"),
        ("22nd", "twenty second"),
        ("20th", "twentieth"),
        ("1480s", "fourteen eighties"),
        ("007", "oh oh seven"),
        ("0", "zero"),
        ("9" * 20, " ".join(["nine"] * 20)),
    ],
)
def test_ways_to_say_a_number_in_english(number: str, way: str) -> None:
    assert way in read_english(number)


@pytest.mark.parametrize(
    ("number", "way"),
    [
        ("6000", "육천"),
        ("10", "십"),
        ("12,345", "만이천삼백사십오"),
        ("100000000", "일억"),
        ("119", "일일구"),
        ("010", "공일공"),
        ("3", "세"),
        ("20", "스무"),
        ("21", "스물한"),
        ("15", "열다섯"),
        ("0", "영"),
    ],
)
def test_ways_to_say_a_number_in_korean(number: str, way: str) -> None:
    assert way in read_korean(number)


def test_numbers_that_are_right_are_no_errors_and_others_are() -> None:
    said = "In fourteen sixty-five, three of one hundred ninety-seven debtors left."
    assert count_all(said, "In 1465, 3 of 197 debtors left.")["wer"].rate == 0.0
    assert count_all(said, "In 1465, 4 of 197 debtors left.")["wer"].substitutions == 1
    assert count_all("three point five percent", "3.5%")["wer"].rate == 0.0
    korean = count_all("육천조 원과 사과 세 개입니다", "6천조 원과 사과 3개입니다")
    assert korean["cer_without_spaces"].rate == 0.0
    assert count_all("삼점오 퍼센트", "3.5 %")["cer_without_spaces"].rate == 0.0
