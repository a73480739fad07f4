"""Links in folders of people."""

from __future__ import annotations

from pathlib import Path


def leads_back(folder: Path, entry: Path) -> bool:
    """Whether an entry of a folder is a link to it or above it.

    As a person's folder it would hold the files of everybody.
    """
    return entry.is_symlink() and folder.resolve().is_relative_to(entry.resolve())
