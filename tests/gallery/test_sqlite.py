"""The store on an SQLite file: complete deletion, file modes, faults of the disk."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from gallery.backup.making import Beside, make_backup
from gallery.backup.restoring import restore
from gallery.database.open import open_database, read_schema
from gallery.store import NewPerson, Store, open_store
from gallery.vectors import to_bytes
from tests.support.disk import check_full_disk, limit_pages, small_disk
from tests.support.gallery_parts import open_gallery
from tests.support.templates import face, voice
from utils.config import Settings
from utils.errors import ConfigError, PersonNotFoundError, StorageFullError, StoreUnavailableError

pytestmark = pytest.mark.slow


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


# ---- complete deletion


def files_hold(folder: Path, *wanted: bytes) -> list[bool]:
    data = b"".join(p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file())
    return [w in data for w in wanted]


@pytest.mark.parametrize("position", [0, 17])
def test_deletion_reaches_the_bytes(store: Store, tmp_path: Path, position: int) -> None:
    """Pages are split and merged around what is deleted, among many templates."""
    for i in range(24):
        store.enroll(
            NewPerson(
                f"someone-{i:02d}@example.com", f"Zebra Name {i:02d}", f"quokka note {i:02d}"
            ),
            [face(i), voice(i)],
        )
        for sample in range(1, 4):
            store.enroll(f"someone-{i:02d}@example.com", [face(i, sample), voice(i, sample)])
    parts = []
    for sample in range(4):
        for template in (face(position, sample), voice(position, sample)):
            stored = to_bytes(template.embedding)
            parts += [stored[:32], stored[1000:][:32], stored[2016:]]
    words = [
        f"someone-{position:02d}".encode(),
        f"Zebra Name {position:02d}".encode(),
        f"zebra name {position:02d}".encode(),
        f"quokka note {position:02d}".encode(),
    ]
    assert all(files_hold(tmp_path, *parts, *words))
    store.delete_person(f"someone-{position:02d}@example.com")
    assert not any(files_hold(tmp_path, *parts, *words))
    assert store.count() == 23
    with pytest.raises(PersonNotFoundError):
        store.delete_person(f"someone-{position:02d}@example.com")


def test_every_deletion_in_turn_reaches_the_bytes(store: Store, tmp_path: Path) -> None:
    for i in range(16):
        store.enroll(NewPerson(f"p{i}", f"Walrus{i:03d}"), [face(i), voice(i)])
    for i in np.random.default_rng(5).permutation(16):
        parts = [
            to_bytes(face(int(i)).embedding)[64:96],
            to_bytes(voice(int(i)).embedding)[64:96],
            f"Walrus{i:03d}".encode(),
        ]
        assert all(files_hold(tmp_path, *parts))
        store.delete_person(f"p{i}")
        assert not any(files_hold(tmp_path, *parts))


def test_replaced_and_renamed_leaves_no_bytes(store: Store, tmp_path: Path) -> None:
    store.enroll(NewPerson("ann", "Former Pelican"), [face(1, 0)])
    store.enroll("ann", [face(1, 1)], replace=True)
    store.update_person("ann", name="New")
    assert (
        files_hold(
            tmp_path, to_bytes(face(1, 0).embedding)[:32], b"Former Pelican", b"former pelican"
        )
        == [False] * 3
    )
    assert files_hold(tmp_path, to_bytes(face(1, 1).embedding)[:32]) == [True]


# ---- files and faults


def test_files_are_the_owners_only(store: Store, tmp_path: Path) -> None:
    store.create_person("ann")
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    modes = {p.name: p.stat().st_mode & 0o777 for p in (tmp_path / "data").iterdir()}
    assert set(modes) == {"duet.db", "duet.db-wal", "duet.db-shm"}
    assert set(modes.values()) == {0o600}


def test_pragmas_hold_on_every_connection(store: Store) -> None:
    with store.database.read() as first, store.database.read() as second:
        for connection in (first, second):
            pragmas = {
                "foreign_keys": 1,
                "secure_delete": 1,
                "synchronous": 2,
                "journal_mode": "wal",
            }
            assert {p: connection.execute(text(f"PRAGMA {p}")).scalar() for p in pragmas} == pragmas


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "mysql://u:secret@h/d", "secret"]
)
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_database(url)
    assert "secret" not in caught.value.message


def test_full_disk(store: Store) -> None:
    """SQLite's own limit on the number of pages gives the very error of a full disk."""
    store.enroll(NewPerson("ann"), [face()])
    with store.database.read() as connection:
        used = connection.execute(text("PRAGMA page_count")).scalar_one()
    store.database._engine.dispose()
    limited = limit_pages(store, used + 1)
    with pytest.raises(StorageFullError):
        for i in range(50):
            store.enroll(NewPerson(f"p{i}"), [face(i), voice(i)])
    assert all(
        p.templates == {"face": 1, "voice": int(p.person_id != "ann")}
        for p in store.list_people(limit=100).people
    )
    limited["pages"] = 1_000_000
    store.database._engine.dispose()
    store.enroll(NewPerson("after"), [face(9)])


