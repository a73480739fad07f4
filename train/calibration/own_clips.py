"""Tables of the operator's own clips, one folder per person, for calibration.

They are embedded as the service does it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from recognition.probe import Probe
from recognition.sides import Side
from train.data.own_clips import people_folders
from train.data.tables import Table
from utils.errors import DatasetError, MediaError
from utils.modality import Modality

MIN_PEOPLE = 5
Analyse = Callable[[Path], Probe]


@dataclass(frozen=True)
class _Row:
    """What a clip shows of a person by one modality. `clip` is its number."""

    person: str
    clip: int
    side: Side


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
    clips = _list_clips(folder)
    embedded = embed_clips(clips, analyse, report)
    tables = {modality: table for modality, table in embedded.items() if _is_enough(table)}
    if not tables:
        people = len({person for person, _ in clips})
        raise DatasetError(
            f"Calibration on own clips needs {MIN_PEOPLE} people with two usable clips each at"
            f" least. Received: {len(clips)} files of {people} people"
        )
    return tables


def embed_clips(
    clips: Sequence[tuple[str, Path]],
    analyse: Analyse,
    report: Callable[[str], None] = tqdm.write,
) -> dict[Modality, Table]:
    """Embed clips, each with the name of its person.

    There is a table for each modality that a clip shows. Arguments as of `tables_of`.
    """
    rows: dict[Modality, list[_Row]] = {modality: [] for modality in Modality}
    for number, (person, clip) in enumerate(tqdm(clips, unit="clip", disable=None)):
        try:
            probe = analyse(clip)
        except MediaError as error:
            report(f"left out: {person}/{clip.name}: {error.message}")
            continue
        for modality, side in probe.sides.items():
            rows[modality].append(_Row(person=person, clip=number, side=side))
    return {modality: _table_of(part) for modality, part in rows.items() if part}


def _list_clips(folder: Path) -> list[tuple[str, Path]]:
    """All files with the name of their person, without hidden folders."""
    clips: list[tuple[str, Path]] = []
    for person in people_folders(folder):
        files = sorted(file for file in person.rglob("*") if file.is_file())
        clips += [(person.name, file) for file in files]
    return clips


def _is_enough(table: Table) -> bool:
    """Whether `MIN_PEOPLE` people have two clips."""
    return int((np.bincount(table.person) > 1).sum()) >= MIN_PEOPLE


def _table_of(rows: Sequence[_Row]) -> Table:
    names = sorted({row.person for row in rows})
    return Table(
        vectors=np.stack([row.side.vector for row in rows]),
        person=np.array([names.index(row.person) for row in rows]),
        file=np.array([row.clip for row in rows]),
        condition=np.zeros(len(rows), np.int64),
        names=tuple(names),
        conditions=("clean",),
        seconds=np.array([row.side.speech_s for row in rows], np.float32),
        quality=np.array([row.side.quality for row in rows], np.float32),
    )
