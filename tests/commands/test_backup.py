"""Backups on the command line: what is said where they cannot be written or read."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import cli
from gallery.backup.folder import find_backups
from gallery.database.open import open_database
from gallery.ledger import Ledger
from gallery.store import Store
from tests.support.filled_gallery import fill


def run(*words: object) -> Result:
    return CliRunner().invoke(cli.cli, [str(word) for word in words])


def test_what_cannot_be_read_or_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path / "data"))
    store = Store(open_database(f"sqlite:///{tmp_path / 'data' / 'duet.db'}"))
    fill(store)
    store.close()
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
