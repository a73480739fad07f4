"""Tables of the operator's own clips, one folder per person, for calibration.

They are embedded as the service does it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from recognition.analysis import Probe
from train.data.tables import Table
from utils.arrays import Float32Array
from utils.errors import DatasetError, MediaError
from utils.modality import Modality

MIN_PEOPLE = 5
Analyse = Callable[[Path], Probe]


@dataclass(frozen=True)
class _Row:
    """An embedding (size,) of a clip.

    Attributes:
        person: Whose it is.
        clip: Number of the clip.
        vector: The embedding.
        seconds: Seconds of speech in it, 0 for a face.
    """

    person: str
    clip: int
    vector: Float32Array
    seconds: float


def tables_of(
    folder: Path, analyse: Analyse, report: Callable[[str], None] = tqdm.write
) -> dict[Modality, Table]:
    """Embed all clips below `folder`/<person>/.

    Args:
        folder: A folder of clips for each person.
        analyse: Analyses a clip.
        report: Is given the name of each clip that cannot be used.

    Returns:
        A table for each modality with two clips each of `MIN_PEOPLE` people.

    Raises:
        DatasetError: No modality has enough people.
    """
    rows: dict[Modality, list[_Row]] = {modality: [] for modality in Modality}
    clips = _list_clips(folder)
    for number, (person, clip) in enumerate(tqdm(clips, unit="clip", disable=None)):
        try:
            probe = analyse(clip)
        except MediaError as error:
            report(f"left out: {person}/{clip.name}: {error.message}")
            continue
        for modality, vector in probe.vectors.items():
            seconds = 0.0 if modality == Modality.FACE else probe.speech_s
            rows[modality].append(_Row(person=person, clip=number, vector=vector, seconds=seconds))
    tables = {modality: _table_of(part) for modality, part in rows.items() if _is_enough(part)}
    if not tables:
        people = len({person for person, _ in clips})
        raise DatasetError(
            f"Calibration on own clips needs {MIN_PEOPLE} people with two usable clips each at"
            f" least. Received: {len(clips)} files of {people} people"
        )
    return tables


def _list_clips(folder: Path) -> list[tuple[str, Path]]:
    """All files with the name of their person, without hidden folders."""
    clips: list[tuple[str, Path]] = []
    for person in sorted(path for path in folder.iterdir() if path.is_dir()):
        if not person.name.startswith("."):
            files = sorted(file for file in person.rglob("*") if file.is_file())
            clips += [(person.name, file) for file in files]
    return clips


def _is_enough(rows: Sequence[_Row]) -> bool:
    """Whether `MIN_PEOPLE` people have two clips."""
    people = [row.person for row in rows]
    return sum(people.count(name) > 1 for name in set(people)) >= MIN_PEOPLE


def _table_of(rows: Sequence[_Row]) -> Table:
    names = sorted({row.person for row in rows})
    return Table(
        vectors=np.stack([row.vector for row in rows]),
        person=np.array([names.index(row.person) for row in rows]),
        file=np.array([row.clip for row in rows]),
        condition=np.zeros(len(rows), np.int64),
        names=tuple(names),
        conditions=("clean",),
        seconds=np.array([row.seconds for row in rows], np.float32),
    )
