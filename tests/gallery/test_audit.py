"""Chain of the audit: what is changed, missing, inserted or moved is reported."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy.exc import IntegrityError

import cli
from gallery import audit
from gallery.audit import Head
from gallery.database.open import open_database
from gallery.store import Store
from utils.errors import InvalidRequestError, StoreUnavailableError

pytestmark = pytest.mark.slow

ROWS = 10


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = Store(open_database(store_url))
    opened.create_person("ann", "Ann")
    for number in range(1, ROWS):
        opened.record("identify", "accepted", "ann", {"people": number})
    yield opened
    opened.close()


def tamper(store: Store, *statements: str) -> None:
    """Write to the database as somebody would who owns it and goes round the service."""
    with store.database.write() as connection:
        if connection.dialect.name == "sqlite":
            unlock = [f"DROP TRIGGER IF EXISTS events_no_{verb}" for verb in ("update", "delete")]
        else:
            unlock = ["ALTER TABLE events DISABLE TRIGGER USER"]
        for statement in (*unlock, *statements):
            connection.exec_driver_sql(statement)


def texts(store: Store) -> list[str]:
    return [problem.text for problem in store.verify_audit().problems]


def test_a_chain_that_nobody_touched(store: Store) -> None:
    report = store.verify_audit()
    assert report.problems == ()
    assert report.events == report.head.event_id == ROWS
    assert report.head.hash == store.events(1)[0].hash


def test_an_empty_chain(store_url: str) -> None:
    empty = Store(open_database(store_url))
    assert empty.verify_audit() == audit.AuditReport(0, Head(0, ""), ())
    empty.close()


def test_the_hash_can_be_computed_from_its_description(store: Store) -> None:
    """Follow the docstring of `row_hash` with json and hashlib alone."""
    second, first = store.events(2, before=3)
    body = [
        first.hash,
        2,
        second.at.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00"),
        "local",
        "identify",
        1,
        "accepted",
        {"people": 1},
    ]
    assert (
        second.hash
        == hashlib.sha256(
            json.dumps(body, separators=(",", ":"), sort_keys=True).encode()
        ).hexdigest()
    )


@pytest.mark.parametrize(
    "column",
    [
        "at = '2020-01-01 00:00:00.000000'",
        "actor = 'eve'",
        "action = 'verify'",
        "person_key = 7",
        "outcome = 'unknown'",
        "detail = '{\"people\": 99}'",
        "hash = '" + "0" * 64 + "'",
    ],
)
def test_a_changed_row(store: Store, column: str) -> None:
    tamper(store, f"UPDATE events SET {column} WHERE event_id = 5")
    problems = store.verify_audit().problems
    assert problems[0].event_id == 5
    assert "row 5 was changed" in problems[0].text


def test_a_changed_row_with_a_hash_that_fits_it(store: Store) -> None:
    fourth = store.events(1, before=5)[0]
    tamper(store, "UPDATE events SET outcome = 'unknown' WHERE event_id = 5")
    fifth = store.events(1, before=6)[0]
    tamper(
        store, f"UPDATE events SET hash = '{audit.row_hash(fourth.hash, fifth)}' WHERE event_id = 5"
    )
    assert texts(store) == ["row 6 was changed, or it was not written after the row before it"]


def test_missing_rows(store: Store) -> None:
    tamper(store, "DELETE FROM events WHERE event_id IN (1, 5, 6)")
    assert texts(store) == ["row 1 is missing", "rows 5 to 6 are missing"]


def test_a_missing_row_with_the_numbers_closed_up(store: Store) -> None:
    tamper(
        store,
        "DELETE FROM events WHERE event_id = 5",
        *(f"UPDATE events SET event_id = {n - 1} WHERE event_id = {n}" for n in range(6, ROWS + 1)),
    )
    assert texts(store)[0].startswith("row 5 was changed")
    assert texts(store)[-1] == f"rows {ROWS} to {ROWS} are missing at the end"


def test_an_inserted_row(store: Store) -> None:
    copied = "at, actor, action, person_key, outcome, detail, hash"
    tamper(
        store,
        f"INSERT INTO events (event_id, {copied}) SELECT {ROWS + 1}, {copied} FROM events WHERE"
        " event_id = 3",
    )
    assert texts(store)[0].startswith(f"row {ROWS + 1} was changed")
    assert "rows were added" in texts(store)[-1]


def test_rows_that_changed_places(store: Store) -> None:
    tamper(
        store,
        "UPDATE events SET event_id = 99 WHERE event_id = 4",
        "UPDATE events SET event_id = 4 WHERE event_id = 5",
        "UPDATE events SET event_id = 5 WHERE event_id = 99",
    )
    assert [problem.event_id for problem in store.verify_audit().problems] == [4, 5, 6]


def test_rows_cut_off_at_the_end(store: Store) -> None:
    tamper(store, f"DELETE FROM events WHERE event_id > {ROWS - 2}")
    assert texts(store) == [f"rows {ROWS - 1} to {ROWS} are missing at the end"]
    store.record("verify", "same")
    assert texts(store) == [f"rows {ROWS - 1} to {ROWS} are missing"], (
        "what is written later does not hide it"
    )


def test_a_chain_written_anew_is_shown_by_a_head_noted_elsewhere(store: Store) -> None:
    noted = store.verify_audit().head
    tamper(
        store,
        "UPDATE events SET outcome = 'unknown' WHERE event_id = 5",
        "UPDATE events SET hash = '' WHERE event_id >= 5",
        "DELETE FROM meta WHERE name = 'audit_head'",
    )
    store.record("verify", "same")
    assert store.verify_audit().problems == ()
    assert "was rewritten" in store.verify_audit(noted).problems[0].text
    assert "missing at the end" in store.verify_audit(Head(500, noted.hash)).problems[0].text


def test_rows_from_before_the_chain_get_their_hashes_once(store: Store) -> None:
    tamper(store, "UPDATE events SET hash = ''", "DELETE FROM meta WHERE name = 'audit_head'")
    with store.database.write() as connection:
        head = audit.start_chain(connection)
    assert store.verify_audit() == audit.AuditReport(ROWS, head, ())
    with store.database.write() as connection:
        assert audit.start_chain(connection) == head


def test_the_audit_takes_no_change_and_no_deletion(store: Store) -> None:
    before = store.events()
    for statement in ("UPDATE events SET actor = 'eve'", "DELETE FROM events"):
        with (
            pytest.raises((IntegrityError, StoreUnavailableError)),
            store.database.write() as connection,
        ):
            connection.exec_driver_sql(statement)
    assert store.events() == before


def test_writers_at_once_make_one_chain(store: Store, store_url: str) -> None:
    other = Store(open_database(store_url))  # another process's view of the database

    def write(into: Store) -> None:
        for _ in range(10):
            into.record("identify", "unknown")

    threads = [
        threading.Thread(target=write, args=(into,)) for into in (store, other, store, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert store.verify_audit().events == ROWS + 40
    assert texts(store) == []


def test_a_refused_transaction_leaves_no_row_and_no_gap(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.database.write() as connection:
        audit.append(connection, "identify", "unknown")
        raise ZeroDivisionError
    store.record("verify", "same")
    assert store.verify_audit().events == ROWS + 1
    assert texts(store) == []


def test_pages_of_the_audit(store: Store) -> None:
    assert [e.event_id for e in store.events(3)] == [10, 9, 8]
    assert [e.event_id for e in store.events(3, before=8)] == [7, 6, 5]
    assert [e.event_id for e in store.events(1, before=10**15)] == [10]
    assert [e.event_id for e in store.events(100, action="create_person")] == [1]
    for limit in (0, 1001):
        with pytest.raises(InvalidRequestError):
            store.events(limit)


@pytest.mark.parametrize(
    "noted", ["", "x", "5", "5:abc", ":" + "0" * 64, "-1:" + "0" * 64, "٥:" + "0" * 64]
)
def test_what_is_no_head(noted: str) -> None:
    with pytest.raises(InvalidRequestError, match="head of the audit"):
        Head.parse(noted)


def test_the_command_line(
    store: Store, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DUET_DATABASE_URL", store_url)
    head = str(store.verify_audit().head)
    shown = CliRunner().invoke(cli.cli, ["audit", "show", "--limit", "2", "--action", "identify"])
    assert [line.split("\t")[0] for line in shown.output.splitlines()] == ["10", "9"]
    assert "person 1" in shown.output
    whole = CliRunner().invoke(cli.cli, ["audit", "verify", "--noted", head])
    assert (whole.exit_code, whole.output) == (0, f"10 rows, whole. Head: {head}\n")
    tamper(store, "DELETE FROM events WHERE event_id = 5")
    broken = CliRunner().invoke(cli.cli, ["audit", "verify"])
    assert broken.exit_code == 1
    assert "row 5 is missing" in broken.output
