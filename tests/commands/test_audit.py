"""`cli.py audit show` tells the rows of every release."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import cli
from gallery.store import open_store
from utils.config import Settings


def test_rows_of_an_action_of_another_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path))
    store = open_store(Settings.from_env())
    store.record("teleport", "accepted")
    store.close()
    shown = CliRunner().invoke(cli.cli, ["audit", "show", "--action", "teleport"])
    assert (shown.exit_code, shown.stdout.count("\tteleport\t"), shown.stderr) == (0, 1, "")
    none = CliRunner().invoke(cli.cli, ["audit", "show", "--action", "identfy"])
    assert (none.exit_code, none.stdout) == (0, "")
    assert "No row has the action 'identfy'" in none.stderr
    assert "identify" in none.stderr
