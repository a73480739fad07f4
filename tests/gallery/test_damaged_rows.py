"""A damaged value of one row: the export of a person and a backup say so in one line."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select
from sqlalchemy.exc import StatementError

import cli
from gallery.records.people import NewPerson
from gallery.tables import templates
from tests.support.gallery_parts import open_gallery
from tests.support.templates import face

DAMAGES = {
    "UPDATE people SET name = CAST(x'ff41' AS TEXT)": "a text that is not UTF-8",
    "UPDATE people SET created_at = 'none'": "a time that is none",
    "UPDATE people SET created_at = 5": "a time that is none",
    "UPDATE events SET detail = '{'": "JSON that cannot be read",
    "UPDATE people SET name = x'ff41'": "bytes in the place of a text",
    "UPDATE templates SET vector = x'00112233'": "a vector that is not of 2048 bytes",
    "UPDATE templates SET vector = 'text'": "a vector that is not of 2048 bytes",
}
COPIED = {
    "UPDATE people SET name = x'ff41'": "",
    "UPDATE templates SET vector = x'00112233'": "",
    "UPDATE templates SET vector = 'text'": "a value of another kind",
}
"""What a backup says of those that it does not read. It takes bytes along as they are."""


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_value_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path / "data"))
    store = open_gallery(tmp_path / "data")
    store.enroll(NewPerson("ann"), [face()])
    store.close()
    with closing(sqlite3.connect(tmp_path / "data/duet.db", isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER events_no_update")
        connection.execute(damage)
    refuses(["people", "export", "ann"], DAMAGES[damage])
    refuses(["backup", str(tmp_path / "backups")], COPIED.get(damage, DAMAGES[damage]))


def test_a_wrong_value_of_ours_is_no_damage(tmp_path: Path) -> None:
    store = open_gallery(tmp_path)
    with pytest.raises(StatementError, match="TypeError"), store.database.read() as connection:
        connection.execute(select(templates).where(templates.c.vector == "text"))
    store.close()


def refuses(command: list[str], what: str) -> None:
    """Check that a command says what a row holds, or is done where that is ""."""
    done = CliRunner().invoke(cli.cli, command)
    assert done.exit_code == int(what != ""), repr(done.exception)
    assert f"damaged: it holds {what}" in done.stderr or not what
