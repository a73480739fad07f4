"""Counts with their nouns."""

from __future__ import annotations

import pytest

from utils.wording import count_noun


@pytest.mark.parametrize(
    ("count", "words", "text"),
    [
        (0, ("clip",), "0 clips"),
        (1, ("clip",), "1 clip"),
        (2, ("clip",), "2 clips"),
        (1, ("person", "people"), "1 person"),
        (3, ("person", "people"), "3 people"),
    ],
)
def test_a_count_takes_the_noun_that_fits(count: int, words: tuple[str, ...], text: str) -> None:
    assert count_noun(count, *words) == text
