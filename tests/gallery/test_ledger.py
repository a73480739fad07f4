"""The ledger of deletions where its folder takes no note."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gallery.ledger import Ledger
from gallery.records.deletions import lineage_of
from gallery.records.groups import NewGroup
from gallery.store import NewPerson, Store, open_store
from jobs.backups import BackupThread
from tests.support.templates import face
from utils.config import Settings


@pytest.fixture(params=["full", "missing"])
def settings(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings whose folder of backups is on a full disk, or cannot be made.

    SQLite does not write by `os.fsync`.
    """

    def fill_up(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if request.param == "full":
        monkeypatch.setattr(os, "fsync", fill_up)
    else:
        (tmp_path / "disk").write_text("no folder")
    return Settings.of(data_dir=tmp_path / "data", backup_dir=tmp_path / "disk/kept")


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    opened = open_store(settings)
    yield opened
    opened.close()


def test_a_deletion_is_done(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.create_group(NewGroup("staff"))
    store.enroll(NewPerson("ann"), [face(1)])
    store.add_to_group("staff", "ann")
    store.enroll("ann", [face(2)], replace=True)
    assert store.take_from_group("staff", "ann")
    store.delete_group("staff")
    store.delete_person("ann")
    assert store.count() == 0
    assert len(store.list_groups()) == 0
    assert caplog.text.count("the ledger of deletions took no note") == 4


def test_the_service_starts(
    store: Store, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    store.create_person("ann")
    store.delete_person("ann")
    caplog.clear()
    thread = BackupThread(store, settings, {})
    thread.start()
    thread.stop()
    assert "the ledger of deletions took no note" in caplog.text
    store.forget_expired_when_due()


def test_what_was_not_noted_is_noted_later(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = settings.backup.backup_dir
    assert folder is not None
    store = open_store(settings)
    store.create_person("ann")
    store.delete_person("ann")
    monkeypatch.undo()
    if folder.parent.is_file():
        folder.parent.unlink()
    store.note_deletions()
    store.close()
    (file,) = folder.glob("deletions-*.jsonl")
    assert file.read_text().count("delete_person") == 1


WHOLE = {"event_id": 1, "at": "2026-01-01", "action": "a", "detail": {}, "hash": "b"}
LINES = (
    b"\xff\xfe\x00",
    b"[]",
    json.dumps({"hash": 5}).encode(),
    json.dumps({**WHOLE, "person_key": 1, "at": 5}).encode(),
    json.dumps({**WHOLE, "person_key": "ann"}).encode(),
    json.dumps({**WHOLE, "person_key": ""}).encode(),
    json.dumps({**WHOLE, "person_key": 1, "detail": {"template": "1"}}).encode(),
    b"\xe9" + json.dumps({**WHOLE, "person_key": 1}).encode(),
)


def test_damaged_lines_are_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = open_store(Settings.of(data_dir=tmp_path / "data", backup_dir=tmp_path / "kept"))
    store.create_person("ann")
    store.create_person("bob")
    store.delete_person("ann")
    (file,) = (tmp_path / "kept").glob("deletions-*.jsonl")
    file.write_bytes(file.read_bytes() + b"\n" + b"\n".join(LINES))
    store.delete_person("bob")
    with store.database.read() as connection:
        noted = Ledger(tmp_path / "kept").read(lineage_of(connection))
    store.close()
    assert [deletion.action for deletion in noted] == ["delete_person"] * 2
    assert f"lines that cannot be read: {len(LINES)}" in caplog.text
