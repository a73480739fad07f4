"""Verification protocols: which files are compared with which, read from the lists as
their authors publish them.

    voxceleb   lines `label pathA pathB`, label 1 = same person; a fourth column is the
               fold (an integer) lfw        pairs.txt of Labeled Faces in the Wild:
               `folds<TAB>pairs` first, then `name n m` and `nameA n nameB m`; the files
               are `name/name_000n.jpg`
    cfp-ff, cfp-fp
               the folder `Protocol` of Celebrities in Frontal-Profile (Sengupta et al.
               2016): Pair_list_F.txt, Pair_list_P.txt and
               Split/{FF,FP}/<fold>/{same,diff}.txt

All become `Trials`; paths are relative to a folder or zip archive of media.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from utils.errors import DatasetError

FORMATS = ("auto", "voxceleb", "lfw", "cfp-ff", "cfp-fp")
Line = tuple[int, str]
"""Number of a line in its file, from 1, and its text."""


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

    def without(self, missing: set[str]) -> Trials:
        """The trials that need none of the files `missing`."""
        keep = np.array(
            [
                a not in missing and b not in missing
                for a, b in zip(self.left, self.right, strict=True)
            ],
            bool,
        )
        places = np.flatnonzero(keep)
        return Trials(
            self.labels[keep],
            tuple(self.left[i] for i in places),
            tuple(self.right[i] for i in places),
            None if self.folds is None else self.folds[keep],
        )

    def people(self) -> dict[str, str]:
        """Person of each file: the deepest folder that both sides of every target trial
        share.

        Where target trials share no folder, or impostor trials share that one as well,
        folders name nobody: each file then stands for a person of its own (intervals
        are over files).
        """
        shared = [
            _shared(PurePosixPath(a).parts[:-1], PurePosixPath(b).parts[:-1])
            for a, b in zip(self.left, self.right, strict=True)
        ]
        level = min(
            (depth for depth, label in zip(shared, self.labels, strict=True) if label == 1),
            default=0,
        )
        if any(
            depth >= level for depth, label in zip(shared, self.labels, strict=True) if label == 0
        ):
            level = 0
        return {
            file: "/".join(PurePosixPath(file).parts[:level]) if level else file
            for file in self.files
        }


def read_trials(source: Path, kind: str = "auto") -> Trials:
    """Read a protocol of one of `FORMATS` from a file (cfp: a folder).

    Raises:
        DatasetError: not there, empty, of another format or malformed; names the line.
    """
    if kind not in FORMATS:
        raise DatasetError(
            f"The format of a protocol must be one of {', '.join(FORMATS)}. Received: {kind!r}"
        )
    if kind.startswith("cfp"):
        return _read_cfp(source, kind.removeprefix("cfp-").upper())
    lines = _lines(source)
    if kind == "auto":
        kind = "lfw" if len(lines[0][1].split()) <= 2 else "voxceleb"
    return _read_lfw(lines, source.name) if kind == "lfw" else _read_voxceleb(lines, source.name)


def _lines(file: Path) -> list[Line]:
    """The lines that are not blank; a byte order mark, as editors on Windows write it,
    is no part of the first.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"A protocol must be a readable text file. Received: {file} ({type(error).__name__})"
        ) from error
    found = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not found:
        raise DatasetError(f"A protocol needs at least one trial. Received: {file} without any")
    return found


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
        raise DatasetError(f"Either every trial has a fold or none has. Received: both in {name}")
    folds = np.array([int(parts[3]) for parts in rows]) if len(rows[0]) == 4 else None
    return Trials(
        np.array([int(parts[0]) for parts in rows]),
        tuple(p[1] for p in rows),
        tuple(p[2] for p in rows),
        folds,
    )


def _read_lfw(lines: Sequence[Line], name: str) -> Trials:
    head = lines[0][1].split()
    if not all(part.isdecimal() for part in head):
        raise DatasetError(
            f"pairs.txt must start with the number of folds and pairs. Received: {lines[0][1]!r} in"
            f" {name}"
        )
    folds, per_class = (int(head[0]), int(head[1])) if len(head) == 2 else (1, int(head[0]))
    rows = [(number, line.split()) for number, line in lines[1:]]
    if len(rows) != folds * per_class * 2:
        raise DatasetError(
            f"pairs.txt must hold {folds} × 2 × {per_class} pairs. Received: {len(rows)} in {name}"
        )
    pairs = [_lfw_pair(parts, number, name) for number, parts in rows]
    labels = np.array([label for label, _, _ in pairs])
    return Trials(
        labels,
        tuple(a for _, a, _ in pairs),
        tuple(b for _, _, b in pairs),
        np.arange(len(pairs)) // (2 * per_class),
    )


def _lfw_pair(parts: Sequence[str], number: int, name: str) -> tuple[int, str, str]:
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
    labels = []
    left = []
    right = []
    folds = []
    for fold in sorted(
        path
        for path in (folder / "Split" / kind).glob("*")
        if path.is_dir() and path.name.isdecimal()
    ):
        for label, file in ((1, fold / "same.txt"), (0, fold / "diff.txt")):
            for number, line in _lines(file):
                a, _, b = line.partition(",")
                if a.strip() not in frontal or b.strip() not in other:
                    raise DatasetError(
                        "A CFP pair must name two listed images. "
                        f"Received: {line!r} in line {number} of {fold.name}/{file.name}"
                    )
                labels.append(label)
                left.append(frontal[a.strip()])
                right.append(other[b.strip()])
                folds.append(int(fold.name))
    if not labels:
        raise DatasetError(
            f"A CFP protocol needs the folders Split/{kind}/<fold>. Received: {folder} without them"
        )
    return Trials(np.array(labels), tuple(left), tuple(right), np.array(folds))


def _cfp_paths(file: Path) -> dict[str, str]:
    """`number path` lines; the published paths start at the folder Protocol
    (../Data/...), here they start at its parent.
    """
    paths = {}
    for number, line in _lines(file):
        image, *rest = line.split(maxsplit=1)
        if not rest:
            raise DatasetError(
                f"A line of a CFP list must be `number path`. Received: {line!r} in line {number}"
                f" of {file.name}"
            )
        paths[image] = rest[0].strip().removeprefix("../")
    return paths


def _shared(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    level = 0
    while level < min(len(a), len(b)) and a[level] == b[level]:
        level += 1
    return level
