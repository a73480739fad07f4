"""Rates of digits that are said: a listener that hears what it is told."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from liveness.challenge import Hear, count_wrong
from train.measure.liveness_digits import as_markdown, change_two, measure
from utils.arrays import RATE_HZ, Float32Array
from utils.errors import DatasetError


@dataclass(frozen=True)
class Word:
    """Digits that are heard at once."""

    text: str
    start_s: float = 0.0
    end_s: float = 1.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two strings of digits, and two texts that are none."""
    texts = {"a": "ONE TWO THREE FOUR", "b": "NINE ZERO SIX FIVE", "c": "ONE TWO", "d": "A B C D"}
    return write_strings(tmp_path, texts)


def write_strings(folder: Path, texts: dict[str, str], speaker: str = "") -> Path:
    """Recordings of a level each, of `speaker` or else of one speaker each."""
    rows = [f"{name}.wav,{speaker or name},{text}" for name, text in texts.items()]
    (folder / "voices.csv").write_text("path,speaker,text\n" + "\n".join(rows) + "\n")
    with zipfile.ZipFile(folder / "voices.zip", "w") as voices:
        for number, name in enumerate(texts):
            sound = io.BytesIO()
            level = np.full(1600, number / 10, np.float32)
            soundfile.write(sound, level, 16000, format="WAV", subtype="FLOAT")
            voices.writestr(f"{name}.wav", sound.getvalue())
    return folder


def listen(speech: Float32Array, language: str, count: int) -> Hear:
    """Hear what was said in the folder of the test, but for one digit: a 4 as a 9."""
    assert 4 <= count <= 8
    assert speech.dtype == np.float32
    assert language == "en"
    heard = {0.0: "1 2 3 9", 0.1: "9 0 6 5"}
    kept = sorted({round(float(level), 1) for level in speech} & set(heard))
    words = [Word(" ".join(heard[level] for level in kept), 0.0, len(speech) / RATE_HZ)]
    return lambda _: words


def test_every_string_of_digits_is_listened_to(folder: Path) -> None:
    readings = measure(folder, listen)
    assert [(one.asked, one.heard) for one in readings.genuine] == [
        ("1234", "1239"),
        ("9065", "9065"),
    ]
    assert [one.passes for one in readings.genuine] == [True, True]
    assert not any(one.passes for one in readings.others)
    table = as_markdown(readings)
    assert "| the digits that are asked for | BPCER | 0: 0.0 (0.0 to 84.2) | 2 | 2 |" in table
    assert "Refused: none." in table


def test_old_recordings_of_six_digits_meet_fresh_ones(tmp_path: Path) -> None:
    folder = write_strings(tmp_path, {"a": "ONE TWO THREE FOUR", "b": "NINE ZERO SIX FIVE"}, "ann")
    readings = measure(folder, listen).old
    assert len(readings) == 300
    assert {one.speaker for one in readings} == {"ann"}
    assert len({one.asked for one in readings}) > 290
    assert sum(one.passes for one in readings) <= 2


def test_two_digits_are_others() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        asked = change_two("2599", rng)
        assert len(asked) == 4
        assert count_wrong("2599", asked) == 2


def test_data_without_digits_are_refused(folder: Path) -> None:
    (folder / "voices.csv").write_text("path,speaker,text\nc.wav,c,ONE TWO\n")
    with pytest.raises(DatasetError, match="There must be strings of digits"):
        measure(folder, listen)
