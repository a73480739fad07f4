"""The figures of the style rules (`python -m tests.house.style` prints them)."""

from __future__ import annotations

import pytest

from tests.house.style import Figures, measure


@pytest.fixture(scope="module")
def figures() -> Figures:
    return measure()


def test_lines_are_narrow(figures: Figures) -> None:
    assert figures.narrow_share >= 0.9
    assert figures.wide_lines == []


def test_functions_are_short(figures: Figures) -> None:
    assert figures.function_quantile(0.5) <= 10
    assert figures.function_quantile(0.9) <= 30


def test_files_hold_one_subject(figures: Figures) -> None:
    assert figures.long_files == []


def test_long_calls_name_their_arguments(figures: Figures) -> None:
    assert figures.long_calls == []


def test_unrelated_values_are_assigned_one_by_one(figures: Figures) -> None:
    assert figures.tuple_assignments == []


def test_comprehensions_have_one_level(figures: Figures) -> None:
    assert figures.nested_comprehensions == []
