"""Bytes that SQLite leaves in its files after a deletion, and how they are removed."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gallery.database import residue
from gallery.database.sqlite import SqliteDatabase
from gallery.records import people
from gallery.records.people import NewPerson
from gallery.store import Store
from tests.support.gallery_parts import open_gallery
from tests.support.remains import present_in
from tests.support.templates import face, voice
from utils.errors import StorageFullError

pytestmark = pytest.mark.slow


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


def open_file(path: Path) -> int:
    return os.open(path, os.O_RDONLY)


def test_copies_that_sqlite_leaves_are_found_and_removed(store: Store, tmp_path: Path) -> None:
    """Rows that grow move between pages and leave copies, beyond `secure_delete`."""
    noise = np.random.default_rng(1)
    ids = [f"{int(noise.integers(10**12)):012d}" for _ in range(600)]
    notes = ["n" * int(length) for length in noise.choice([0, 50, 700], len(ids))]
    with store.database.write() as connection:
        keys = [
            people.create(connection, NewPerson(person_id, note=note))
            for person_id, note in zip(ids, notes, strict=True)
        ]
    with store.database.write() as connection:
        for number in noise.choice(len(keys), 200, replace=False):
            people.change(connection, keys[number], {"note": "m" * 1200})
    store.database.scrub()
    assert isinstance(store.database, SqliteDatabase)
    unused = b"".join(residue.unused_space(store.database._descriptor()))
    copied = [person_id for person_id in ids if person_id.encode() in unused]
    assert copied, "SQLite left no copy of a row: the test needs more people, or SQLite has changed"
    for person_id in copied:
        store.delete_person(person_id)
        assert present_in(tmp_path / "data", person_id.encode()) == []


def test_unused_space_of_a_fresh_file_is_empty(tmp_path: Path) -> None:
    file = sqlite3.connect(tmp_path / "x.db")
    file.execute("CREATE TABLE t (a TEXT, b BLOB)")
    file.executemany(
        "INSERT INTO t VALUES (?, ?)",
        [(f"text {i}", bytes(range(256)) * (i % 40)) for i in range(300)],
    )
    file.commit()
    file.execute("VACUUM")
    file.close()
    assert list(residue.unused_space(open_file(tmp_path / "x.db"))) == []
    assert not residue.holds_any(open_file(tmp_path / "x.db"), [b"text 17"])


@pytest.mark.parametrize("size", [512, 4096, 65536])
def test_unused_space_is_read_at_every_page_size(tmp_path: Path, size: int) -> None:
    """The last row of a page, deleted without `secure_delete`, stays in its space."""
    file = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    file.execute(f"PRAGMA page_size={size}")
    file.execute("PRAGMA secure_delete=OFF")
    file.execute("CREATE TABLE t (a TEXT)")
    file.executemany("INSERT INTO t VALUES (?)", [("first row",), ("the last row",)])
    assert not residue.holds_any(open_file(tmp_path / "x.db"), [b"the last row"]), (
        "a row that is there is not unused space"
    )
    file.execute("DELETE FROM t WHERE rowid = 2")
    file.close()
    assert residue.holds_any(open_file(tmp_path / "x.db"), [b"e last row"])
    assert not residue.holds_any(open_file(tmp_path / "x.db"), [b"first row"])


def test_short_traces_are_not_looked_for(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"")
    assert not residue.holds_any(open_file(tmp_path / "x.db"), [b"", b"abc"])


def test_many_traces_are_not_looked_for_one_by_one(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gallery.database.sqlite._MANY_TRACES", 3)
    monkeypatch.setattr(
        "gallery.database.residue.holds_any", lambda *_: pytest.fail("the file is written anew")
    )
    store.create_person("p0", "Walrus000")
    store.delete_person("p0")
    assert present_in(tmp_path / "data", b"Walrus000") == []


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_process_that_ends_amid_a_deletion_leaves_the_rest_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process is killed after the transaction and before the bytes are removed.

    The log still holds the row, and nobody remembers what to look for.
    """
    store = open_gallery(tmp_path / "data")
    store.create_person("p0", "Walrus000")
    store.database.scrub()
    with monkeypatch.context() as patched:
        patched.setattr(store.database, "forget", interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.delete_person("p0")
    assert present_in(tmp_path / "data", b"Walrus000"), "the file before the log is read back"
    again = open_gallery(tmp_path / "data")
    compact = again.database.compact
    calls = []

    def count_and_compact() -> bool:
        calls.append("compact")
        return compact()

    monkeypatch.setattr(again.database, "compact", count_and_compact)
    assert again.forget_expired() == 0, "as the service does at its start"
    assert present_in(tmp_path / "data", b"Walrus000") == []
    again.forget_expired()
    assert calls == ["compact"], "once"
    again.close()
    store.close()


def fill_up(*_: object, **__: object) -> None:
    raise StorageFullError("The disk of the database is full.")


def test_a_deletion_stands_where_the_file_cannot_be_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_gallery(tmp_path / "data")
    store.create_person("p0", "Walrus000")
    with monkeypatch.context() as patched:
        patched.setattr(store.database, "forget", fill_up)
        store.delete_person("p0")
    assert store.count() == 0
    assert "a deletion leaves traces in the file until the next one (storage_full)" in caplog.text
    assert store.forget_expired() == 0
    assert present_in(tmp_path / "data", b"Walrus000") == []
    store.close()


CREATE_PERSON = """
import sys
from pathlib import Path
from tests.support.gallery_parts import open_gallery
store = open_gallery(Path(sys.argv[1]))
store.create_person(sys.argv[2])
print(store.count())
store.close()
"""


def test_a_command_beside_a_service_that_has_deleted_somebody(tmp_path: Path) -> None:
    """The locks of a process still hold after it has read the bytes of the file.

    Another process that ends removes the write-ahead log if it believes to be the last.
    """
    store = open_gallery(tmp_path / "data")
    for i in range(3):
        store.create_person(f"p{i}", f"Walrus{i:03d}")
    store.delete_person("p0")
    log = (tmp_path / "data/duet.db-wal").stat().st_ino

    def other_process(person_id: str) -> int:
        """Create a person, and return how many there are."""
        command = [sys.executable, "-c", CREATE_PERSON, str(tmp_path / "data"), person_id]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert other_process("p3") == 3
    assert (tmp_path / "data/duet.db-wal").stat().st_ino == log
    store.delete_person("p1")
    store.create_person("p4")
    assert other_process("p5") == 4 == store.count()
    assert store.verify_audit().problems == ()
    store.close()


def test_a_busy_reader_delays_but_does_not_prevent(tmp_path: Path) -> None:
    """A reader of an older state keeps the log from being emptied.

    The next deletion makes up for it.
    """
    store = open_gallery(tmp_path / "data", busy_timeout_s=0.2)
    for i in range(3):
        store.enroll(NewPerson(f"p{i}", f"Walrus{i:03d}"), [face(i), voice(i)])
    with store.database.read() as reader:
        reader.exec_driver_sql("SELECT count(*) FROM people").one()
        store.delete_person("p0")
        assert present_in(tmp_path / "data", b"Walrus000")
    store.delete_person("p1")
    assert present_in(tmp_path / "data", b"Walrus000", b"Walrus001") == []
    store.close()
