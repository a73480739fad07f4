"""Where training files come from: a folder of identities, a list file, or a CSV beside
a zip archive.

All three become one `Listing`: an ordered tuple of (path, label) items and a way to
read the bytes of each. Order is sorted by path, so the same data set gives the same
item numbers on every machine; caches and seeds rely on that.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from utils.errors import DatasetError

FEWEST_HELD_OUT = 5  # identities: a fold each
SUFFIXES = {
    "image": frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"}),
    "audio": frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aac"}),
}


@dataclass(frozen=True)
class Item:
    """One file of a data set.

    Attributes:
        path: Relative to the listing's root (a folder or a zip archive).
        label: The identity (a person), as a string.
    """

    path: str
    label: str


@dataclass(frozen=True)
class Listing:
    """A labelled data set: items sorted by path, below one root folder or inside one
    zip archive.
    """

    root: Path
    items: tuple[Item, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The distinct identities, sorted; the place of one in this tuple is its class
        number.
        """
        return tuple(sorted({item.label for item in self.items}))

    def label_ids(self) -> list[int]:
        """Class number of each item, in item order."""
        ids = {label: number for number, label in enumerate(self.labels)}
        return [ids[item.label] for item in self.items]

    def read_all(self) -> Iterator[bytes]:
        """Bytes of every item, in order; a missing file raises `DatasetError`."""
        if self.root.is_dir():
            for item in self.items:
                yield _read_file(self.root / item.path)
            return
        with _opened(self.root) as archive:
            for item in self.items:
                yield _read_member(archive, item.path)


