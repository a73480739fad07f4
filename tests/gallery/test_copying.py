"""Copying a gallery to another database: everything arrives as it was, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select, text

import cli
from gallery import tables
from gallery.database.open import open_database
from gallery.encryption.sealing import new_key, parse_key
from gallery.store import Store, open_store
from gallery.upkeep.copying import copy_gallery
from tests.support.filled_gallery import content, fill
from utils.config import Settings
from utils.errors import InvalidRequestError, StoreUnavailableError
from utils.modality import Modality

pytestmark = pytest.mark.slow


@pytest.fixture
def stores(tmp_path: Path, postgres_url: str) -> Iterator[list[Store]]:
    made = [
        Store(open_database(f"sqlite:///{tmp_path / 'a.db'}")),
        Store(open_database(postgres_url)),
        Store(open_database(f"sqlite:///{tmp_path / 'b.db'}")),
    ]
    yield made
    for store in made:
        store.close()


def test_there_and_back_everything_is_as_it_was(stores: list[Store]) -> None:
    first, second, third = stores
    fill(first)
    sent = content(first)
    assert all(sent[name] for name in sent), "every table has a row to copy"
    copied = copy_gallery(first, second)
    assert copied == {name: len(rows) for name, rows in sent.items()}
    arrived = content(second)
    assert arrived.pop("events")[:-1] == sent.pop("events")
    assert arrived == sent
    copy_gallery(second, third)
    back = content(third)
    back.pop("events")
    assert back == sent
    for store in stores:
        assert not store.verify_audit().problems
        assert store.events()[0].action == "copy_gallery"


def test_numbers_that_were_used_are_not_used_again(stores: list[Store]) -> None:
    first, second, third = stores
    fill(first)
    copy_gallery(first, second)
    copy_gallery(second, third)
    for store in stores:
        store.create_person("new")
        with store.database.read() as connection:
            assert (
                connection.scalar(
                    select(tables.people.c.key).where(tables.people.c.person_id == "new")
                )
                == 7
            )


def test_a_filled_target_is_refused_and_left_alone(stores: list[Store]) -> None:
    first, second, _ = stores
    fill(first)
    second.create_person("there")
    before = content(second)
    with pytest.raises(InvalidRequestError, match="empty"):
        copy_gallery(first, second)
    assert content(second) == before


@pytest.mark.parametrize("direction", [1, -1])
def test_a_copy_that_ends_early_leaves_nothing(stores: list[Store], direction: int) -> None:
    source, target = stores[:2][::direction]
    fill(source)

    def stop(table: str, _rows: object) -> None:
        if table == "events":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_gallery(source, target, stop)
    assert not any(content(target).values())
    copy_gallery(source, target)
    assert target.count() == 5


def test_rows_that_did_not_arrive_are_noticed(stores: list[Store]) -> None:
    first, second, _ = stores
    fill(first)
    with second.database.write() as connection:  # a database that loses a row
        connection.execute(
            text(
                "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL;"
                " END $$"
            )
        )
        connection.execute(
            text(
                "CREATE TRIGGER lose BEFORE INSERT ON templates FOR EACH ROW WHEN (NEW.key = 3)"
                " EXECUTE FUNCTION lose()"
            )
        )
    with pytest.raises(StoreUnavailableError, match="arrive"):
        copy_gallery(first, second)
    assert second.count() == 0


def test_sealed_values_stay_sealed(tmp_path: Path, postgres_url: str) -> None:
    codec = parse_key(new_key(), "the test")
    first = Store(open_database(f"sqlite:///{tmp_path / 'a.db'}"), codec)
    second = Store(open_database(postgres_url), codec)
    fill(first)
    copy_gallery(first, second)
    encoders = {Modality.FACE: "face-1", Modality.VOICE: "voice-1"}
    for m in encoders:
        assert (
            second.vectors_of("p1", encoders)[m].vectors
            == first.vectors_of("p1", encoders)[m].vectors
        ).all()
    assert second.thumbnail("p1") == b"a picture"
    first.close()
    second.close()


@pytest.mark.parametrize("command", ["gallery copy --to", "restore BACKUP --to"])
def test_a_place_that_holds_no_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Nothing is wrong with the gallery: no backup is to be restored."""
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path / "data"))
    open_store(Settings.of(data_dir=tmp_path / "data")).close()
    made = CliRunner().invoke(cli.cli, ["backup", str(tmp_path / "backups")])
    backup = tmp_path / "backups" / made.stdout.split(":")[0]
    (tmp_path / "text.db").write_text("no database" * 99)
    words = [str(backup) if word == "BACKUP" else word for word in command.split()]
    done = CliRunner().invoke(cli.cli, [*words, f"sqlite:///{tmp_path}/text.db"])
    assert done.exit_code == 1
    assert "invalid_request: A gallery is written to an empty place." in done.stderr
    assert "Name a new file, or an empty database." in done.stderr
    assert (tmp_path / "text.db").read_text() == "no database" * 99


def test_the_command(tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path))
    source = Store(open_database(f"sqlite:///{tmp_path / 'duet.db'}"))
    fill(source)
    source.close()
    url = postgres_url
    done = CliRunner().invoke(cli.cli, ["gallery", "copy", "--to", url])
    assert done.exit_code == 0, done.output
    assert "5 people" in done.output
    again = CliRunner().invoke(cli.cli, ["gallery", "copy", "--to", url])
    assert again.exit_code == 1
    assert "The database is not empty" in again.output
    target = Store(open_database(url))
    assert target.count() == 5
    target.close()
