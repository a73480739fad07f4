"""People of one place: the same camera, light, room and microphone.

Strangers of one place resemble each other more than photographs from the web do, and
they are who stands before a kiosk. Files are analysed as the service does it, and their
embeddings are kept in a cache folder.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recognition.probe import Probe
from train.calibration.own_clips import embed_clips
from train.data.datasets import Item, Listing, read_listing
from train.data.tables import Table, select
from utils.modality import Modality
from utils.whole_file import whole_file

Tables = dict[Modality, Table]


@dataclass(frozen=True)
class Place:
    """Clips, photographs or recordings of people in one place.

    Attributes:
        media: Folder, zip archive or listing below the folder of the research data.
        person: Regular expression of the paths in it, or of the identities of a
            listing. Its group names the person.
        files: At most so many files of each person.
        split: The split of a listing that counts.
        people: At most so many people, None for all.
    """

    media: str
    person: str
    files: int = 6
    split: str = "dev"
    people: int | None = None

    def listing(self, root: Path) -> Listing:
        """The chosen files below `root`, with their people."""
        source = root / self.media
        if source.suffix == ".csv":
            whole = read_listing(source, "audio", self.split)
            named = [(item.path, item.label) for item in whole.items]
            source = whole.root
        else:
            named = [(path, path) for path in sorted(_paths_in(source))]
        items = [
            Item(path, match[1])
            for path, name in named
            if (match := re.search(self.person, name)) is not None
        ]
        return select(Listing(source, tuple(items)), self.files, self.people, least=1)


PLACES = (
    Place("clips/people", r"^(ar\d+)/"),
    Place("clips/people", r"^(grid_\w+)/"),
    Place("liveness/words.zip", r"^(spk\d+)/"),
    Place("liveness/prints.zip", r"^live/(\d{4})_"),
)
# Strangers of one source each. They tell how much such strangers resemble each other, and
# not what one's own clips in one place do: some recorded somewhere else every time.
SOURCES = (
    Place("voices2.csv", r"^(msc_ml/.+)"),
    *(
        Place(listing, rf"^({name}/.+)", files=3, split="train", people=40)
        for listing, name in (
            ("voices2.csv", "aec_doubletalk"),
            ("voices2.csv", "emotiontts_ko"),
            ("voices2.csv", "picovoice_s2i"),
            ("voices2.csv", "voicecorpus_mx"),
            ("voices.csv", "arabic_sc"),
            ("voices.csv", "dspspeech20"),
            ("voices.csv", "speech_commands"),
        )
    ),
)


@dataclass(frozen=True)
class PlaceReader:
    """Embeds the people of places.

    Attributes:
        root: Folder of the research data.
        analyse: Analyses a file as the service does.
        encoder_ids: Names of the encoders, which embeddings are kept under.
        cache: Folder of the embeddings, None for no cache.
    """

    root: Path
    analyse: Callable[[Path], Probe]
    encoder_ids: Sequence[str]
    cache: Path | None

    def read(self, place: Place) -> Tables:
        """Embed the people of a place, by modality. There are none if it is not there."""
        if not (self.root / place.media).exists():
            return {}
        listing = place.listing(self.root)
        file = None if self.cache is None else self.cache / f"place-{self._name(listing)}.npz"
        if file is not None and file.exists():
            return _load(file)
        with _as_files(listing) as clips:
            tables = embed_clips(clips, self.analyse)
        if file is not None:
            with whole_file(file) as partial:
                np.savez(partial, **_as_arrays(tables))
        return tables

    def _name(self, listing: Listing) -> str:
        key = [str(listing.root), *(item.path for item in listing.items), *self.encoder_ids]
        return hashlib.sha256("\n".join(key).encode()).hexdigest()[:16]


def _paths_in(source: Path) -> Iterator[str]:
    if source.is_dir():
        yield from (str(f.relative_to(source)) for f in source.rglob("*") if f.is_file())
        return
    with zipfile.ZipFile(source) as archive:
        yield from archive.namelist()


@contextmanager
def _as_files(listing: Listing) -> Iterator[list[tuple[str, Path]]]:
    """The files of a listing with their people, while the context is open."""
    if listing.root.is_dir():
        yield [(item.label, listing.root / item.path) for item in listing.items]
        return
    with tempfile.TemporaryDirectory() as folder:
        clips = []
        for number, (item, data) in enumerate(zip(listing.items, listing.read_all(), strict=True)):
            clip = Path(folder) / f"{number}{Path(item.path).suffix}"
            clip.write_bytes(data)
            clips.append((item.label, clip))
        yield clips


def _as_arrays(tables: Tables) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    for modality, table in tables.items():
        arrays[f"{modality}_vectors"] = table.vectors
        arrays[f"{modality}_codes"] = np.stack([table.person, table.file])
        arrays[f"{modality}_seconds"] = table.seconds
        arrays[f"{modality}_quality"] = table.quality
        arrays[f"{modality}_names"] = np.array(table.names)
    return arrays


def _load(file: Path) -> Tables:
    with np.load(file) as archive:
        there = [m for m in Modality if f"{m}_vectors" in archive]
        return {modality: _table_in(archive, modality) for modality in there}


def _table_in(archive: Any, modality: Modality) -> Table:
    vectors = archive[f"{modality}_vectors"]
    person, file = archive[f"{modality}_codes"]
    return Table(
        vectors=vectors,
        person=person,
        file=file,
        condition=np.zeros(len(vectors), np.int64),
        names=tuple(archive[f"{modality}_names"].tolist()),
        conditions=("clean",),
        seconds=archive[f"{modality}_seconds"],
        quality=archive[f"{modality}_quality"],
    )
