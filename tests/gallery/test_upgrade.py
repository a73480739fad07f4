"""A data folder that the first release wrote is served, checked and backed up by this one.

`python -m tests.support.make_first_release` makes the folder with the first release's code.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import cli
from gallery.backup.making import Beside, make_backup
from gallery.backup.restoring import restore
from gallery.database.open import open_database, read_schema
from gallery.migrations.upgrade import HEAD
from gallery.records.jobs import Jobs
from gallery.records.keys import Keys
from gallery.results import Role
from gallery.store import Store, open_store
from gallery.upkeep.checking import check_gallery
from tests.support.make_first_release import ARCHIVE
from utils.config import Settings
from utils.modality import Modality

ENCODERS = {"face": "face-1", "voice": "voice-1"}


@pytest.fixture(params=["plain", "sealed"])
def left(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Settings, dict[str, Any]]:
    """Settings of a folder that the first release left, and the facts that it noted."""
    with zipfile.ZipFile(ARCHIVE) as packed:
        packed.extractall(tmp_path)
    facts = json.loads((tmp_path / "facts.json").read_text(encoding="utf-8"))[request.param]
    key = facts["encryption_key"]
    return Settings.of(data_dir=tmp_path / request.param, encryption_key=key), facts


def assert_holds(store: Store, facts: dict[str, Any]) -> None:
    """Everybody is there, with what was stored of them."""
    assert {p.person_id: p.name for p in store.list_people().people} == facts["people"]
    for person_id, count in facts["templates"].items():
        assert len(store.list_templates(person_id)) == count
    assert store.thumbnail("hong").decode() == facts["thumbnail"]
    read = store.vectors_of("zoe", {Modality.FACE: "face-1"})[Modality.FACE].vectors[0]
    assert read.tolist()[:8] == facts["vector"]
    assert store.get_person("hong").retention_days == 36500
    assert not store.verify_audit().problems
    found = Keys(store.database).find(facts["api_key"])
    assert found is not None
    assert found.role is Role.KIOSK


def test_it_is_upgraded_with_everything_in_it(left: tuple[Settings, dict[str, Any]]) -> None:
    settings, facts = left
    assert read_schema(settings.storage.gallery_url) == "0007"
    store = open_store(settings)
    assert_holds(store, facts)
    # The folder was written long ago, so the clock is doubted until an operator says it is right.
    store.trust_clock()
    checks = check_gallery(store, settings.storage.media_folder, ENCODERS)
    assert {one.code: one.problems for one in checks if one.problems} == {}
    jobs = Jobs(store.database, store.codec)
    assert [item.name for item in jobs.items(facts["job"])] == ["clip.mp4"]
    claim = jobs.claim("worker")
    assert claim is not None
    assert (settings.storage.media_folder / claim.media).read_bytes() == b"a clip"
    store.delete_person("zoe")
    assert store.count() == 2
    store.close()
    assert read_schema(settings.storage.gallery_url) == HEAD


def test_its_database_as_a_backup_is_restored(
    left: tuple[Settings, dict[str, Any]], tmp_path: Path
) -> None:
    settings, facts = left
    store = open_store(settings)
    made = make_backup(store, tmp_path / "kept", Beside(settings, ENCODERS))
    again = Store(open_database(f"sqlite:///{tmp_path / 'again.db'}"), store.codec)
    restore(made, again, tmp_path)
    assert_holds(again, facts)
    again.close()
    store.close()


def test_the_commands_say_so(
    left: tuple[Settings, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings, facts = left
    monkeypatch.setenv("DUET_DATA_DIR", str(settings.storage.data_dir))
    monkeypatch.setenv("DUET_MODEL_DIR", str(tmp_path))
    if facts["encryption_key"]:
        monkeypatch.setenv("DUET_ENCRYPTION_KEY", facts["encryption_key"])
    before = CliRunner().invoke(cli.cli, ["doctor"]).output
    assert f"has schema 0007, this release {HEAD}" in before
    assert "홍길동" in CliRunner().invoke(cli.cli, ["people", "list"]).output
    assert f"has schema {HEAD}. People: 3" in CliRunner().invoke(cli.cli, ["doctor"]).output
