"""Data sets: a folder of identities, a list file, or a CSV file beside a zip archive.

All three become one `Listing`: an ordered tuple of (path, label) items and a way to
read the bytes of each. Items are sorted by path, so the same data set gives the same
item numbers on every machine. Caches and seeds rely on that order.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np

from utils.errors import DatasetError
from utils.links import leads_back

# One identity for each of five folds.
FEWEST_HELD_OUT = 5
SUFFIXES = {
    "image": frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"}),
    "audio": frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aac"}),
}
LABEL_COLUMNS = ("identity", "speaker", "label")


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
    """A labelled data set: items sorted by path, in a folder or in a zip archive."""

    root: Path
    items: tuple[Item, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The distinct identities, sorted. The position of one is its class number."""
        return tuple(sorted({item.label for item in self.items}))

    def label_ids(self) -> list[int]:
        """Class number of each item, in item order."""
        ids = {label: number for number, label in enumerate(self.labels)}
        return [ids[item.label] for item in self.items]

    def by_label(self) -> dict[str, list[Item]]:
        """The items of each identity, identities in the order of their first item."""
        items: dict[str, list[Item]] = {}
        for item in self.items:
            items.setdefault(item.label, []).append(item)
        return items

    def read_all(self) -> Iterator[bytes]:
        """Yield the bytes of every item, in order.

        Raises:
            DatasetError: A file is missing or cannot be read.
        """
        if self.root.is_dir():
            for item in self.items:
                yield _read_file(self.root / item.path)
            return
        with _open_archive(self.root) as archive:
            for item in self.items:
                yield _read_member(archive, item.path)


def group_of(label: str) -> str:
    """The group of an identity (a data set): the part before the last "/"."""
    return label.rpartition("/")[0]


def shared_data_dir() -> Path:
    """The folder of the research data.

    It is named by `DUET_SHARED_DATA`. The default is `../shared/data` beside the
    repository.
    """
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(os.environ.get("DUET_SHARED_DATA", default))


