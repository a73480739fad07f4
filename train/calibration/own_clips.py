"""The operator's own clips, one folder per person, embedded as the service does it:
tables by modality to calibrate on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from align.aligner import Aligner
from network.serving.encoder import Encoders
from recognition.analysis import Analyser, Probe
from train.data.tables import Table
from utils.arrays import Float32Array
from utils.config import Settings
from utils.errors import DatasetError, MediaError
from utils.modality import Modality

MIN_PEOPLE = 5
Analyse = Callable[[Path], Probe]


class Row(NamedTuple):
    """An embedding (size,) of a clip: whose, the clip's number, and the seconds of
    speech in it, 0 for a face.
    """

    person: str
    clip: int
    vector: Float32Array
    seconds: float


def own_tables(
    encoders: Encoders, folder: Path, say: Callable[[str], None] = tqdm.write
) -> dict[str, Table]:
    """Tables ("face", "voice", "fused", as far as there are two clips each of
    `MIN_PEOPLE` people) of all clips below `folder`/<person>/.

    Raises:
        DatasetError: no modality has enough people. Clips that cannot be used are named
            through `say` and left out.
    """
    settings = Settings.from_env()  # as the service reads clips
    return tables_of(folder, Analyser(Aligner(settings.capture), encoders, settings).analyse, say)


def tables_of(folder: Path, analyse: Analyse, say: Callable[[str], None]) -> dict[str, Table]:
    """The same with any way to analyse a clip."""
    rows: dict[Modality, list[Row]] = {modality: [] for modality in Modality}
    people = sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
    clips = [
        (person.name, clip)
        for person in people
        for clip in sorted(person.rglob("*"))
        if clip.is_file()
    ]
    for number, (person, clip) in enumerate(tqdm(clips, unit="clip", disable=None)):
        try:
            probe = analyse(clip)
        except MediaError as error:
            say(f"left out: {person}/{clip.name}: {error.message}")
            continue
        for modality, vector in probe.vectors.items():
            rows[modality].append(
                Row(person, number, vector, 0.0 if modality == Modality.FACE else probe.speech_s)
            )
    tables = {
        modality.value: table
        for modality, found in rows.items()
        if (table := _table(found)) is not None
    }
    if not tables:
        raise DatasetError(
            f"Calibration on own clips needs {MIN_PEOPLE} people with two usable clips each at"
            f" least. Received: {len(people)} folders with {len(clips)} files"
        )
    return tables


def _table(rows: Sequence[Row]) -> Table | None:
    """A table of one modality; None for too few people."""
    names = sorted({row.person for row in rows})
    repeated = [name for name in names if sum(row.person == name for row in rows) > 1]
    if len(repeated) < MIN_PEOPLE:
        return None
    person = np.array([names.index(row.person) for row in rows])
    file = np.array([row.clip for row in rows])
    seconds = np.array([row.seconds for row in rows], np.float32)
    return Table(
        np.stack([row.vector for row in rows]),
        person,
        file,
        np.zeros(len(rows), np.int64),
        tuple(names),
        ("clean",),
        seconds,
    )
