"""A damaged value of one row: the export of a person and a backup say so in one line."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Column, String, select, update
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError

import cli
from gallery.damage import DamagedError, damage_error, read_whole
from gallery.database.foreign import find_foreign
from gallery.store import NewPerson, Store
from gallery.table_base import Checked
from gallery.tables import kept_media, metadata, templates
from jobs.hindrances import find_hindrances
from recognition.recognizer import Recognizer
from tests.support.asking import identify
from tests.support.filled_gallery import fill
from tests.support.gallery_parts import make_recognizer, open_gallery
from tests.support.templates import face
from utils.config import Settings

DAMAGES = {
    "UPDATE people SET name = CAST(x'ff41' AS TEXT)": "a text that is not UTF-8",
    "UPDATE people SET created_at = 'none'": "a time that is none",
    "UPDATE people SET created_at = 5": "a number in the place of a time",
    "UPDATE events SET detail = '{'": "JSON that cannot be read",
    "UPDATE people SET name = x'ff41'": "bytes in the place of a text",
    "UPDATE templates SET vector = x'00112233'": "a vector that is not of 2048 bytes",
    "UPDATE templates SET vector = 'text'": "a text in the place of bytes",
    "UPDATE templates SET quality = 'good'": "a text in the place of a number",
    "UPDATE templates SET modality = 'smell'": "a word that is none of those known",
}
COPIED = {"UPDATE templates SET vector = x'00112233'": ""}
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


def test_a_picture_of_no_known_kind_is_damage(tmp_path: Path) -> None:
    with closing(open_gallery(tmp_path)) as store:
        fill(store)
        with store.database.write() as connection:
            connection.execute(update(kept_media).values(kind="none"))
        with pytest.raises(DamagedError, match="kept_media"):
            store.export_person("p1")


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


@pytest.mark.parametrize("damage", [d for d in DAMAGES if "templates" in d and "vector" not in d])
@pytest.mark.parametrize("command", ["show", "templates"])
def test_who_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str, command: str
) -> None:
    """The error names the column."""
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path))
    with closing(open_gallery(tmp_path)) as store:
        store.enroll(NewPerson("ann"), [face()])
    write(tmp_path, damage)
    done = CliRunner().invoke(cli.cli, ["people", command, "ann"])
    assert done.exit_code == 1, repr(done.exception)
    assert f"A row of templates.{damage.split()[3]} is damaged" in done.stderr
    assert "Run `cli.py check`" in done.stderr


def test_foreign_values_of_every_column_are_found(tmp_path: Path) -> None:
    with closing(open_gallery(tmp_path)) as store:
        fill(store)
        with store.database.read() as connection:
            assert list(find_foreign(connection)) == []
        with closing(sqlite3.connect(tmp_path / "duet.db")) as other:
            (events,) = other.execute("SELECT count(*) FROM events").fetchone()
        assert events
        seen = 0
        for table in metadata.sorted_tables:
            for column in table.columns:
                found = foreign_value(store, table.name, column)
                seen += found is not None
                assert found is None or any(
                    f"{table.name}.{column.name} holds " in text for text in found
                ), (table.name, column.name, found)
        assert seen > 60


def foreign_value(store: Store, table: str, column: Column[Any]) -> list[str] | None:
    """What is found where a row has a foreign value. None: the table is empty, or keeps it out."""
    assert isinstance(column.type, Checked)
    foreign = "x'ff41'" if isinstance(column.type.impl, String) else "'\u00e9'"
    with store.database.write() as connection:
        connection.exec_driver_sql("PRAGMA ignore_check_constraints=1")
        connection.exec_driver_sql("DROP TRIGGER IF EXISTS events_no_update")
        nested = connection.begin_nested()
        try:
            done = connection.exec_driver_sql(
                f"UPDATE {table} SET {column.name} = {foreign}"
                f" WHERE rowid = (SELECT min(rowid) FROM {table})"
            )
        except IntegrityError:  # of numbers and references
            done = None
        found = list(find_foreign(connection)) if done and done.rowcount else None
        nested.rollback()
    return found


def test_the_others_are_found(
    gallery: Recognizer, clip: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    """One damaged template, and one damaged name, hide nobody else."""
    folder = Path(gallery.store.database._path).parent  # type: ignore[attr-defined]
    bob = clip(face=2, voice=2, sample=9)
    for damage in (
        "UPDATE templates SET sealed_by = 'abc' WHERE key = 1",
        "UPDATE templates SET sealed_by = x'ff' WHERE key = 1",
        "UPDATE templates SET sealed_by = CAST(x'ff' AS TEXT) WHERE key = 1",
        "UPDATE templates SET vector = x'00' WHERE key = 1",
        "UPDATE templates SET vector = 'text' WHERE key = 1",
        "UPDATE templates SET source_sha256 = x'ff' WHERE key = 1",
        "UPDATE templates SET modality = 'smell' WHERE key = 2",
        "UPDATE templates SET modality = CAST(x'ff' AS TEXT) WHERE key = 2",
        "UPDATE templates SET person_key = 'text' WHERE key = 2",
        "UPDATE templates SET person_key = 999 WHERE key = 2",
        "UPDATE people SET name = CAST(x'ff41' AS TEXT) WHERE key = 1",
        "UPDATE people SET created_at = 5 WHERE key = 1",
    ):
        write(folder, damage, "INSERT INTO changes (person_key) VALUES (1)")
        opened = make_recognizer(folder)
        for one in (gallery, opened):  # an index that goes on, and one that is made anew
            match = identify(one, bob).decisions.fused.match
            assert match is not None, damage
            assert match.person_id == "bob", damage
        opened.close()
        assert re.search(r"damaged and left out: (row )?1\b", caplog.text), damage
        caplog.clear()
        assert list_ids(gallery)[-2:] == ["bob", "cleo"], damage
    assert list_ids(gallery) == ["bob", "cleo"]


def test_health_counts_damaged_templates_until_they_are_gone(
    gallery: Recognizer, clip: Callable[..., Path]
) -> None:
    folder = Path(gallery.store.database._path).parent  # type: ignore[attr-defined]
    settings = Settings.of(data_dir=folder)
    write(
        folder,
        "UPDATE templates SET vector = 'text' WHERE key = 1",
        "UPDATE templates SET sealed_by = x'ff' WHERE key = 3",
    )
    opened = make_recognizer(folder)
    assert find_hindrances(opened.store, settings) == []
    identify(opened, clip(face=2, voice=2, sample=9))  # the index is read
    for count, person_id in ((2, "ann"), (1, "bob")):
        (found,) = find_hindrances(opened.store, settings)
        assert (found.code, found.details) == ("damaged", {"templates": count})
        opened.store.delete_person(person_id)
    assert find_hindrances(opened.store, settings) == []
    opened.close()


def list_ids(recognizer: Recognizer) -> list[str]:
    return [person.person_id for person in recognizer.store.list_people().people]


def test_templates_of_nobody_are_not_found(gallery: Recognizer, clip: Callable[..., Path]) -> None:
    folder = Path(gallery.store.database._path).parent  # type: ignore[attr-defined]
    write(folder, "DELETE FROM people WHERE key = 1", "INSERT INTO changes (person_key) VALUES (1)")
    opened = make_recognizer(folder)
    for one in (gallery, opened):
        for who, name in ((1, None), (2, "bob")):
            match = identify(one, clip(face=who, voice=who, sample=9)).decisions.fused.match
            assert (match and match.person_id) == name
    opened.close()


@pytest.mark.parametrize(
    "damage", ["created_at = 5", "name = CAST(x'ff' AS TEXT)", "retention_days = 1000000000"]
)
def test_the_terms_of_all_others_are_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    long_ago = "enrolled_at = '2020-01-01 00:00:00'"
    with closing(open_gallery(tmp_path)) as store:
        for person_id in ("ann", "bob", "cleo", "dan"):
            store.create_person(person_id, retention_days=1)
        write(
            tmp_path,
            f"UPDATE people SET {long_ago} WHERE key < 4",
            f"UPDATE people SET {damage} WHERE key = 2",
        )
        assert store.forget_expired() == 2
        assert "row 2 " in caplog.text
        assert [store.find_person(one) is None for one in ("ann", "cleo", "dan")] == [
            True,
            True,
            False,
        ]


def test_each_half_is_read_by_itself_around_a_damaged_row() -> None:
    left_out: list[int] = []

    def read(keys: Sequence[int]) -> list[int]:
        if 3 in keys:
            raise damage_error("a time")
        return [key * 10 for key in keys]

    assert read_whole([1, 2, 3, 4, 5], read, left_out.append) == [10, 20, 40, 50]
    assert left_out == [3]


def test_a_fault_of_the_disk_is_no_damage() -> None:
    left_out: list[int] = []

    def read(_: Sequence[int]) -> list[int]:
        raise OperationalError("SELECT", {}, sqlite3.OperationalError("disk I/O error"))

    with pytest.raises(OperationalError):
        read_whole([1, 2], read, left_out.append)
    assert left_out == []


def test_a_check_lists_all_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path))
    with closing(open_gallery(tmp_path)) as store:
        store.enroll(NewPerson("ann"), [face(1)])
        store.enroll(NewPerson("bob"), [face(2)])
    write(tmp_path, *DAMAGES)
    done = CliRunner().invoke(cli.cli, ["check"])
    assert done.exit_code == 1, repr(done.exception)
    for column in (
        "people.created_at",
        "people.name",
        "events.detail",
        "templates.quality",
        "templates.modality",
        "templates.vector",
    ):
        assert f"{column} holds" in done.stdout
    assert "row 1 of 'ann', row 2 of 'bob'" in done.stdout
    assert "deletions" in done.stdout, "it went on"


@pytest.mark.parametrize(
    "damage",
    [
        "people SET retention_days = 2147483648",
        "people SET retention_days = 36501",
        "events SET person_key = -3000000000",
        "templates SET quality = 9e999",
    ],
)
def test_a_check_tells_numbers_that_no_column_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path))
    with closing(open_gallery(tmp_path)) as store:
        store.enroll(NewPerson("ann"), [face(1)])
    write(tmp_path, f"UPDATE {damage}")
    done = CliRunner().invoke(cli.cli, ["check"])
    assert done.exit_code == 1, repr(done.exception)
    table, _, column = damage.split()[:3]
    assert f"{table}.{column} holds a number" in done.stdout


def test_a_check_that_cannot_be_made_is_told_for_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path))
    open_gallery(tmp_path).close()
    write(tmp_path, "DROP TABLE rejections")
    done = CliRunner().invoke(cli.cli, ["check"])
    assert done.exit_code == 1, repr(done.exception)
    assert "It cannot be read: The database is not one of this service." in done.stdout
    assert "deletions" in done.stdout, "it went on"


def write(folder: Path, *statements: str) -> None:
    """Change rows as a fault of the disk does."""
    with closing(sqlite3.connect(folder / "duet.db", isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER IF EXISTS events_no_update")
        for statement in statements:
            connection.execute(statement)