def read_listing(source: Path, kind: str = "image", split: str = "train") -> Listing:
    """Read a data set from `source`.

    Args:
        source: A folder with one sub-folder per identity; or a list file with lines
            `path<TAB>label`, paths relative to the file's folder or to the present one;
            or a CSV with the
            columns `path`, `identity` (or `speaker`) and `split`, whose files lie in a
            zip archive of the same name.
        kind: "image" or "audio": which file suffixes a folder of identities is searched
            for.
        split: Rows of a CSV to keep. Folders and list files have no splits.

    Raises:
        DatasetError: The source does not exist, is not UTF-8, has a malformed line, or
            holds no item.
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
            "A data set must be a folder, a list file or a CSV file."
            f" Received: source={source} (not found)"
        )
    if not listing.items:
        raise DatasetError(
            f"A data set needs at least one {kind} file. {source} holds none.",
            "A folder needs a sub-folder for each identity, with files of the types"
            f" {', '.join(sorted(SUFFIXES[kind]))}.",
        )
    return listing


def cache_key(listing: Listing) -> str:
    """Name of a data set in caches, 16 hex digits.

    It changes with the root, the items and the content of the files, for which size and
    modification time stand (in an archive the checksum).
    """
    archived = None
    if listing.root.is_file():
        archived = _checksums(listing.root, listing.root.stat().st_mtime_ns)
    lines = [str(listing.root.resolve())]
    for item in listing.items:
        state: object
        if archived is None:
            state = _file_state(listing.root / item.path)
        else:
            state = archived.get(item.path)
        lines.append(f"{item.path}\t{item.label}\t{state}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _file_state(file: Path) -> str:
    try:
        status = file.stat()
    except OSError:  # the error is reported when the file is read
        return "-"
    return f"{status.st_size} {status.st_mtime_ns}"


@lru_cache(maxsize=4)
def _checksums(archive: Path, changed_ns: int) -> Mapping[str, int]:
    """Checksum of each file in an archive, which may hold tens of thousands.

    `changed_ns` is part of the cache's key only: a changed archive is read again.
    """
    del changed_ns
    with _open_archive(archive) as opened:
        return {info.filename: info.CRC for info in opened.infolist()}


def hold_out(listing: Listing, share: float, seed: int) -> tuple[Listing, Listing]:
    """Split a data set by identity into a training part and a held-out part.

    The held-out part gets a `share` of the identities that have two files or more, and
    at least `FEWEST_HELD_OUT` of them.

    Raises:
        DatasetError: There are too few identities with two files or more, or the share
            leaves none to train on.
    """
    counts = Counter(item.label for item in listing.items)
    usable = sorted(label for label, count in counts.items() if count > 1)
    number = max(FEWEST_HELD_OUT, round(share * len(usable)))
    if share * len(usable) > FEWEST_HELD_OUT and len(counts) < number + 2:
        raise DatasetError(
            f"Two identities at least must be left to train on. Received: held_out={share:g},"
            f" which holds out {number} of {len(counts)}",
            "Lower held_out in the table [data] of the configuration.",
        )
    if len(usable) < number or len(counts) < number + 2:
        raise DatasetError(
            f"Training needs at least {FEWEST_HELD_OUT + 2} identities, {FEWEST_HELD_OUT} of them"
            f" with two files or more. Received: {len(counts)}, {len(usable)} of them with two",
            "Held-out identities are not trained on. They show how well the network works.",
        )
    held_out = set(np.random.default_rng(seed).permutation(usable)[:number].tolist())
    training = tuple(item for item in listing.items if item.label not in held_out)
    rest = tuple(item for item in listing.items if item.label in held_out)
    return Listing(listing.root, training), Listing(listing.root, rest)


def _from_folder(folder: Path, suffixes: frozenset[str]) -> Listing:
    """Every file below a sub-folder, labelled with the name of that sub-folder.

    A sub-folder may be a link, but not back to `folder` or above it.
    """
    people = [sub for sub in folder.iterdir() if sub.is_dir() and not leads_back(folder, sub)]
    below = chain.from_iterable(person.glob("**/*") for person in people)
    named = (path for path in below if path.suffix.lower() in suffixes)
    relative = [path.relative_to(folder) for path in sorted(named) if path.is_file()]
    return Listing(folder, tuple(Item(path.as_posix(), path.parts[0]) for path in relative))


def _from_list_file(file: Path) -> Listing:
    """Lines `path<TAB>label`, without blank lines and lines that start with #."""
    items = []
    for number, line in enumerate(_read_text(file).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        path, tab, label = line.partition("\t")
        if not tab or not path.strip() or not label.strip():
            raise DatasetError(
                f"Each line must be path<TAB>label. Received: {line!r} in line {number} of"
                f" {file.name}"
            )
        items.append(Item(path.strip(), label.strip()))
    return _sorted_listing(_root_of(file, items), items)


def _root_of(file: Path, items: list[Item]) -> Path:
    """The folder that the paths of a list file start from: its own, else the present one."""
    beside = file.parent
    first = items[0].path if items else ""
    return Path() if not (beside / first).exists() and Path(first).exists() else beside


def _from_csv(file: Path, split: str) -> Listing:
    """Rows of one split of `name.csv`, whose files lie in `name.zip` beside it."""
    archive = file.with_suffix(".zip")
    if not archive.is_file():
        raise DatasetError(
            "A CSV needs a zip archive of the same name beside it."
            f" {archive.name} is missing beside {file.name}."
        )
    rows = list(csv.DictReader(io.StringIO(_read_text(file), newline="")))
    columns = list(rows[0]) if rows else []
    label = next((name for name in LABEL_COLUMNS if name in columns), None)
    if label is None or not {"path", "split"} <= set(columns):
        raise DatasetError(
            "A CSV needs the columns path, identity (or speaker) and split. Received:"
            f" {', '.join(columns)}"
        )
    items = [Item(row["path"], row[label]) for row in rows if row["split"] == split]
    return _sorted_listing(archive, items)


def _sorted_listing(root: Path, items: list[Item]) -> Listing:
    return Listing(root, tuple(sorted(items, key=lambda item: item.path)))


def _read_text(file: Path) -> str:
    """Text of a list or CSV file in UTF-8, without the byte order mark of Windows."""
    try:
        return file.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"A list of files must be readable text in UTF-8. Received: {file.name}"
            f" ({type(error).__name__})"
        ) from error


def _open_archive(archive: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(archive)
    except zipfile.BadZipFile as error:
        raise DatasetError(
            f"Files must lie in a folder or a zip archive. Received: {archive.name}, which is"
            " neither"
        ) from error


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"Every listed file must be readable. Received: {path} ({error.strerror})",
            "Correct its path in the list, or remove it from the data set.",
        ) from error


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except KeyError as error:
        raise DatasetError(f"Every listed file must be in the archive. Received: {name}") from error
