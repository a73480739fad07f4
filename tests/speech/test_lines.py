"""Words cut into lines that suit a subtitle."""

from __future__ import annotations

from itertools import chain

from speech.lines import count_columns, join_words, split_words
from speech.ports import Word


def words(text: str, start_s: float = 0.0, each_s: float = 0.4) -> list[Word]:
    return [
        Word(f" {part}", start_s + i * each_s, start_s + (i + 1) * each_s, probability=1.0)
        for i, part in enumerate(text.split())
    ]


def lines(made: list[Word]) -> list[str]:
    return [join_words(line) for line in split_words(made)]


def test_a_pause_begins_a_line() -> None:
    assert lines(words("one two") + words("three four", 1.6)) == ["one two", "three four"]
    assert lines(words("one two") + words("three four", 1.5)) == ["one two three four"]


def test_a_sentence_ends_a_line_unless_it_is_short() -> None:
    assert lines(words("Well. It is so. Yes it is.")) == ["Well. It is so.", "Yes it is."]


def test_long_lines_are_shared_out_evenly() -> None:
    made = lines(words("word " * 20))
    assert [len(line.split()) for line in made] == [10, 10]
    wide = lines(words("한국어는 넓습니다 " * 8, each_s=0.2))
    assert len(wide) > 1
    assert max(map(count_columns, wide)) <= 84


def test_no_words_make_no_line() -> None:
    assert split_words([]) == []


def test_no_word_is_lost() -> None:
    made = words("a b. c d e? f " * 9, each_s=0.7)
    assert list(chain.from_iterable(split_words(made))) == made


def test_wide_letters_count_twice() -> None:
    assert count_columns("ab가") == 4
