"""Files that appear whole or not at all.

Two processes may write the same file at the same time, and either may be killed. A
killed process may leave a file named `*.partial.*` behind, which nobody reads.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from utils.errors import OutputError

DEVICES = Path("/dev")
KEY_BYTES = 32
"""Length of an encryption key."""
_LONGEST_KEY_FILE = 100  # a key is 44 characters of base64 and a line break


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
    `whole_file`. Raises OutputError where a file is an encryption key: what is encrypted
    with it could never be read again. Raises it for a device, too, which would be gone.
    """
    for file in files:
        _refuse_key(file)
        _refuse_device(file)
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


def check_place(folder: Path) -> None:
    """Check that a folder can be made and written to, before work that ends with a file in it.

    Nothing is made. Raises OutputError.
    """
    places = (folder, *folder.absolute().parents)
    # `lexists`: a link that leads nowhere is in the way, too.
    there = next(place for place in places if os.path.lexists(place))
    if not there.is_dir():
        raise OutputError(
            f"The output needs a folder. A file is in its place. Received: {folder}",
            "Name another folder.",
        )
    if not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(
            f"The folder of the output must be writable. Received: {folder}",
            "Name another folder, or change its owner.",
        )


def _refuse_device(file: Path) -> None:
    """Raise OutputError for a place that is no file, such as /dev/null, or a pipe."""
    is_device = file.absolute().parent == DEVICES or (file.exists() and not file.is_file())
    if is_device:
        raise OutputError(
            f"What is written replaces a file, and nothing else. Received: {file}",
            "Name a file.",
        )


def _refuse_key(file: Path) -> None:
    """Raise OutputError for a file that holds an encryption key."""
    if not file.is_file() or file.stat().st_size > _LONGEST_KEY_FILE:
        return
    try:
        key = base64.b64decode(file.read_bytes().strip(), altchars=b"-_", validate=True)
    except (binascii.Error, OSError):
        return
    if len(key) == KEY_BYTES:
        raise OutputError(
            f"An encryption key is never overwritten. Received: {file.name}",
            "Name another file. If the key is really not needed any more, delete it first.",
        )


def _partial_path(file: Path) -> Path:
    return file.with_suffix(f".{os.getpid()}.partial{file.suffix}")


def _flush(file: Path) -> None:
    """Force the bytes to the disk: a power cut after the renaming must not empty it."""
    with file.open("r+b") as stream:
        os.fsync(stream.fileno())
