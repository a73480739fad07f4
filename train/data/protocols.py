"""Verification protocols: which files are compared with which.

Lists are read as their authors publish them:

- voxceleb: lines `label pathA pathB`, label 1 for the same person. A fourth column is
  the fold, an integer.
- lfw: pairs.txt of Labeled Faces in the Wild. `folds<TAB>pairs` first, then
  `name n m` and `nameA n nameB m`. The files are `name/name_000n.jpg`.
- cfp-ff, cfp-fp: the folder `Protocol` of Celebrities in Frontal-Profile (Sengupta et
  al. 2016): Pair_list_F.txt, Pair_list_P.txt and
  Split/{FF,FP}/<fold>/{same,diff}.txt.

All become `Trials`. Paths are relative to a folder or zip archive of media.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from utils.errors import DatasetError

FORMATS = ("auto", "voxceleb", "lfw", "cfp-ff", "cfp-fp")
Line = tuple[int, str]
"""Number of a line in its file, from 1, and its text."""
Pair = tuple[int, str, str]
"""Label, and the two files."""


@dataclass(frozen=True)
class Trials:
    """Pairs of files to compare.

    Attributes:
        labels: (n,) int, 1 = same person, 0 = two people.
        left, right: n paths each.
        folds: (n,) int, or None where the protocol has none.
    """

    labels: npt.NDArray[np.int64]
    left: tuple[str, ...]
    right: tuple[str, ...]
    folds: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def files(self) -> tuple[str, ...]:
        """Every file once, sorted."""
        return tuple(sorted({*self.left, *self.right}))

    @property
    def pairs(self) -> Iterator[tuple[str, str]]:
        """Both files of each trial."""
        return zip(self.left, self.right, strict=True)

    def without(self, missing: set[str]) -> Trials:
        """The trials that need none of the files `missing`."""
        keep = np.array([missing.isdisjoint(pair) for pair in self.pairs], bool)
        places = np.flatnonzero(keep)
        return Trials(
            labels=self.labels[keep],
            left=tuple(self.left[i] for i in places),
            right=tuple(self.right[i] for i in places),
            folds=None if self.folds is None else self.folds[keep],
        )

    def people(self) -> dict[str, str]:
        """The person of each file: the deepest folder that all target trials share.

        Folders name nobody where the files of a target trial share none, or where the
        files of an impostor trial share that one as well. Each file then stands for a
        person of its own (intervals are over files).
        """
        depth = np.array(
            [
                _shared_depth(PurePosixPath(a).parts[:-1], PurePosixPath(b).parts[:-1])
                for a, b in self.pairs
            ],
            int,
        )
        targets = depth[self.labels == 1]
        level = int(targets.min()) if len(targets) else 0
        if (depth[self.labels == 0] >= level).any():
            level = 0
        if not level:
            return {file: file for file in self.files}
        return {file: "/".join(PurePosixPath(file).parts[:level]) for file in self.files}


def read_trials(source: Path, kind: str = "auto") -> Trials:
    """Read a protocol of one of `FORMATS` from a file (for cfp, a folder).

    Raises:
        DatasetError: It does not exist, is empty, of another format or malformed. The
            message names the line.
    """
    if kind not in FORMATS:
        raise DatasetError(
            f"The format of a protocol must be one of {', '.join(FORMATS)}. Received: {kind!r}"
        )
    if kind.startswith("cfp"):
        return _read_cfp(source, kind.removeprefix("cfp-").upper())
    lines = _read_lines(source)
    if kind == "auto":
        kind = "lfw" if len(lines[0][1].split()) <= 2 else "voxceleb"
    return _read_lfw(lines, source.name) if kind == "lfw" else _read_voxceleb(lines, source.name)


def _shared_depth(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    level = 0
    while level < min(len(a), len(b)) and a[level] == b[level]:
        level += 1
    return level


def _read_lines(file: Path) -> list[Line]:
    """The lines that are not blank, without the byte order mark of Windows."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"A protocol must be a readable text file. Received: {file} ({type(error).__name__})"
        ) from error
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise DatasetError(f"A protocol needs at least one trial. Received: {file} without any")
    return lines


def _trials_of(pairs: Sequence[Pair], folds: npt.ArrayLike | None) -> Trials:
    return Trials(
        labels=np.array([label for label, _, _ in pairs]),
        left=tuple(left for _, left, _ in pairs),
        right=tuple(right for _, _, right in pairs),
        folds=None if folds is None else np.asarray(folds),
    )


