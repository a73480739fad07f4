"""Copies of deleted rows that SQLite leaves in its file.

`secure_delete` overwrites a row where it lies when it is deleted. But rows also move
between pages while the tree grows and shrinks (https://www.sqlite.org/fileformat2.html,
section 1.6). A page that gave rows away may keep copies of them in the space between
its cell pointers and its cells. That space is read here. Pages of other kinds hold no
copies: freed ones are overwritten as a whole, and an overflow page belongs to one row.
A file that is written anew (VACUUM) has no such copies.

The file is read through a descriptor that the caller opens and keeps open. Closing one
would end the locks of all connections of this process (POSIX;
https://www.sqlite.org/howtocorrupt.html, section 2.2), and the next process to end
would remove the log while others use it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator

# Kinds of pages that hold rows or keys (their first byte), and the size of their header
# in bytes.
TREE_PAGES = {2: 12, 5: 12, 10: 8, 13: 8}
FILE_HEADER_BYTES = 100
CHUNK_BYTES = 1 << 20
# Shorter texts turn up by chance, and name nobody by themselves.
LEAST_TRACE_BYTES = 4


def holds_any(file: int, traces: Collection[bytes]) -> bool:
    """Whether one of `traces` is left in the unused space of a page.

    `file` is a descriptor of the database file. Raises OSError.
    """
    wanted = [trace for trace in traces if len(trace.strip(b"\0")) >= LEAST_TRACE_BYTES]
    if not wanted:
        return False
    return any(_holds(space, wanted) for space in unused_space(file))


def unused_space(file: int) -> Iterator[bytes]:
    """Yield the space between cell pointers and cells of each page.

    Space of zeros alone is left out. Raises OSError.
    """
    size = int.from_bytes(os.pread(file, 2, 16))
    size = 65536 if size == 1 else size  # which two bytes cannot hold
    position = 0
    while size and (chunk := os.pread(file, max(CHUNK_BYTES // size, 1) * size, position)):
        for start in range(0, len(chunk), size):
            header = FILE_HEADER_BYTES if position + start == 0 else 0
            space = _unused_part(chunk[start : start + size], header)
            if space.strip(b"\0"):
                yield space
        position += len(chunk)


def _holds(space: bytes, traces: Collection[bytes]) -> bool:
    return any(trace in space for trace in traces)


def _unused_part(page: bytes, header: int) -> bytes:
    if len(page) <= header or page[header] not in TREE_PAGES:
        return b""
    cells = int.from_bytes(page[header + 3 : header + 5])
    first_cell = int.from_bytes(page[header + 5 : header + 7]) or len(page)  # 0 stands for 65536
    return page[header + TREE_PAGES[page[header]] + 2 * cells : first_cell]
