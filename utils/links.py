"""Links in folders of people."""

from __future__ import annotations

import os
from pathlib import Path


def leads_back(folder: Path, entry: Path) -> bool:
    """Whether an entry of a folder is a link to it or above it.

    As a person's folder it would hold the files of everybody. A link that leads round in
    a circle leads nowhere.
    """
    if not entry.is_symlink():
        return False
    target = Path(os.path.realpath(entry))  # `resolve` of Python 3.11 fails in a circle
    return folder.resolve().is_relative_to(target)
