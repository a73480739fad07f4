"""Backups on the command line: what is said where they cannot be written or read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import cli
from commands.backup import _passphrase
from commands.shared import is_at_terminal
from gallery.backup.folder import find_backups, find_past_backups
from gallery.database.open import open_database
from gallery.encryption.sealing import new_key
from gallery.ledger import Ledger
from gallery.store import Store
from tests.support.disk import small_disk
from tests.support.filled_gallery import fill
from utils.errors import InvalidRequestError

OURS = {
    "format": 1,
    "made_at": "2026-01-01T00:00:00+00:00",
    "schema": "0001",
    "lineage": "",
    "head": "",
    "encryption_key": None,
    "encoder_ids": {},
    "rows": {},
    "files": {"gallery.db": "0"},
}
"""A manifest."""
FOREIGN: tuple[dict[str, object], ...] = (
    {"files": []},
    {"files": {}},
    {"rows": 1},
    {"rows": {"people": -5}},
    {"rows": {"people": True}},
    {"lineage": 5},
    {"lineage": "../../ledger"},
    {"head": None},
    {"encryption_key": 5},
    {"made_at": "2026-01-01T00:00:00"},
)
"""What no service writes into one."""


def run(*words: object) -> Result:
    return CliRunner().invoke(cli.cli, [str(word) for word in words])


def fill_gallery(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_DATA_DIR", str(folder / "data"))
    store = Store(open_database(f"sqlite:///{folder / 'data' / 'duet.db'}"))
    fill(store)
    store.close()


def test_a_full_disk_is_that_of_the_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_gallery(tmp_path, monkeypatch)
    with small_disk(tmp_path / "disk", "300k"):
        refused = run("backup", tmp_path / "disk")
        assert "The disk that the copy is written to is full" in refused.output
        assert find_backups(tmp_path / "disk") == []
        assert list((tmp_path / "disk").iterdir()) == []
    assert run("backup", tmp_path / "kept").exit_code == 0


@pytest.mark.parametrize(
    "manifest",
    ["[]", '{"a": 1}', "\ufffd", *(json.dumps(OURS | foreign) for foreign in FOREIGN)],
)
def test_what_another_program_wrote_is_no_backup(tmp_path: Path, manifest: str) -> None:
    (tmp_path / "backup.json").write_text(manifest)
    refused = run("restore", tmp_path, "--to", tmp_path / "new")
    assert "backup_unusable" in refused.output
    assert "with another. Name the folder of one backup" in refused.output
    assert not (tmp_path / "new").exists()
    (tmp_path / "duet-20260101T000000Z").mkdir()
    (tmp_path / "backup.json").rename(tmp_path / "duet-20260101T000000Z/backup.json")
    assert find_past_backups(tmp_path, datetime.now(UTC)) == [], "it stops no other backup"


def test_a_folder_without_backups_is_said_to_have_none(tmp_path: Path) -> None:
    assert run("backups", tmp_path).output == f"There is no backup below {tmp_path}.\n"


def test_a_passphrase_comes_from_a_pipe_or_is_asked_for_in_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUET_ENCRYPTION_KEY", new_key())
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path / "data"))
    assert run("people", "create", "ann").exit_code == 0
    command = ["backup", str(tmp_path / "kept"), "--with-key"]
    refused = CliRunner().invoke(cli.cli, command)
    assert refused.exit_code == 1
    assert "--passphrase-file" in refused.stderr
    piped = CliRunner().invoke(cli.cli, command, input="correct horse battery\n")
    assert piped.exit_code == 0, piped.stderr
    assert piped.stderr.count("assphrase") == 0
    other = CliRunner().invoke(cli.cli, command, input=b"\xff" * 20)
    assert "What was piped in is none" in other.stderr


def test_a_closed_input_is_no_terminal_and_no_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert not is_at_terminal()
    with pytest.raises(InvalidRequestError, match="there is none"):
        _passphrase(None, confirm=True)


def test_nothing_is_restored_to_an_empty_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_gallery(tmp_path, monkeypatch)
    assert run("backup", tmp_path / "kept").exit_code == 0
    (backup,) = find_backups(tmp_path / "kept")
    refused = run("restore", backup.path, "--to", "")
    assert "--to is not empty. Received: ''" in refused.output


def test_what_cannot_be_read_or_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_gallery(tmp_path, monkeypatch)
    kept = tmp_path / "kept"
    assert run("backup", kept).exit_code == 0
    (backup,) = find_backups(kept)
    file = tmp_path / "file"
    file.touch()
    refused = run("backup", file / "below")
    assert f"The folder {file / 'below'} cannot be written" in refused.output
    ledger = Ledger(kept)._file_of(backup.manifest.lineage)
    ledger.unlink(missing_ok=True)
    ledger.mkdir()
    refused = run("restore", backup.path, "--to", tmp_path / "new")
    assert f"The backup {backup.path} cannot be read" in refused.output
    assert str(ledger) in refused.output


def test_a_restore_with_another_key_leaves_the_place_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty gallery takes the first key that it is opened with."""
    for name in ("right", "wrong"):
        (tmp_path / name).write_text(new_key())
    monkeypatch.setenv("DUET_ENCRYPTION_KEY_FILE", str(tmp_path / "right"))
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path / "data"))
    assert run("people", "create", "ann").exit_code == 0
    assert run("backup", tmp_path / "kept").exit_code == 0
    (backup,) = find_backups(tmp_path / "kept")
    place = tmp_path / "new" / "machine"
    monkeypatch.setenv("DUET_ENCRYPTION_KEY_FILE", str(tmp_path / "wrong"))
    assert "is encrypted with the key" in run("restore", backup.path, "--to", place).output
    monkeypatch.delenv("DUET_ENCRYPTION_KEY_FILE")
    assert "but no key is set" in run("restore", backup.path, "--to", place).output
    assert not place.exists()
    monkeypatch.setenv("DUET_ENCRYPTION_KEY_FILE", str(tmp_path / "right"))
    done = run("restore", backup.path, "--to", place)
    assert done.exit_code == 0, done.output
    assert place.stat().st_mode & 0o777 == 0o700
