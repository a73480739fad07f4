"""Signs of CTC networks: jamo and syllables, and vocabularies as CSV files."""

from __future__ import annotations

from pathlib import Path

import pytest

from speech.ctc.jamo import JAMO, compose, decompose
from speech.ctc.vocabulary import (
    JAMO_VOCABULARY,
    UNKNOWN,
    Vocabulary,
    collect_signs,
    count_signs,
    format_vocabulary,
    read_vocabulary,
)
from utils.errors import DatasetError


def test_every_syllable_comes_back_from_its_jamo() -> None:
    syllables = "".join(map(chr, range(ord("가"), ord("힣") + 1)))
    assert len(syllables) == 11172
    spelled = decompose(syllables)
    assert set(spelled) == set(JAMO)
    assert compose(spelled) == syllables
    assert compose(decompose("닭이 a-b 왔다é")) == "닭이 a-b 왔다é"


def test_rows_that_are_no_syllables_are_mended() -> None:
    spelled = decompose("각")
    initial = spelled[0]
    vowel = spelled[1]
    final = spelled[2]
    assert compose(vowel + final) == "악"
    assert compose(initial + initial + vowel) == "가"
    assert compose(vowel + vowel) == "아아"
    assert compose(final + final + " " + initial) == " "


def test_jamo_have_seventy_outputs() -> None:
    assert JAMO_VOCABULARY.size == 70
    outputs = JAMO_VOCABULARY.encode("한글 b")
    assert outputs[-1] == UNKNOWN
    assert len(outputs) == 3 + 3 + 1 + 1
    assert JAMO_VOCABULARY.decode([0, *outputs]) == "한글 "


def test_users_files_are_read(tmp_path: Path) -> None:
    file = tmp_path / "vocabulary.csv"
    text = 'id,char,freq\n0,<pad>,0\n1,<sos>,0\n5,다,1\n4,가,9\n3, ,20\n6,",",2\n'
    for encoding in ("utf-8", "utf-8-sig", "cp949"):
        file.write_bytes(text.encode(encoding))
        assert read_vocabulary(file).signs == " 가다,"
    file.write_text("<blank>\n가\n나\n<space>\n", encoding="utf-8")
    vocabulary = read_vocabulary(file)
    assert vocabulary.signs == "가나 "
    assert vocabulary.encode("나 다가") == [3, 4, UNKNOWN, 2]
    assert not vocabulary.has_jamo


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    texts = ["가나 가", "다 가"]
    vocabulary = collect_signs(texts)
    assert vocabulary.signs == "가 나다"
    file = tmp_path / "v.csv"
    file.write_text(format_vocabulary(vocabulary, count_signs(texts)), encoding="utf-8")
    assert file.read_text(encoding="utf-8").splitlines()[:4] == [
        "id,char,freq",
        "0,<blank>,0",
        "1,<unk>,0",
        "2,가,3",
    ]
    assert read_vocabulary(file) == vocabulary
    file.write_text(format_vocabulary(JAMO_VOCABULARY, {}), encoding="utf-8")
    assert read_vocabulary(file) == JAMO_VOCABULARY


def test_a_vocabulary_without_a_space_joins_words() -> None:
    assert Vocabulary("가나").encode("가 나") == [2, 3]


@pytest.mark.parametrize("text", ["", "id,char\n0,가\n1,가\n", "id,char\n0,가나\n", "<pad>\n"])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "v.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match="Received"):
        read_vocabulary(file)


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "v.csv"
    with pytest.raises(DatasetError, match="readable"):
        read_vocabulary(file)
    file.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(DatasetError, match="cp949"):
        read_vocabulary(file)
