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

from gallery.store import NewPerson, Store
from tests.support.templates import face, voice
from utils.errors import StorageFullError


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


def check_full_disk(store: Store, grow: Callable[[], object]) -> None:
    """Enrol until the disk is full: nobody is there in part, and the rest fits once it grew."""
    with pytest.raises(StorageFullError):
        for i in range(5000):
            store.enroll(NewPerson(f"p{i}"), [face(i), voice(i)])
    done = store.count()
    assert done > 10
    people = store.list_people(limit=1000).people
    assert all(person.templates == {"face": 1, "voice": 1} for person in people)
    grow()
    store.enroll(NewPerson("after"), [face(1)])
    assert store.count() == done + 1


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
