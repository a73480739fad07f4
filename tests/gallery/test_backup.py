"""Backups: whole or not there, as the gallery was, and without those deleted since."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shlex
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

import cli
from gallery.backup.folder import (
    Backup,
    Manifest,
    find_backups,
    hash_files,
    open_backup,
    remove_oldest,
    write_manifest,
)
from gallery.backup.making import Beside, make_backup
from gallery.backup.restoring import Restored, restore
from gallery.backup.sealed_key import open_key, seal_key
from gallery.database.open import open_database
from gallery.encryption.sealing import Codec, new_key, parse_key
from gallery.ledger import Ledger
from gallery.migrations import upgrade
from gallery.records import clock
from gallery.records.groups import NewGroup
from gallery.store import NewPerson, Store
from gallery.upkeep.checking import check_gallery
from tests.support.filled_gallery import content, fill, new_templates
from tests.support.first_release import old_file
from tests.support.postgres import new_database
from utils.config import Settings
from utils.errors import BackupUnusableError, ConfigError, InvalidRequestError

pytestmark = pytest.mark.slow

BESIDE = Beside(Settings(), {"face": "face-1", "voice": "voice-1"})


def open_at(path: Path, codec: Codec | None = None, ledger: Ledger | None = None) -> Store:
    return Store(open_database(f"sqlite:///{path}"), codec, ledger=ledger)


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    is_file = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'first.db'}" if is_file else new_database()
    made = Store(open_database(url), ledger=Ledger(tmp_path / "kept"))
    fill(made)
    yield made
    made.close()


def back(backup: Backup, tmp_path: Path, name: str = "again.db") -> tuple[Store, Restored]:
    target = open_at(tmp_path / name)
    return target, restore(backup, target, tmp_path)


def test_what_is_restored_is_what_was_there(store: Store, tmp_path: Path) -> None:
    sent = content(store)
    made = make_backup(store, tmp_path / "kept", BESIDE)
    assert open_backup(made.path) == made
    restored, done = back(made, tmp_path)
    arrived = content(restored)
    assert arrived.pop("events")[:-2] == sent.pop("events")
    assert arrived == sent
    rows = {**made.manifest.rows, "events": len(content(restored)["events"]) - 1}
    assert done == Restored(rows, 0)
    assert not restored.verify_audit().problems
    assert [event.action for event in restored.events(2)] == ["restore", "backup"]
    with pytest.raises(InvalidRequestError, match="not empty"):
        restore(made, restored, tmp_path)
    restored.close()


def test_what_was_deleted_stays_deleted(store: Store, tmp_path: Path) -> None:
    store.enroll("p3", new_templates(3, 1))
    store.create_group(NewGroup("watch", "Watch list", watched=True))
    store.add_to_group("watch", "p4")
    made = make_backup(store, tmp_path / "kept", BESIDE)
    store.delete_person("p0")
    store.merge_people("p2", "p3")
    lost = store.list_templates("p4")[0].template_id
    store.delete_template("p4", lost)
    moved = store.list_templates("p1")[0].template_id
    store.move_template("p1", moved, NewPerson("later"))
    store.delete_person("later")
    store.delete_transcript(store.list_transcripts().transcripts[0].transcript_id)
    store.enroll("p2", new_templates(2, 5), replace=True)
    store.take_from_group("staff", "p1")
    store.delete_group("watch")
    left = {p.person_id for p in store.list_people().people}
    store.close()  # and lost, with all that was noted since

    restored, done = back(made, tmp_path)
    assert done.deletions >= 9
    assert {p.person_id for p in restored.list_people().people} == left == {"p1", "p2", "p4"}
    kept = chain.from_iterable(map(restored.list_templates, left))
    ids = {template.template_id for template in kept}
    assert not ids & {lost, moved}
    assert restored.list_transcripts().total == 0
    assert restored.list_templates("p2") == ()  # those of the backup were replaced
    assert [(group.group_id, group.people) for group in restored.list_groups()] == [("staff", 0)]
    # A number that was deleted once is never given again
    restored.create_group(NewGroup("next"))
    with restored.database.read() as connection:
        query = text("SELECT key FROM people_groups WHERE group_id = 'next'")
        assert connection.scalar(query) == 3
    restored.create_person("new")
    with restored.database.read() as connection:
        key = connection.scalar(text("SELECT key FROM people WHERE person_id = 'new'"))
    assert key == 8
    # The next generation: a backup of what was restored, and of the first again
    restored.close()
    again, _ = back(made, tmp_path, "third.db")
    assert {p.person_id for p in again.list_people().people} == left
    again.close()


def test_the_ledger_names_nobody_and_outlives_a_half_written_line(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    store = open_at(tmp_path / "g.db", ledger=ledger)
    store.create_person("hong", "Hong Gildong")
    store.delete_person("hong")
    (file,) = tmp_path.glob("deletions-*.jsonl")
    written = file.read_text()
    assert "hong" not in written.lower()
    assert json.loads(written)["person_key"] == 1
    file.write_text(written + '\n{"event_id": 3, "at"')  # killed here
    store.create_person("kim")
    store.delete_person("kim")
    store.note_deletions()
    lineage = json.loads(written)
    noted = Ledger(tmp_path).read(_lineage(store))
    assert [deletion.person_key for deletion in noted] == [1, 2]
    assert noted[0].hash == lineage["hash"]
    assert file.stat().st_mode & 0o077 == 0
    store.close()


def _lineage(store: Store) -> str:
    with store.database.read() as connection:
        return str(connection.scalar(text("SELECT hash FROM events WHERE event_id = 1")))


def test_damage_and_strangers_are_refused(tmp_path: Path) -> None:
    store = open_at(tmp_path / "g.db")
    fill(store)
    made = make_backup(store, tmp_path / "kept", BESIDE)
    store.close()
    with pytest.raises(BackupUnusableError, match=r"backup\.json"):
        open_backup(tmp_path)
    (made.path / "backup.json").write_bytes((made.path / "backup.json").read_bytes()[:-40])
    with pytest.raises(BackupUnusableError, match=r"backup\.json"):
        open_backup(made.path)


def test_bytes_that_changed_are_refused(tmp_path: Path) -> None:
    store = open_at(tmp_path / "g.db")
    fill(store)
    made = make_backup(store, tmp_path / "kept", BESIDE)
    store.close()
    data = bytearray(made.gallery.read_bytes())
    data[5000] ^= 1
    made.gallery.write_bytes(data)
    with pytest.raises(BackupUnusableError, match=r"gallery\.db with other bytes"):
        open_backup(made.path)
    made.gallery.unlink()
    with pytest.raises(BackupUnusableError, match="missing"):
        open_backup(made.path)


def test_an_encrypted_gallery_opens_with_its_key_alone(tmp_path: Path) -> None:
    codec = parse_key(new_key(), "a key")
    store = open_at(tmp_path / "g.db", codec)
    fill(store)
    made = make_backup(store, tmp_path / "kept", BESIDE)
    sent = content(store)
    store.close()
    assert made.manifest.encryption_key == codec.key_id
    with pytest.raises(ConfigError, match="encrypted"):
        back(made, tmp_path, "plain.db")
    target = open_at(tmp_path / "sealed.db", codec)
    restore(made, target, tmp_path)
    assert content(target)["templates"] == sent["templates"]
    target.close()


def backup_of(gallery: Path, folder: Path) -> Backup:
    """Make a backup of a file that another release wrote."""
    folder.mkdir(parents=True)
    gallery.rename(folder / "gallery.db")
    manifest = Manifest(
        made_at=datetime.now(UTC),
        schema="0001",
        lineage="",
        head="0:",
        encryption_key=None,
        encoder_ids={},
        rows={"people": 3},
        files=hash_files(folder),
    )
    write_manifest(folder, manifest)
    return open_backup(folder)


def test_a_backup_of_the_first_release_is_restored(tmp_path: Path) -> None:
    made = backup_of(old_file(tmp_path), tmp_path / "kept" / "duet-20250102T030405Z")
    restored, done = back(made, tmp_path)
    assert done.rows["people"] == 3
    assert [t.modality for t in restored.list_templates("p2")] == ["face"]
    assert not restored.verify_audit().problems
    restored.close()


def test_a_backup_of_a_later_release_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_at(tmp_path / "g.db")
    fill(store)
    made = make_backup(store, tmp_path / "kept", BESIDE)
    target = open_at(tmp_path / "early.db")
    monkeypatch.setattr(upgrade, "HEAD", "0000")  # as an earlier release sees it
    with pytest.raises(ConfigError, match="schema 0000 or earlier"):
        restore(made, target, tmp_path)
    store.close()
    target.close()


def test_only_the_latest_are_kept(tmp_path: Path) -> None:
    store = open_at(tmp_path / "g.db")
    kept = tmp_path / "kept"
    made = [make_backup(store, kept, BESIDE) for _ in range(3)]
    store.close()
    (kept / "duet-20200101T000000Z.partial").mkdir()
    assert len({backup.path for backup in made}) == 3
    assert remove_oldest(kept, 2) == 1
    assert [backup.path for backup in find_backups(kept)] == [b.path for b in made[1:]]


def test_a_backup_from_the_future_stays_and_counts_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_at(tmp_path / "g.db")
    kept = tmp_path / "kept"
    ahead = datetime.now(UTC) + timedelta(days=400)
    with monkeypatch.context() as patched:
        patched.setattr(clock, "now", lambda: ahead)
        future = make_backup(store, kept, BESIDE)
    made = [make_backup(store, kept, BESIDE) for _ in range(2)]
    store.close()
    assert future.manifest.made_at == ahead
    assert remove_oldest(kept, 1) == 1
    assert [backup.path for backup in find_backups(kept)] == [made[1].path, future.path]


def test_the_key_is_sealed_with_a_passphrase() -> None:
    key = new_key()
    sealed = seal_key(key, "correct horse battery")
    assert key not in sealed
    assert open_key(sealed, "correct horse battery") == key
    with pytest.raises(InvalidRequestError, match="passphrase"):
        open_key(sealed, "correct horse batterz")
    with pytest.raises(InvalidRequestError, match="12 characters"):
        seal_key(key, "short")
    with pytest.raises(BackupUnusableError):
        open_key("{}", "correct horse battery")


def _back_up_for_ever(folder: str, made: Connection) -> None:
    """What is killed: a gallery that changes while backups of it are made."""
    place = Path(folder)
    store = open_at(place / "g.db", ledger=Ledger(place / "kept"))
    number = store.count()
    while True:
        number += 1
        store.enroll(NewPerson(f"n{os.getpid()}-{number}"), new_templates(number % 50))
        if number % 3 == 0:
            store.delete_person(store.list_people().people[0].person_id)
        make_backup(store, place / "kept", BESIDE)
        made.send(number)


def test_killed_at_any_moment_a_backup_is_whole_or_not_there(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rng = random.Random(5)
    spawn = multiprocessing.get_context("spawn")
    for _ in range(request.config.getoption("--kills") // 25):  # one takes seconds, not tenths
        made, sender = spawn.Pipe(duplex=False)
        worker = spawn.Process(target=_back_up_for_ever, args=(str(tmp_path), sender))
        worker.start()
        assert made.poll(60)
        time.sleep(rng.uniform(0, 0.3))
        assert worker.is_alive()
        os.kill(worker.pid or 0, signal.SIGKILL)
        worker.join()
    store = open_at(tmp_path / "g.db")
    alive = {person.person_id for person in store.list_people(limit=200).people}
    store.note_deletions()
    Ledger(tmp_path / "kept").update(store.database)
    store.close()
    backups = find_backups(tmp_path / "kept")
    for number, backup in enumerate((backups[0], backups[-1])):
        target, _ = back(open_backup(backup.path), tmp_path, f"r{number}.db")
        assert not target.verify_audit().problems
        assert {person.person_id for person in target.list_people(limit=200).people} <= alive
        target.close()


def run(*words: object) -> Result:
    return CliRunner().invoke(cli.cli, [str(word) for word in words])


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key_file = tmp_path / "gallery.key"
    assert run("keys", "new-encryption-key", "--to", key_file).exit_code == 0
    words = tmp_path / "passphrase"
    words.write_text("correct horse battery\n")
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DUET_ENCRYPTION_KEY_FILE", str(key_file))
    monkeypatch.setenv("DUET_API_KEY", "a secret that stays here")
    store = open_at(tmp_path / "data" / "duet.db", parse_key(key_file.read_text(), "the file"))
    fill(store)
    store.close()
    kept = tmp_path / "kept"
    made = run("backup", kept, "--with-key", "--passphrase-file", words)
    assert made.exit_code == 0, made.output
    assert "5 people" in made.output
    (backup,) = find_backups(kept)
    settings = (backup.path / "settings.env").read_text()
    assert f"DUET_DATA_DIR={shlex.quote(str(tmp_path / 'data'))}" in settings
    everything = b"".join(path.read_bytes() for path in backup.path.iterdir())
    assert b"a secret that stays here" not in everything
    assert key_file.read_bytes().strip() not in everything
    assert "as it was written" in run("check", "--backup", backup.path).output

    refused = run("restore", backup.path)
    assert refused.exit_code == 1
    assert "not empty" in refused.output
    nowhere = words / "below-a-file"
    for command in (("backup", nowhere), ("restore", backup.path, "--to", nowhere)):
        refused = run(*command)
        assert refused.exit_code == 1
        assert "output_refused" in refused.output
    monkeypatch.delenv("DUET_ENCRYPTION_KEY_FILE")
    place = tmp_path / "elsewhere"
    new = tmp_path / "new.key"
    wrong = tmp_path / "wrong"
    wrong.write_text("incorrect horse battery")
    options = ("--to", place, "--key-to", new, "--passphrase-file")
    assert "is not the one that sealed" in run("restore", backup.path, *options, wrong).output
    done = run("restore", backup.path, *options, words)
    assert done.exit_code == 0, done.output
    assert "5 people" in done.output
    assert new.read_text().strip() == key_file.read_text().strip()

    monkeypatch.setenv("DUET_DATA_DIR", str(place))
    monkeypatch.setenv("DUET_ENCRYPTION_KEY_FILE", str(new))
    checked = run("check", "--json")
    found = {one["code"]: one["problems"] for one in json.loads(checked.stdout)}
    # Templates of test encoders are not those of the models that are installed
    assert checked.exit_code == 1
    assert found.pop("models")
    assert not any(found.values()), found


def test_check_finds_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path))
    store = open_at(tmp_path / "duet.db")
    fill(store)
    with store.database.write() as connection:
        connection.execute(text("UPDATE templates SET sealed_by = 'other' WHERE key = 1"))
        connection.execute(text("INSERT INTO meta (name, value) VALUES ('forgetting', '1')"))
        connection.execute(text("DELETE FROM meta WHERE name = 'audit_head'"))
    found = check_gallery(store, tmp_path, BESIDE.encoder_ids)
    bad = {"audit", "values", "vectors", "deletions"}
    assert {one.code for one in found if one.problems} == bad
    store.close()
    shown = run("check")
    assert shown.exit_code == 1
    assert "BAD values: stored in the clear" in shown.output
    assert "1 values of templates do not open." in shown.output
