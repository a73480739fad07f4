"""A damaged row: the others are listed, terms are kept, and what is damaged is named."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gallery.backup.making import Beside, make_backup
from gallery.backup.restoring import restore
from gallery.records.groups import NewGroup
from gallery.records.jobs import Jobs, NewItem, NewJob
from gallery.records.keys import Keys
from gallery.records.sightings import Rules
from gallery.results import NewTranscript, Role
from gallery.store import Store
from gallery.transactions.base import Terms
from tests.support.filled_gallery import fill
from tests.support.gallery_parts import open_gallery
from utils.config import Settings
from utils.errors import BackupUnusableError

LISTS: dict[str, Callable[[Store], Any]] = {
    "jobs": lambda store: Jobs(store.database, store.codec).latest(),
    "job_items": lambda store: _list_items(Jobs(store.database, store.codec)),
    "deliveries": lambda store: store.list_deliveries(),
    "sightings": lambda store: store.list_sightings(),
    "events": lambda store: store.events(1000),
    "transcripts": lambda store: store.list_transcripts().transcripts,
    "visits": lambda store: store.list_visits(),
    "people_groups": lambda store: store.list_groups(),
    "api_keys": lambda store: Keys(store.database).list(),
    "people": lambda store: store.list_people().people,
}
DAMAGES = {
    "jobs": "created_at = 'none'",
    "job_items": "name = CAST(x'ff' AS TEXT)",
    "deliveries": "attempts = 'many'",
    "sightings": "source = x'ff'",
    "events": "detail = '{'",
    "transcripts": "title = '{\"id\"'",
    "visits": "data = x'00'",
    "people_groups": "created_at = 5",
    "api_keys": "key_id = x'ff41'",
    "people": "created_at = 'none'",
}
"""What becomes of the second row of each table."""


def _list_items(jobs: Jobs) -> list[Any]:
    (*_, first) = jobs.latest()
    listed = list(jobs.items(first.job_id))
    assert listed == list(jobs.every_item(first.job_id))
    return listed


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(open_gallery(tmp_path)) as store:
        store.rules = Rules(unknown=True, receivers=("a", "b"))
        fill(store)
        store.keep_transcript(NewTranscript("b.wav", "en", 2.0, ()))
        store.keep_transcript(NewTranscript("c.wav", "en", 2.0, ()))
        store.note_sighting("identify", None)
        store.note_sighting("identify", "p1")
        store.create_group(NewGroup("guests", "Guests"))
        Keys(store.database).create(Role.ADMIN, "desk")
        jobs = Jobs(store.database, store.codec)
        jobs.create(NewJob("identify", [NewItem(name, name) for name in "abc"]))
        jobs.create(NewJob("identify", [NewItem("d", "d")]))
        yield store


def write(store: Store, *statements: str) -> None:
    """Change rows as a fault of the disk does."""
    path = store.database._path  # type: ignore[attr-defined]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER IF EXISTS events_no_update")
        for statement in statements:
            connection.execute(statement)


def damage(store: Store, table: str, values: str) -> None:
    second = f"SELECT rowid FROM {table} ORDER BY rowid LIMIT 1 OFFSET 1"
    write(store, f"UPDATE {table} SET {values} WHERE rowid = ({second})")


@pytest.mark.parametrize("table", LISTS)
def test_the_others_are_listed(store: Store, caplog: pytest.LogCaptureFixture, table: str) -> None:
    before = LISTS[table](store)
    damage(store, table, DAMAGES[table])
    after = LISTS[table](store)
    assert len(after) == len(before) - 1
    assert [one for one in before if one in after] == list(after), "in their order"
    assert f"a row of {table} is damaged and passed over: row 2 " in caplog.text


def test_a_damaged_row_of_the_audit_is_named_and_the_others_are_followed(store: Store) -> None:
    damage(store, "events", DAMAGES["events"])
    write(store, "UPDATE events SET outcome = 'other' WHERE event_id = 5")
    problems = [problem.text for problem in store.verify_audit().problems]
    assert problems[0] == "row 2 is damaged: it cannot be read"
    assert [problem.split()[1] for problem in problems] == ["2", "5"]
    write(store, "UPDATE events SET hash = '' WHERE event_id = 3")
    problems = [problem.text for problem in store.verify_audit().problems]
    assert problems[1].startswith("row 3 has no hash"), "which was not written by the service"


@pytest.mark.parametrize(
    "broken",
    [
        "UPDATE templates SET vector = 'text' WHERE person_key = 2",
        "UPDATE templates SET source_sha256 = x'ff' WHERE key = 3",
        "UPDATE transcript_turns SET data = 'text'",
        "UPDATE transcripts SET created_at = 'none' WHERE key = 2",
        "UPDATE transcripts SET created_at = 5 WHERE key = 2",
        "UPDATE visits SET at = 'none'",
        "UPDATE visits SET data = 5",
        "UPDATE stranger_values SET at = x'ff'",
        "UPDATE events SET at = x'ff'",
    ],
)
def test_terms_are_kept_beside_a_damaged_row(store: Store, broken: str) -> None:
    """Of the person whose data it is, too."""
    long_ago = "= '2020-01-01 00:00:00.000000'"
    write(
        store,
        f"UPDATE people SET enrolled_at {long_ago} WHERE key IN (2, 4)",
        f"UPDATE transcripts SET created_at {long_ago}",
        broken,
    )
    terms = Terms(visit_days=1, stranger_days=1, transcript_days=1)
    with closing(Store(store.database, terms=terms)) as upkeep:
        assert upkeep.forget_expired() == 2
        assert [person.person_id for person in upkeep.list_people().people] == ["p0", "p2", "p4"]
        kept = upkeep.list_transcripts().total
    assert kept == int("created_at = " in broken), "a transcript of an unknown age"


@pytest.mark.parametrize(
    "rest", ["", "|boot|1e30", "|boot|nan", "|boot|0||other:1e30", "|boot|0||other:nan:1"]
)
def test_a_damaged_note_of_the_clock_is_none(store: Store, rest: str) -> None:
    assert store.look_at_clock() is None
    at = datetime.now(UTC).isoformat()
    write(store, f"UPDATE meta SET value = '{at}{rest}' WHERE name = 'clock'")
    assert store.find_clock_jump() is None
    assert store.look_at_clock() is None
    at = (datetime.now(UTC) - timedelta(days=9)).isoformat()
    write(store, f"UPDATE meta SET value = '{at}||0' WHERE name = 'clock'")
    assert store.find_clock_jump() is not None


@pytest.mark.parametrize("damage", ["UPDATE people SET created_at = 'none'", None])
def test_damage_within_a_backup_is_that_of_the_backup(
    store: Store, tmp_path: Path, damage: str | None
) -> None:
    """The bytes are those that the manifest states, and the values were damaged before."""
    backup = make_backup(store, tmp_path / "backups", Beside(Settings(), {}))
    if damage is None:
        backup.gallery.write_bytes(backup.gallery.read_bytes()[:5000] + b"x" * 50_000)
    else:
        with closing(sqlite3.connect(backup.gallery, isolation_level=None)) as connection:
            connection.execute(damage)
    with pytest.raises(BackupUnusableError, match="The backup is damaged") as caught:
        restore(backup, open_gallery(tmp_path / "again"), tmp_path)
    assert "earlier backup" in caught.value.hint
