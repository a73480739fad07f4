"""Tables of the operator's own clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recognition.sides import Side
from train.calibration.own_clips import tables_of
from utils.arrays import EMBEDDING_SIZE
from utils.errors import DatasetError, MediaCorruptError
from utils.modality import Modality


class Probe:
    """What is known of an analysed clip."""

    def __init__(self, *modalities: Modality) -> None:
        rng = np.random.default_rng(0)
        self.sides = {
            m: Side(
                vector=rng.normal(size=EMBEDDING_SIZE).astype(np.float32),
                speech_s=0.0 if m == Modality.FACE else 4.0,
                quality=(0.5, 1.0) if m == Modality.FUSED else (0.5,),
            )
            for m in modalities
        }


def analyse(path: Path) -> Any:
    """p5's clips are broken, and p4 is silent."""
    if path.parent.name == "p5":
        raise MediaCorruptError("Broken.")
    return Probe(Modality.FACE) if path.parent.name == "p4" else Probe(*Modality)


def test_own_clips_become_tables_and_unusable_ones_are_named(tmp_path: Path) -> None:
    for person in range(6):
        (tmp_path / f"p{person}").mkdir()
        for clip in range(2):
            (tmp_path / f"p{person}" / f"{clip}.mp4").write_bytes(b"x")
    (tmp_path / "everybody").symlink_to(tmp_path)
    lines: list[str] = []
    tables = tables_of(tmp_path, analyse, lines.append)
    assert set(tables) == {"face"}  # only four people have a voice
    assert len(tables["face"]) == 10
    assert not tables["face"].seconds.any()
    everything: Any = Probe(*Modality)
    everybody = tables_of(tmp_path, lambda _path: everything, lines.append)
    assert {name: set(table.seconds.tolist()) for name, table in everybody.items()} == {
        "face": {0.0},
        "voice": {4.0},
        "fused": {4.0},
    }
    assert everybody[Modality.FUSED].quality[0].tolist() == [0.5, 1.0]
    assert len(lines) == 2
    assert "p5" in lines[0]
    with pytest.raises(DatasetError, match="5 people"):
        tables_of(tmp_path / "p0", analyse, lines.append)
