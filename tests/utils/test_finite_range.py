"""Numbers of the command line: "nan" and "inf" are none."""

from __future__ import annotations

import click
import pytest

from utils.finite_range import FiniteRange


@pytest.mark.parametrize("word", ["nan", "inf", "-inf", "NaN"])
def test_what_is_no_finite_number_is_refused(word: str) -> None:
    with pytest.raises(click.BadParameter):
        FiniteRange(0).convert(word, None, None)


def test_a_number_within_the_range_is_taken() -> None:
    assert FiniteRange(0, 1).convert("0.5", None, None) == 0.5
    with pytest.raises(click.BadParameter, match="range"):
        FiniteRange(0, 1).convert("2", None, None)
