"""A training checkpoint: counters and groups of arrays in one NumPy archive."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from utils.errors import CheckpointError
from utils.whole_file import whole_file

CHECKPOINT_FILE = "checkpoint.npz"
Groups = dict[str, list[npt.NDArray[Any]]]


def save_checkpoint(
    file: Path, counters: Mapping[str, float], groups: Mapping[str, Sequence[npt.NDArray[Any]]]
) -> None:
    """Write `counters` and `groups` to `file`.

    A kill leaves the file as it was, or whole.
    """
    arrays: dict[str, Any] = {
        f"counter/{name}": np.float64(value) for name, value in counters.items()
    }
    for name, group in groups.items():
        arrays |= {f"{name}/{place}": value for place, value in enumerate(group)}
    with whole_file(file) as partial:
        np.savez(partial, **arrays)


def load_checkpoint(
    file: Path, shapes: Mapping[str, Sequence[tuple[int, ...]]]
) -> tuple[dict[str, float], Groups]:
    """Read what `save_checkpoint` wrote.

    Args:
        file: The checkpoint.
        shapes: Shapes that the arrays of each group must have.

    Raises:
        CheckpointError: It is no checkpoint, or one of another network.
    """
    arrays = _read_arrays(file)
    counters = {
        name.partition("/")[2]: float(value)
        for name, value in arrays.items()
        if name.startswith("counter/")
    }
    groups = {name: _group_of(arrays, name) for name in shapes}
    for name, group in groups.items():
        if [value.shape for value in group] != list(shapes[name]):
            raise CheckpointError(
                f"A checkpoint must be of the same network, data and losses. Received: {len(group)}"
                f" arrays of other shapes for {name}",
                "Continue with the configuration that the run began with, or start in a new run"
                " folder.",
            )
    return counters, groups


def _read_arrays(file: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        with file.open("rb") as stream, np.load(stream) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"A checkpoint must be readable. Received: {file} ({error})"
        ) from error


def _group_of(arrays: Mapping[str, npt.NDArray[Any]], name: str) -> list[npt.NDArray[Any]]:
    group: list[npt.NDArray[Any]] = []
    while f"{name}/{len(group)}" in arrays:
        group.append(arrays[f"{name}/{len(group)}"])
    return group
