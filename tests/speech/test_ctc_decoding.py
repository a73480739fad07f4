"""Greedy decoding and beam search, against all ways to write a text, and what guides them."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from speech.ctc.decoding import decode_greedily, search_beam
from speech.ctc.guide import Guide, read_words
from speech.ctc.ngram import read_ngram
from speech.ctc.vocabulary import BLANK, JAMO_VOCABULARY, Vocabulary
from utils.arrays import Float32Array
from utils.errors import ModelError

VOCABULARY = Vocabulary("ab ")
A = 2
B = 3
SPACE = 4
ARPA = """\\data\\
ngram 1=5
ngram 2=2

\\1-grams:
-1.0\t<unk>
-9\t<s>\t-0.5
-0.6\tab\t-0.2
-0.8\tba\t-0.1
-1.2\tb

\\2-grams:
-0.1\tba ab
-0.3\tab ba

\\end\\
"""


def some_probabilities(steps: int, outputs: int = VOCABULARY.size, seed: int = 0) -> Float32Array:
    """Logarithms of random probabilities (steps, outputs)."""
    rng = np.random.default_rng(seed)
    return np.log(rng.dirichlet(np.full(outputs, 0.5), steps) + 1e-12).astype(np.float32)


def saying(outputs: list[int], share: float = 0.9) -> Float32Array:
    """Logarithms (steps, outputs) in which each step has its output with that probability."""
    rows = np.full((len(outputs), VOCABULARY.size), (1 - share) / (VOCABULARY.size - 1))
    rows[np.arange(len(outputs)), outputs] = share
    return np.log(rows).astype(np.float32)


def most_probable(logarithms: Float32Array) -> tuple[int, ...]:
    """The most probable text, with every way to write each text added up."""
    totals: dict[tuple[int, ...], float] = {}
    steps, outputs = logarithms.shape
    for path in itertools.product(range(outputs), repeat=steps):
        text = tuple(one for one, _ in itertools.groupby(path) if one != BLANK)
        chance = math.exp(sum(float(logarithms[step, one]) for step, one in enumerate(path)))
        totals[text] = totals.get(text, 0.0) + chance
    return max(totals, key=lambda text: totals[text])


def test_greedy_decoding_joins_equal_steps_and_parts_at_blanks() -> None:
    spelling = decode_greedily(saying([A, A, BLANK, A, B, B, BLANK]))
    assert spelling.outputs == (A, A, B)
    assert spelling.steps == (0, 3, 4)
    assert spelling.log_probabilities == pytest.approx([math.log(0.9)] * 3, abs=1e-5)
    assert decode_greedily(saying([BLANK, BLANK])).outputs == ()


@pytest.mark.parametrize("seed", range(6))
def test_a_wide_beam_finds_the_most_probable_text(seed: int) -> None:
    logarithms = some_probabilities(5, outputs=4, seed=seed)
    assert search_beam(logarithms, 200).outputs == most_probable(logarithms)


def test_a_beam_finds_what_steps_alone_do_not() -> None:
    # Blank is the best output of both steps, "a" the best text.
    logarithms = np.log(np.array([[0.4, 1e-6, 0.35, 0.2, 0.05]] * 2, np.float32))
    assert decode_greedily(logarithms).outputs == ()
    spelling = search_beam(logarithms, 8)
    assert spelling.outputs == (A,)
    assert spelling.steps == (0,)


def test_a_list_of_words_is_strict(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("Ab ba\nBA!\n", encoding="utf-8")
    words = read_words(file, VOCABULARY)
    assert words == {"ab", "ba"}
    guide = Guide(vocabulary=VOCABULARY, words=words)
    said = saying([A, BLANK, A, SPACE, B, A], share=0.7)
    assert VOCABULARY.decode(search_beam(said, 16).outputs) == "aa ba"
    written = VOCABULARY.decode(search_beam(said, 16, guide).outputs)
    assert set(written.split()) <= words
    assert written.endswith("ba")
    # A word that is cut off is not written.
    assert VOCABULARY.decode(search_beam(saying([A, B, SPACE, B], 0.9999), 1, guide).outputs) in (
        "ab",
        "ab ",
    )


def test_words_in_syllables_guide_jamo(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("한글", encoding="utf-8")
    guide = Guide(vocabulary=JAMO_VOCABULARY, words=read_words(file, JAMO_VOCABULARY))
    outputs = JAMO_VOCABULARY.encode("한굴")
    rows = np.full((len(outputs), JAMO_VOCABULARY.size), 1e-3)
    rows[np.arange(len(outputs)), outputs] = 0.9
    spelling = search_beam(np.log(rows).astype(np.float32), 16, guide)
    assert JAMO_VOCABULARY.decode(spelling.outputs) == "한글"


def test_an_n_gram_backs_off_as_its_format_says(tmp_path: Path) -> None:
    file = tmp_path / "ngram.arpa"
    file.write_text(ARPA, encoding="utf-8")
    ngram = read_ngram(file)
    assert (ngram.order, ngram.space) == (2, "")
    for word, history, logarithm in (
        ("ab", ("ba",), -0.1),
        ("ab", (), -0.6),
        ("b", ("ab",), -0.2 - 1.2),
        ("zz", ("ba",), -0.1 - 1.0),
        ("ab", ("zz",), -0.6),
    ):
        score, after = ngram.score(word, history)
        assert score == pytest.approx(logarithm * math.log(10))
        assert after == (word,)


def test_an_n_gram_decides_between_words_that_sound_alike(tmp_path: Path) -> None:
    file = tmp_path / "ngram.arpa"
    file.write_text(ARPA, encoding="utf-8")
    rows = np.exp(saying([B, A, SPACE, B, BLANK, A, SPACE]))
    rows[3, [A, B]] = 0.44, 0.45
    rows[5, [A, B]] = 0.45, 0.44
    logarithms = np.log(rows).astype(np.float32)
    guide = Guide(vocabulary=VOCABULARY, ngram=read_ngram(file))
    assert VOCABULARY.decode(search_beam(logarithms, 16).outputs) == "ba ba "
    assert VOCABULARY.decode(search_beam(logarithms, 16, guide).outputs) == "ba ab "


def test_an_n_gram_of_signs_spells_words(tmp_path: Path) -> None:
    file = tmp_path / "ngram.arpa"
    one = "\\1-grams:\n-1\ta\t0\n-2\tb\t0\n-0.5\t<space>\n"
    file.write_text(f"\\data\\\n{one}\\2-grams:\n-0.25\ta b\n\\end\\\n", encoding="utf-8")
    score, after = read_ngram(file).score("ab", ())
    assert score == pytest.approx((-1 - 0.25 - 0.5) * math.log(10))
    assert after == ("<space>",)


@pytest.mark.parametrize("text", ["", "words\n", "\\1-grams:\nx a\n", "\\1-grams:\n-1 a b c\n"])
def test_other_files_are_no_n_grams(tmp_path: Path, text: str) -> None:
    file = tmp_path / "ngram.arpa"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match="ARPA"):
        read_ngram(file)


def test_words_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    for text in ("ab cd", " \n"):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ModelError, match="Received"):
            read_words(file, VOCABULARY)
    with pytest.raises(ModelError, match="readable"):
        read_words(tmp_path / "none.txt", VOCABULARY)
