"""What an engine writes although nobody said it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from speech.filters import filter_passage
from speech.ports import Passage, Word
from speech.scripts import is_foreign, scripts_of

PASSAGE = Passage(
    words=(Word(" 안녕", 0.0, 0.5, probability=0.9), Word(" TV", 0.5, 1.0, probability=0.9)),
    language="ko",
    language_probability=1.0,
    mean_log_probability=-0.3,
    no_speech_probability=0.2,
    compression_ratio=1.1,
)


def test_plain_speech_stays() -> None:
    assert filter_passage(PASSAGE, 3.0) == PASSAGE
    doubtful = replace(PASSAGE, mean_log_probability=-1.3)
    assert filter_passage(doubtful, 3.0) == doubtful


def test_repetition_goes() -> None:
    assert filter_passage(replace(PASSAGE, compression_ratio=2.5), 3.0).words == ()


def test_doubtful_text_goes_where_the_engine_hears_nobody() -> None:
    silent = replace(PASSAGE, no_speech_probability=0.9, mean_log_probability=-1.3)
    assert filter_passage(silent, 3.0).text == ""


def test_a_sneeze_says_nothing_and_a_short_word_does() -> None:
    sneeze = replace(PASSAGE, mean_log_probability=-0.8)
    assert filter_passage(sneeze, 0.5).words == ()
    assert filter_passage(sneeze, 1.2) == sneeze
    assert filter_passage(PASSAGE, 0.3) == PASSAGE


def test_words_in_a_foreign_script_go() -> None:
    mixed = replace(PASSAGE, words=(*PASSAGE.words, Word(" 字幕", 1.0, 1.5, probability=0.4)))
    assert filter_passage(mixed, 3.0).text == "안녕 TV"


@pytest.mark.parametrize(
    ("text", "language", "foreign"),
    [
        ("자막 CEO 3.5%!", "ko", False),
        ("字幕", "ko", True),
        ("字幕", "zh", False),
        ("字幕をご", "ja", False),
        ("ひらがな", "zh", True),
        ("привет", "en", True),
        ("привет", "ru", False),
        ("naïve café", "en", False),
        ("♪ … ー", "en", False),
        ("नमस्ते", "hi", False),
    ],
)
def test_scripts(text: str, language: str, foreign: bool) -> None:
    assert is_foreign(text, language) is foreign


def test_a_language_may_have_several_scripts() -> None:
    assert scripts_of("ja") == {"CJK", "HIRAGANA", "KATAKANA"}
    assert scripts_of("en") == set()
