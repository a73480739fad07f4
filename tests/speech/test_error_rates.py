"""Error rates of transcripts, against jiwer."""

from __future__ import annotations

import numpy as np
import pytest

from speech.error_rates import (
    Errors,
    count_character_errors,
    count_errors,
    count_word_errors,
    normalise,
    total,
)


def test_changes_are_counted_by_kind() -> None:
    assert count_errors("abcd", "axcde") == Errors(1, 0, 1, 4)
    assert count_errors("abc", "") == Errors(0, 3, 0, 3)
    assert count_errors("", "ab") == Errors(0, 0, 2, 0)
    assert count_errors("same", "same") == Errors(0, 0, 0, 4)


def test_texts_are_normalised() -> None:
    assert normalise("  It's “Good”, 3.5% – 안녕!\n") == "its good 3 5 안녕"
    assert normalise("한") == normalise("한")


def test_spaces_count_or_not() -> None:
    said = "가는 말이 곱다"
    assert count_character_errors(said, "가는말이 곱다", spaces=True).deletions == 1
    assert count_character_errors(said, "가는말이 곱다", spaces=False).rate == 0.0
    assert count_word_errors(said, "가는말이 곱다").rate == pytest.approx(2 / 3)


def test_a_sum_weighs_texts_by_their_length() -> None:
    both = total([count_errors("ab", "ax"), count_errors("abcdefgh", "abcdefgh")])
    assert both.rate == pytest.approx(0.1)


def test_nothing_said_has_no_rate() -> None:
    with pytest.raises(ValueError, match="not empty"):
        _ = count_errors("", "a").rate


def test_rates_are_those_of_jiwer() -> None:
    jiwer = pytest.importorskip("jiwer", reason="requirements-dev.txt is not installed")
    random = np.random.default_rng(3)
    for _ in range(60):
        said = " ".join(random.choice(list("abcde"), random.integers(1, 12)))
        written = " ".join(random.choice(list("abcde"), random.integers(1, 12)))
        assert count_word_errors(said, written).rate == pytest.approx(jiwer.wer(said, written))
        errors = count_character_errors(said, written, spaces=True)
        assert errors.rate == pytest.approx(jiwer.cer(said, written))