def _opened(archive: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(archive)
    except zipfile.BadZipFile as error:
        raise DatasetError(
            f"Files must lie in a folder or a zip archive. Received: {archive.name}, which is"
            " neither"
        ) from error


def shared_data_dir() -> Path:
    """Folder of the research data: `DUET_SHARED_DATA`, by default `../shared/data`
    beside the repository.
    """
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(os.environ.get("DUET_SHARED_DATA", default))


def read_listing(source: Path, kind: str = "image", split: str = "train") -> Listing:
    """Read a data set from `source`.

    Args:
        source: A folder with one sub-folder per identity; or a list file with lines
            `path<TAB>label`, paths relative to the file's folder; or a CSV with the
            columns `path`, `identity` (or `speaker`) and `split`, whose files lie in a
            zip archive of the same name.
        kind: "image" or "audio": which file suffixes a folder of identities is searched
            for.
        split: Rows of a CSV to keep. Folders and list files have no splits.

    Raises:
        DatasetError: nothing there, no UTF-8, a malformed line, or no item at all.
    """
    if kind not in SUFFIXES:
        raise DatasetError(f"kind must be one of {sorted(SUFFIXES)}. Received: kind={kind!r}")
    if source.is_dir():
        listing = _from_folder(source, SUFFIXES[kind])
    elif source.suffix == ".csv" and source.is_file():
        listing = _from_csv(source, split)
    elif source.is_file():
        listing = _from_list_file(source)
    else:
        raise DatasetError(
            f"A data set is a folder, a list file or a CSV. Received: source={source} (not found)"
        )
    if not listing.items:
        raise DatasetError(
            f"A data set needs at least one {kind} file. Received: source={source} without any",
            f"A folder is searched for {', '.join(sorted(SUFFIXES[kind]))} in a folder for each"
            " identity.",
        )
    return listing


def cache_key(listing: Listing) -> str:
    """16 hex digits that name a data set in caches: its root, its items, and of every
    file what changes when somebody changes it (size and time, or its checksum in an
    archive).
    """
    state = (
        _archived(listing.root, listing.root.stat().st_mtime_ns) if listing.root.is_file() else None
    )
    lines = [
        f"{item.path}\t{item.label}\t{_state(listing.root / item.path) if state is None else state.get(item.path)}"
        for item in listing.items
    ]
    return hashlib.sha256("\n".join([str(listing.root.resolve()), *lines]).encode()).hexdigest()[
        :16
    ]


def _state(file: Path) -> str:
    try:
        found = file.stat()
    except OSError:  # reading it will say so
        return "-"
    return f"{found.st_size} {found.st_mtime_ns}"


@lru_cache(maxsize=4)
def _archived(archive: Path, changed_ns: int) -> Mapping[str, int]:
    """Checksums in an archive as it was when it was last changed; a large one has tens
    of thousands of them.
    """
    del changed_ns  # a part of the cache's key
    with _opened(archive) as opened:
        return {info.filename: info.CRC for info in opened.infolist()}


def hold_out(listing: Listing, share: float, seed: int) -> tuple[Listing, Listing]:
    """Split a data set by identity into training and held-out part, at least
    `FEWEST_HELD_OUT` identities in the latter.

    Raises:
        DatasetError: too few identities with two files or more.
    """
    counts: dict[str, int] = {}
    for item in listing.items:
        counts[item.label] = counts.get(item.label, 0) + 1
    usable = sorted(label for label, count in counts.items() if count > 1)
    number = max(FEWEST_HELD_OUT, round(share * len(usable)))
    if len(usable) < number or len(counts) < number + 2:
        raise DatasetError(
            f"Training needs at least {FEWEST_HELD_OUT + 2} identities, {FEWEST_HELD_OUT} of them"
            f" with two files or more. Received: {len(counts)}, {len(usable)} of them",
            "Those with two files are needed to see how well it works; they are not trained on.",
        )
    held = set(np.random.default_rng(seed).permutation(usable)[:number].tolist())
    kept = tuple(item for item in listing.items if item.label not in held)
    return Listing(listing.root, kept), Listing(
        listing.root, tuple(i for i in listing.items if i.label in held)
    )


def _from_folder(folder: Path, suffixes: frozenset[str]) -> Listing:
    """Every file below a sub-folder, labelled with the name of that sub-folder."""
    paths = sorted(
        path for path in folder.glob("*/**/*") if path.suffix.lower() in suffixes and path.is_file()
    )
    relative = [path.relative_to(folder) for path in paths]
    return Listing(folder, tuple(Item(path.as_posix(), path.parts[0]) for path in relative))


def _from_list_file(file: Path) -> Listing:
    """Lines `path<TAB>label`; blank lines and lines that start with # are skipped."""
    items = []
    for number, line in enumerate(_text(file).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        path, tab, label = line.partition("\t")
        if not tab or not path.strip() or not label.strip():
            raise DatasetError(
                f"Each line must be path<TAB>label. Received: {line!r} in line {number} of"
                f" {file.name}"
            )
        items.append(Item(path.strip(), label.strip()))
    return Listing(file.parent, tuple(sorted(items, key=lambda item: item.path)))


def _from_csv(file: Path, split: str) -> Listing:
    """Rows of one split of `name.csv`; the files lie in `name.zip` beside it."""
    archive = file.with_suffix(".zip")
    if not archive.is_file():
        raise DatasetError(
            f"A CSV needs a zip archive of the same name beside it. Received: {file.name} alone"
        )
    rows = list(csv.DictReader(io.StringIO(_text(file), newline="")))
    label = next(
        (name for name in ("identity", "speaker", "label") if rows and name in rows[0]), None
    )
    if label is None or not {"path", "split"} <= set(rows[0]):
        raise DatasetError(
            "A CSV needs the columns path, identity (or speaker) and split. Received:"
            f" {list(rows[0]) if rows else []}"
        )
    items = [Item(row["path"], row[label]) for row in rows if row["split"] == split]
    return Listing(archive, tuple(sorted(items, key=lambda item: item.path)))


def _text(file: Path) -> str:
    """Of a list or CSV; a byte order mark, as editors on Windows write it, is no part
    of the first name.
    """
    try:
        return file.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"A list of files must be readable text in UTF-8. Received: {file.name}"
            f" ({type(error).__name__})"
        ) from error


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"Every listed file must be readable. Received: {path} ({error.strerror})"
        ) from error


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except KeyError as error:
        raise DatasetError(f"Every listed file must be in the archive. Received: {name}") from error
