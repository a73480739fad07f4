"""Files that appear whole or not at all.

Two processes may write the same file at the same time, and either may be killed. A
killed process may leave a file named `*.partial.*` behind, which nobody reads.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(file: Path) -> Iterator[Path]:
    """Yield a path to write to, which replaces `file` when the block ends.

    The path has the suffix of `file` and lies in its folder, which is created where it
    is missing. When the block fails, it is deleted and `file` stays as it was.
    """
    with whole_files(file) as (partial,):
        yield partial


@contextmanager
def whole_files(*files: Path) -> Iterator[tuple[Path, ...]]:
    """Yield paths to write to, which replace `files` in this order when the block ends.

    A reader that finds the last file finds the others as well. The paths are as in
    `whole_file`.
    """
    partials = tuple(_partial_path(file) for file in files)
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partials
        for partial in partials:
            _flush(partial)
        for partial, file in zip(partials, files, strict=True):
            partial.replace(file)
    finally:
        for partial in partials:
            partial.unlink(missing_ok=True)


def _partial_path(file: Path) -> Path:
    return file.with_suffix(f".{os.getpid()}.partial{file.suffix}")


def _flush(file: Path) -> None:
    """Force the bytes to the disk: a power cut after the renaming must not empty it."""
    with file.open("r+b") as stream:
        os.fsync(stream.fileno())
