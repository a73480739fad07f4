"""Looks for bytes that must or must not be left in a folder."""

from __future__ import annotations

from pathlib import Path


def present_in(folder: Path, *wanted: bytes) -> list[bytes]:
    """List those of `wanted` that are in one of the files of a folder."""
    content = b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
    return [trace for trace in wanted if trace in content]
