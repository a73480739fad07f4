"""What SQLite leaves of deleted rows in its file, and whether it is somebody's.

`secure_delete` overwrites a row where it lies when it is deleted. But rows are also
moved between pages while the tree grows and shrinks
(https://www.sqlite.org/fileformat2.html, section 1.6), and a page that gave rows away
may keep copies of them in the space between its cell pointers and its cells. That space
is read here. Pages of other kinds hold no copies: freed ones are overwritten as a
whole, and an overflow page belongs to one row. A file that is written anew (VACUUM) has
no such copies.

The file is read by a descriptor that somebody else opens, and keeps open: to close one
would end the locks of all connections of this process (POSIX;
https://www.sqlite.org/howtocorrupt.html, section 2.2), and the next process to end
would remove the log under their feet.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator

TREE_PAGES = {2: 12, 5: 12, 10: 8, 13: 8}
"""Kinds of pages that hold rows or keys (first byte), and the size of their header in
bytes.
"""
FILE_HEADER_BYTES = 100
CHUNK_BYTES = 1 << 20
LEAST_TRACE_BYTES = 4
"""Shorter texts are found by chance, and name nobody by themselves."""


def holds_any(file: int, traces: Collection[bytes]) -> bool:
    """Whether one of `traces` stands in the unused space of a page of the database file
    behind the descriptor `file`. Raises OSError.
    """
    wanted = [trace for trace in traces if len(trace.strip(b"\0")) >= LEAST_TRACE_BYTES]
    return bool(wanted) and any(trace in space for space in unused_space(file) for trace in wanted)


def unused_space(file: int) -> Iterator[bytes]:
    """The space between cell pointers and cells of each page, where anything but zeros
    is left in it. Raises OSError.
    """
    size = int.from_bytes(os.pread(file, 2, 16))
    size = 65536 if size == 1 else size  # which two bytes cannot hold
    at = 0
    while size and (chunk := os.pread(file, max(CHUNK_BYTES // size, 1) * size, at)):
        for start in range(0, len(chunk), size):
            space = _unused(
                chunk[start : start + size], FILE_HEADER_BYTES if at + start == 0 else 0
            )
            if space.strip(b"\0"):
                yield space
        at += len(chunk)


def _unused(page: bytes, header: int) -> bytes:
    if len(page) <= header or page[header] not in TREE_PAGES:
        return b""
    cells = int.from_bytes(page[header + 3 : header + 5])
    first_cell = int.from_bytes(page[header + 5 : header + 7]) or len(page)  # 0 stands for 65536
    return page[header + TREE_PAGES[page[header]] + 2 * cells : first_cell]