def test_full_file_system(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "2m") as grow:
        store = open_gallery(tmp_path / "small")
        check_full_disk(store, lambda: grow("8m"))
        store.close()


def test_locked_by_another_program(tmp_path: Path) -> None:
    store = open_gallery(tmp_path, busy_timeout_s=0.2)
    other = sqlite3.connect(tmp_path / "duet.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError, match="locked"):
        store.create_person("ann")
    assert store.count() == 0
    other.execute("ROLLBACK")
    other.close()
    store.create_person("ann")
    store.close()


def test_a_folder_that_cannot_be_written_is_named() -> None:
    with pytest.raises(ConfigError, match=r"Received: /proc/sys \(.*\)") as refused:
        open_database("sqlite:////proc/sys/duet.db")
    assert "DUET_DATA_DIR" in refused.value.hint


def test_read_only(store: Store) -> None:
    from sqlalchemy import event

    event.listen(
        store.database._engine, "checkout", lambda c, *_: c.execute("PRAGMA query_only=ON")
    )
    with pytest.raises(StoreUnavailableError, match="read-only"):
        store.create_person("ann")
    assert store.count() == 0


def test_gone_and_back(store: Store, tmp_path: Path) -> None:
    store.create_person("ann")
    store.database.scrub()
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    with pytest.raises(StoreUnavailableError):
        store.count()
    with pytest.raises(StoreUnavailableError):
        store.create_person("bob")
    assert not (tmp_path / "data").exists()
    (tmp_path / "elsewhere").rename(tmp_path / "data")
    assert store.count() == 1
    store.create_person("bob")


@pytest.mark.parametrize("folder", ["file", "file/below"])
def test_a_folder_that_cannot_be_made(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"Received: .*file is a file\)"):
        open_database(f"sqlite:///{tmp_path / folder / 'duet.db'}")


@pytest.mark.parametrize("name", ["what?mode=ro", "50%41#", "it's 집 @ home"])
def test_a_folder_of_any_name_holds_the_gallery_and_its_backup(tmp_path: Path, name: str) -> None:
    settings = Settings.of(data_dir=tmp_path / name)
    with closing(open_store(settings)) as store:
        store.create_person("ann")
        made = make_backup(store, tmp_path / name, Beside(settings, {}))
    with closing(open_store(Settings.of(data_dir=tmp_path / name / "new"))) as again:
        restore(made, again, tmp_path / name)
        assert again.get_person("ann")
    assert (tmp_path / name / "duet.db").is_file()
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="in it is a folder"):
        open_database(f"sqlite:///{tmp_path}")


def test_damaged(tmp_path: Path) -> None:
    (tmp_path / "duet.db").write_bytes(b"not a database at all" * 1000)
    with pytest.raises(StoreUnavailableError, match="damaged") as caught:
        open_gallery(tmp_path)
    assert "restore a backup" in caught.value.hint


def test_text_that_is_no_text_is_no_damage_of_the_file(tmp_path: Path) -> None:
    """Only what SQLite says is."""
    database = open_database(f"sqlite:///{tmp_path / 'duet.db'}")
    for transaction in (database.read, database.write):
        with pytest.raises(UnicodeDecodeError), transaction():
            b"\xff".decode()
    database.close()


