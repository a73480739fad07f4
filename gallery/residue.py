"""What SQLite leaves of deleted rows in its file, and whether it is somebody's.

`secure_delete` overwrites a row where it lies when it is deleted. But rows are also moved between pages while the tree grows and shrinks
(https://www.sqlite.org/fileformat2.html, section 1.6), and a page that gave rows away may keep copies of them in the space between its
cell pointers and its cells. That space is read here. Pages of other kinds hold no copies: freed ones are overwritten as a whole, and an
overflow page belongs to one row. A file that is written anew (VACUUM) has no such copies.
"""
from __future__ import annotations

import mmap
from collections.abc import Collection, Iterator
from pathlib import Path

TREE_PAGES = {2: 12, 5: 12, 10: 8, 13: 8}
"""Kinds of pages that hold rows or keys (first byte), and the size of their header in bytes."""
FILE_HEADER_BYTES = 100
LEAST_TRACE_BYTES = 4
"""Shorter texts are found by chance, and name nobody by themselves."""


def holds_any(path: Path, traces: Collection[bytes]) -> bool:
    """Whether one of `traces` stands in the unused space of a page of the database file at `path`. Raises OSError."""
    wanted = [trace for trace in traces if len(trace.strip(b"\0")) >= LEAST_TRACE_BYTES]
    return bool(wanted) and any(trace in space for space in unused_space(path) for trace in wanted)


def unused_space(path: Path) -> Iterator[bytes]:
    """The space between cell pointers and cells of each page, where anything but zeros is left in it. Raises OSError."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        size = int.from_bytes(data[16:18])
        size = 65536 if size == 1 else size  # which two bytes cannot hold
        for start in range(0, len(data), size):
            header = start + (FILE_HEADER_BYTES if start == 0 else 0)
            space = _unused(data, start, header, size)
            if space.strip(b"\0"):
                yield space


def _unused(data: mmap.mmap, start: int, header: int, size: int) -> bytes:
    if data[header] not in TREE_PAGES:
        return b""
    cells = int.from_bytes(data[header + 3:header + 5])
    first_cell = int.from_bytes(data[header + 5:header + 7]) or size  # 0 stands for 65536
    return data[header + TREE_PAGES[data[header]] + 2 * cells:start + first_cell]
