"""A file or folder that this user may not use is said to be one, with what is wrong."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gallery.database.open import open_database, read_schema
from utils.errors import ConfigError

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that others reach, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        with as_nobody():
            is_reached = os.access(name, os.R_OK | os.X_OK)
        if not is_reached:
            pytest.skip("the folder for temporary files is closed to others")
        yield Path(name)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Be a user whom modes bind. Whoever is not root is one."""
    if os.geteuid():
        yield
        return
    try:
        os.setresuid(NOBODY, NOBODY, 0)
    except OSError:
        pytest.skip("there is no other user here")
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@pytest.mark.parametrize(
    ("file", "folder_mode", "file_mode", "fault"),
    [
        ("new/duet.db", 0o555, None, "may not make it in"),
        ("new/duet.db", 0, None, "may not make it in"),
        ("duet.db", 0o555, None, "may only read it"),
        ("duet.db", 0o555, 0, "may not read it"),
        ("duet.db", 0, 0o666, "may not read it"),
    ],
)
def test_why_a_gallery_cannot_be_used(
    folder: Path, file: str, folder_mode: int, file_mode: int | None, fault: str
) -> None:
    place = folder / "data"
    place.mkdir()
    if file_mode is not None:
        (place / file).write_bytes(b"pages")
        (place / file).chmod(file_mode)
    place.chmod(folder_mode)
    try:
        for look in (open_database, read_schema):
            with as_nobody(), pytest.raises(ConfigError, match=fault):
                look(f"sqlite:///{place / file}")
    finally:
        place.chmod(0o755)