def test_a_file_that_was_emptied_is_no_new_gallery(tmp_path: Path) -> None:
    """Neither after a clean end, nor beside a log."""
    file = tmp_path / "duet.db"
    open_gallery(tmp_path).close()
    assert [path.name for path in tmp_path.iterdir()] == ["duet.db"]
    file.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match="what it held was cut off"):
            open_gallery(tmp_path)
        with pytest.raises(StoreUnavailableError, match="what it held was cut off"):
            read_schema(f"sqlite:///{file}")
        log_file = tmp_path / "duet.db-wal"
        log_file.write_bytes(b"pages")
    assert log_file.read_bytes() == b"pages"
    file.unlink()  # as the advice is
    log_file.unlink()
    open_gallery(tmp_path).close()


def test_a_start_that_was_cut_off_is_completed(tmp_path: Path) -> None:
    """At any moment, as a killed process leaves the files."""
    file, mark = (tmp_path / name for name in ("duet.db", "duet.db-new"))
    mark.touch()
    open_gallery(tmp_path).close()
    assert not mark.exists()
    file.write_bytes(b"")
    mark.touch()
    open_gallery(tmp_path).close()
    assert not mark.exists()
    mark.touch()
    open_gallery(tmp_path).close()
    assert not mark.exists()


def test_a_damaged_schema(tmp_path: Path) -> None:
    open_gallery(tmp_path).close()
    file = tmp_path / "duet.db"
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"CREATE TABLE people", b"CREATE TABLE\xb0people"))
    assert file.read_bytes() != whole
    with pytest.raises(StoreUnavailableError, match="damaged"):
        open_gallery(tmp_path)


def test_a_schema_that_is_damaged_later(tmp_path: Path) -> None:
    store = open_gallery(tmp_path)
    with closing(sqlite3.connect(tmp_path / "duet.db")) as other:
        other.executescript(
            "PRAGMA writable_schema=ON;"
            "UPDATE sqlite_schema SET sql = CAST(X'435245415445B0' AS TEXT) WHERE name = 'people';"
            "PRAGMA schema_version=1000000;"
        )
    with pytest.raises(StoreUnavailableError, match="damaged"):
        store.find_person("ann")
    store.close()


def test_errors_and_logs_hold_no_vectors_names_or_paths(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    limit_pages(store, 1)
    store.database._engine.dispose()
    with pytest.raises(StorageFullError) as caught:
        for i in range(50):
            store.enroll(NewPerson(f"secret{i}", "Secret Name"), [face(i)])
    texts = "".join(
        [
            caught.value.message,
            caught.value.hint,
            repr(caught.value.__cause__),
            str(caught.value.__cause__),
            caplog.text,
        ]
    )
    assert "Secret" not in texts
    # SQLAlchemy shows the values of a statement by default.
    assert "face-1" not in texts
    assert "\\x" not in texts
    assert str(tmp_path) not in texts


def test_the_log_quotes_no_damaged_value_and_names_no_path(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.create_person("ann")
    with store.database.write() as connection:
        connection.execute(text("UPDATE people SET name = CAST(x'536563726574ff' AS TEXT)"))
    with pytest.raises(StoreUnavailableError, match="not UTF-8") as caught:
        store.find_person("ann")
    with store.database.read() as connection:
        (tmp_path / "data").rename(tmp_path / "elsewhere")
        with pytest.raises(StoreUnavailableError, match="is gone"):
            store.database.file_id(connection)
    said = [record.getMessage() for record in caplog.records]
    assert said == ["database: OperationalError", "database: No such file or directory"]
    assert "Secret" not in caught.value.message


def test_killed_in_mid_transaction(tmp_path: Path) -> None:
    """A process that dies between the person and the template leaves neither."""
    script = f"""
import os
from sqlalchemy import insert
from gallery.records import people as s
from tests.support.gallery_parts import open_gallery
from tests.support.templates import face
store = open_gallery(__import__("pathlib").Path({str(tmp_path)!r}))
store.enroll(s.NewPerson("kept"), [face(1)])
with store.database.write() as connection:
    s.create(connection, s.NewPerson("half"))
    os.kill(os.getpid(), 9)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert done.returncode == -9, done.stderr
    store = open_gallery(tmp_path)
    assert [p.person_id for p in store.list_people().people] == ["kept"]
    assert isinstance(store, Store)
    store.close()
