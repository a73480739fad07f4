"""Short texts in files, such as keys and passphrases."""

from __future__ import annotations

from pathlib import Path

MOST_BYTES = 4096


def read_short(path: Path) -> str:
    """Read a text in UTF-8, without white space around it. A device or a pipe ends, too.

    Raises OSError, and ValueError for bytes that are no text, or too many.
    """
    with path.open("rb") as stream:
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES:,} bytes")
    return data.decode("utf-8-sig").strip()
