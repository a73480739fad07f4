"""Corpora of speech as their owners lay them out: manifests, KsponSpeech, Zeroth-Korean."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from train.data.corpora import Utterance, clean_script, read_corpus
from train.data.sounds import decode_float
from utils.arrays import RATE_HZ
from utils.errors import DatasetError

SOUND = np.linspace(-0.5, 0.5, 8000, dtype=np.float32)


def write_sound(file: Path) -> Path:
    """Half a second of sound, without a header for a file .pcm."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".pcm":
        file.write_bytes((SOUND * 32767).astype("<i2").tobytes())
    else:
        soundfile.write(file, SOUND, RATE_HZ)
    return file


def test_a_manifest_beside_its_files(tmp_path: Path) -> None:
    write_sound(tmp_path / "b.wav")
    file = tmp_path / "mine.csv"
    file.write_text("path,text\nb.wav,안녕!\na.wav,\nc.wav,방 7\n", encoding="utf-8-sig")
    corpus = read_corpus(file)
    assert corpus.utterances == (Utterance("b.wav", "안녕", ""),)
    assert corpus.left_out == 2
    assert corpus.root == tmp_path
    assert next(corpus.listing.read_all()).startswith(b"RIFF")


def test_a_manifest_of_an_archive_with_speakers_and_splits(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(
        "path,speaker,text,split\nb.wav,ben,Two,train\na.wav,ann,One,train\nc.wav,cleo,Three,dev\n",
        encoding="utf-8",
    )
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        archive.writestr("a.wav", b"RIFF")
    corpus = read_corpus(file)
    assert corpus.root == tmp_path / "mine.zip"
    assert [(one.speaker, one.text) for one in corpus.utterances] == [
        ("ann", "one"),
        ("ben", "two"),
    ]
    assert [one.speaker for one in read_corpus(file, "dev").utterances] == ["cleo"]


@pytest.mark.parametrize("suffix", [".pcm", ".wav"])
def test_a_folder_of_kspon_speech(tmp_path: Path, suffix: str) -> None:
    sound = write_sound(tmp_path / "KsponSpeech_01" / "KsponSpeech_0001" / f"K_000001{suffix}")
    text = "b/ 아/ 모+ 몬 소리야 (70%)/(칠 십 퍼센트) 확률이라니 n/"
    sound.with_suffix(".txt").write_bytes(text.encode("cp949"))
    corpus = read_corpus(tmp_path)
    path = sound.relative_to(tmp_path).as_posix()
    assert corpus.utterances == (Utterance(path, "아 모 몬 소리야 칠 십 퍼센트 확률이라니", ""),)
    samples = decode_float(next(corpus.listing.read_all()), RATE_HZ, path)
    np.testing.assert_allclose(samples, SOUND, atol=2e-4)


def test_a_script_of_kspon_speech(tmp_path: Path) -> None:
    write_sound(tmp_path / "KsponSpeech_eval" / "eval_clean" / "E1.pcm")
    script = tmp_path / "scripts" / "eval_clean.trn"
    script.parent.mkdir()
    script.write_text("KsponSpeech_eval/eval_clean/E1.pcm :: 네/ 좋아요*.\n", encoding="utf-8")
    corpus = read_corpus(script)
    assert corpus.utterances[0].text == "네 좋아요"
    assert len(next(corpus.listing.read_all())) == 2 * len(SOUND)
    script.write_text("no text\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="line 1"):
        read_corpus(script)


@pytest.mark.parametrize("name", ["106_003", "84-121123"])
def test_a_folder_of_zeroth_and_of_librispeech(tmp_path: Path, name: str) -> None:
    mark = name[-4:-3] if "_" in name else "-"
    speaker = name.partition(mark)[0]
    folder = tmp_path / "003" / speaker
    for number in ("0001", "0002"):
        write_sound(folder / f"{name}{mark}{number}.flac")
    lines = [f"{name}{mark}0001 그는 괜찮은 척", f"{name}{mark}0009 소리가 없다"]
    (folder / f"{name}.trans.txt").write_text("\n".join(lines), encoding="utf-8")
    path = f"003/{speaker}/{name}{mark}0001.flac"
    assert read_corpus(tmp_path).utterances == (Utterance(path, "그는 괜찮은 척", speaker),)


def test_marks_of_scripts_are_not_spoken() -> None:
    assert (
        clean_script("o/ 그+ 그게 (ATM)/(에이티엠) 이/ 말이야* u/") == "그 그게 에이티엠 이 말이야"
    )
    assert clean_script("l/ n/") == ""


def test_other_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="not found"):
        read_corpus(tmp_path / "none.csv")
    with pytest.raises(DatasetError, match="holds none"):
        read_corpus(tmp_path)
    file = tmp_path / "x.csv"
    file.write_text("path,words\na.wav,b\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="columns path and text"):
        read_corpus(file)


def test_sound_without_a_header_has_one_rate() -> None:
    with pytest.raises(DatasetError, match="16000 Hz"):
        decode_float(b"\0\0", 8000, "a.pcm")
    with pytest.raises(DatasetError, match="0 samples"):
        decode_float(b"", RATE_HZ, "a.pcm")
