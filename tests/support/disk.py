"""A disk that is full soon.

`with small_disk(folder, "2m") as grow:` mounts a small file system there.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event

from gallery.store import Store


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Callable[[str], object]]:
    """A file system of `size` in `folder`, which is created.

    Call what it yields with a larger size. Skips the test where nothing can be mounted.
    """
    if os.geteuid():
        pytest.skip("mounting a small tmpfs needs root")
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder],
        capture_output=True,
        check=False,
    ).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield lambda larger: subprocess.run(
            ["mount", "-o", f"remount,size={larger}", folder], check=True
        )
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def limit_pages(store: Store, pages: int) -> dict[str, int]:
    """Let the database file of a store grow to `pages` at most, from its next connection.

    Change `["pages"]` of what is returned to give it more.
    """
    limit = {"pages": pages}
    event.listen(
        store.database._engine,
        "connect",
        lambda connection, _: connection.execute(f"PRAGMA max_page_count={limit['pages']}"),
    )
    return limit
