"""Rates of digits that are said: a listener that hears what it is told."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from train.measure.liveness_digits import Reading, as_markdown, attack, listen_to_all
from utils.arrays import Float32Array
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
    rows = [f"{name}.wav,speaker {name},{text}" for name, text in texts.items()]
    (tmp_path / "voices.csv").write_text("path,speaker,text\n" + "\n".join(rows) + "\n")
    with zipfile.ZipFile(tmp_path / "voices.zip", "w") as voices:
        for number, name in enumerate(texts):
            sound = io.BytesIO()
            level = np.full(1600, number / 10, np.float32)
            soundfile.write(sound, level, 16000, format="WAV", subtype="FLOAT")
            voices.writestr(f"{name}.wav", sound.getvalue())
    return tmp_path


def hear(speech: Float32Array, language: str, count: int) -> list[Word]:
    assert (language, count) == ("en", 4)
    return [Word("1 2 3 9" if speech[0] == 0 else "1 1 1 1")]


def test_every_string_of_digits_is_listened_to(folder: Path) -> None:
    readings = listen_to_all(folder, hear)
    assert [(one.asked, one.heard) for one in readings] == [("1234", "1239"), ("9065", "1111")]
    assert [one.is_refused for one in readings] == [False, True]
    table = as_markdown(readings)
    assert "| BPCER | 1: 50.0 (1.3 to 98.7) | 2 | 2 |" in table
    assert "Refused: 9065 as 1111." in table


def test_old_recordings_hold_other_digits() -> None:
    rng = np.random.default_rng(3)
    readings = [Reading(f"{i}", "", "".join(rng.choice(list("0123456789"), 9))) for i in range(20)]
    passed = attack(readings)
    assert len(passed) == 300
    assert sum(passed) <= 2
    assert attack([Reading("a", "1234", "1234")]) == []


def test_data_without_digits_are_refused(folder: Path) -> None:
    (folder / "voices.csv").write_text("path,speaker,text\nc.wav,c,ONE TWO\n")
    with pytest.raises(DatasetError, match="There must be strings of digits"):
        listen_to_all(folder, hear)