def _read_voxceleb(lines: Sequence[Line], name: str) -> Trials:
    rows = []
    for number, line in lines:
        parts = line.split()
        if (
            len(parts) not in (3, 4)
            or parts[0] not in ("0", "1")
            or (len(parts) == 4 and not parts[3].isdecimal())
        ):
            raise DatasetError(
                f"A trial must be `label pathA pathB [fold]`, label 0 or 1. Received: {line!r} in"
                f" line {number} of {name}"
            )
        rows.append(parts)
    if len({len(parts) for parts in rows}) != 1:
        raise DatasetError(f"Some trials of {name} have a fold and others have none.")
    folds = [int(parts[3]) for parts in rows] if len(rows[0]) == 4 else None
    return _trials_of([(int(parts[0]), parts[1], parts[2]) for parts in rows], folds)


def _read_lfw(lines: Sequence[Line], name: str) -> Trials:
    head = lines[0][1].split()
    if not all(part.isdecimal() for part in head):
        raise DatasetError(
            f"pairs.txt must start with the number of folds and pairs. Received: {lines[0][1]!r} in"
            f" {name}"
        )
    folds = int(head[0]) if len(head) == 2 else 1
    per_class = int(head[-1])
    rows = [(number, line.split()) for number, line in lines[1:]]
    if len(rows) != folds * per_class * 2:
        raise DatasetError(
            f"pairs.txt must hold {folds} × 2 × {per_class} pairs. Received: {len(rows)} in {name}"
        )
    pairs = [_lfw_pair(parts, number, name) for number, parts in rows]
    return _trials_of(pairs, np.arange(len(pairs)) // (2 * per_class))


def _lfw_pair(parts: Sequence[str], number: int, name: str) -> Pair:
    if len(parts) == 3 and parts[1].isdecimal() and parts[2].isdecimal():
        return 1, _lfw_path(parts[0], parts[1]), _lfw_path(parts[0], parts[2])
    if len(parts) == 4 and parts[1].isdecimal() and parts[3].isdecimal():
        return 0, _lfw_path(parts[0], parts[1]), _lfw_path(parts[2], parts[3])
    raise DatasetError(
        f"A pair must be `name n m` or `nameA n nameB m`. Received: {' '.join(parts)!r} in line"
        f" {number} of {name}"
    )


def _lfw_path(person: str, number: str) -> str:
    return f"{person}/{person}_{int(number):04d}.jpg"


def _read_cfp(folder: Path, kind: str) -> Trials:
    frontal = _cfp_paths(folder / "Pair_list_F.txt")
    other = frontal if kind == "FF" else _cfp_paths(folder / "Pair_list_P.txt")
    pairs: list[Pair] = []
    folds: list[int] = []
    for fold in sorted((folder / "Split" / kind).glob("*")):
        if not fold.is_dir() or not fold.name.isdecimal():
            continue
        for label, name in ((1, "same.txt"), (0, "diff.txt")):
            pairs += [(label, a, b) for a, b in _cfp_pairs(fold / name, frontal, other)]
        folds += [int(fold.name)] * (len(pairs) - len(folds))
    if not pairs:
        raise DatasetError(
            f"A CFP protocol needs the folders Split/{kind}/<fold>. Received: {folder} without them"
        )
    return _trials_of(pairs, folds)


def _cfp_pairs(
    file: Path, frontal: Mapping[str, str], other: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for number, line in _read_lines(file):
        a, _, b = line.partition(",")
        if a.strip() not in frontal or b.strip() not in other:
            raise DatasetError(
                "A CFP pair must name two listed images. "
                f"Received: {line!r} in line {number} of {file.parent.name}/{file.name}"
            )
        yield frontal[a.strip()], other[b.strip()]


def _cfp_paths(file: Path) -> dict[str, str]:
    """Paths by number, from lines `number path`.

    Published paths start at the folder Protocol (../Data/...). Here they start at its
    parent.
    """
    paths = {}
    for number, line in _read_lines(file):
        image, *rest = line.split(maxsplit=1)
        if not rest:
            raise DatasetError(
                f"A line of a CFP list must be `number path`. Received: {line!r} in line {number}"
                f" of {file.name}"
            )
        paths[image] = rest[0].strip().removeprefix("../")
    return paths
