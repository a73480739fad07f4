"""People of one place: which files are theirs, and that they are embedded once."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recognition.sides import Side
from train.calibration.places import PLACES, SOURCES, Place, PlaceReader
from utils.arrays import EMBEDDING_SIZE
from utils.modality import Modality

PLACE = Place("room.zip", r"^(p\d+)/", files=2)


class Probe:
    """An analysed clip of a face, a direction of its own for each content."""

    def __init__(self, path: Path) -> None:
        vector = np.zeros(EMBEDDING_SIZE, np.float32)
        vector[int(path.read_bytes())] = 1.0
        self.sides = {Modality.FACE: Side(vector=vector, quality=(0.5,))}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The same clips in a folder and in an archive, with files of nobody."""
    with zipfile.ZipFile(tmp_path / "room.zip", "w") as archive:
        for person in range(3):
            for clip in range(4):
                name = f"p{person}/{clip}.mp4"
                content = str(10 * person + clip)
                archive.writestr(name, content)
                (tmp_path / "room" / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / "room" / name).write_text(content)
        archive.writestr("notes.txt", "0")
    return tmp_path


def reader(
    root: Path, cache: Path | None = None, analyse: Callable[..., Any] = Probe
) -> PlaceReader:
    return PlaceReader(root=root, analyse=analyse, encoder_ids=("one",), cache=cache)


@pytest.mark.parametrize("media", ["room.zip", "room"])
def test_people_are_read_from_a_folder_or_an_archive(root: Path, media: str) -> None:
    table = reader(root).read(Place(media, PLACE.person, PLACE.files))[Modality.FACE]
    assert table.names == ("p0", "p1", "p2")
    assert np.bincount(table.person).tolist() == [2, 2, 2]
    directions = table.vectors.argmax(axis=1)
    assert (directions // 10 == table.person).all()
    assert table.quality.tolist() == [[0.5]] * 6


def test_a_place_that_is_not_there_has_nobody(root: Path) -> None:
    assert reader(root).read(Place("elsewhere.zip", PLACE.person)) == {}


def test_a_place_is_embedded_once(root: Path) -> None:
    cache = root / "cache"
    first = reader(root, cache).read(PLACE)[Modality.FACE]

    def refuse(_path: Path) -> Probe:
        raise AssertionError("It is embedded again.")

    again = reader(root, cache, refuse).read(PLACE)[Modality.FACE]
    np.testing.assert_array_equal(again.vectors, first.vectors)
    assert (again.names, again.quality.tolist()) == (first.names, first.quality.tolist())


SPEAKERS = (
    "msc_ml/59Tt9EuW2D",
    "aec_doubletalk/clean_0YP1nl3pDk6paW0ZYAPdpg",
    "emotiontts_ko/ada",
    "picovoice_s2i/c002",
    "voicecorpus_mx/female_20y29_01",
    "arabic_sc/ar00000001",
    "dspspeech20/ds00",
    "speech_commands/sc00176480",
)


def test_the_shipped_places_name_people() -> None:
    """Every expression names the person of a path of its kind."""
    paths = (
        "ar07/test/join1.mp4",
        "grid_s1/enroll/a.mpg",
        "spk03/00169.mp4",
        "live/0001_00_00_01_0.webp",
        *SPEAKERS,
    )
    people = ("ar07", "grid_s1", "spk03", "0001", *SPEAKERS)
    matches = [
        re.search(place.person, path)
        for place, path in zip((*PLACES, *SOURCES), paths, strict=True)
    ]
    assert tuple(match[1] for match in matches if match) == people
