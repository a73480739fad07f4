"""Visits: kept for a term, corrected, exported, and gone with their person."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from gallery.backup.folder import open_backup
from gallery.backup.making import Beside, make_backup
from gallery.backup.restoring import restore
from gallery.database.open import open_database
from gallery.encryption import rotation
from gallery.encryption.sealing import PlainText, Sealer
from gallery.ledger import Ledger
from gallery.records.visits import NewVisit
from gallery.store import Store
from gallery.tables import visits
from gallery.transactions.base import Terms
from tests.support.remains import present_in
from utils.config import Settings
from utils.errors import InvalidRequestError, PersonNotFoundError, VisitNotFoundError

TERMS = Terms(visit_days=30)
ANNA = NewVisit(
    source="identify",
    outcome="accepted",
    person_id="anna",
    by="fused",
    probability=0.997,
    face="accepted",
    voice="accepted",
    request_id="request-of-anna",
)
STRANGER = NewVisit("job", "unknown", face="unknown", voice="no_probe")


@pytest.fixture
def kept(store_url: str) -> Iterator[Store]:
    """A store with Anna, who came by, Ben, and somebody unknown."""
    store = Store(open_database(store_url), terms=TERMS)
    store.create_person("anna", "Anna")
    store.create_person("ben", "Ben")
    store.keep_visit(ANNA)
    store.keep_visit(STRANGER)
    yield store
    store.close()


def test_they_are_listed_by_person_day_and_outcome(kept: Store) -> None:
    kept.update_person("anna", name="Anna Lee")
    stranger, anna = kept.list_visits()
    assert (anna.asked, anna.name, anna.actor) == (ANNA, "Anna Lee", "local")
    assert (stranger.asked, stranger.name) == (STRANGER, None)
    assert kept.list_visits(person_id="anna") == (anna,)
    assert kept.list_visits(person_id="ben") == ()
    assert kept.list_visits(outcome="unknown") == (stranger,)
    assert kept.list_visits(outcome="wrong") == ()
    assert kept.list_visits(1) == (stranger,)
    assert kept.list_visits(before=stranger.number) == (anna,)
    assert kept.list_visits(before=10**15) == (stranger, anna)
    assert kept.list_visits(before=-(10**20)) == ()
    assert kept.list_visits(since=anna.at, until=stranger.at + timedelta(seconds=1))
    assert kept.list_visits(until=anna.at) == ()
    for wanted in ({"outcome": "odd"}, {"limit": 0}):
        with pytest.raises(InvalidRequestError, match="Received"):
            kept.list_visits(**wanted)


def test_a_correction_is_in_the_audit_and_in_both_histories(kept: Store) -> None:
    before = kept.list_templates("anna"), kept.list_templates("ben")
    stranger, anna = kept.list_visits()
    wrong = kept.correct_visit(anna.visit_id, "ben")
    assert (wrong.actual_id, wrong.actual_name) == ("ben", "Ben")
    assert wrong.corrected_at is not None
    assert kept.list_visits(outcome="wrong") == (wrong,)
    assert kept.list_visits(person_id="anna") == kept.list_visits(person_id="ben") == (wrong,)
    missed = kept.correct_visit(stranger.visit_id, "anna")
    assert missed.actual_id == "anna"
    assert kept.count_visits() == {"nothing": 0, "wrong": 2}
    assert (kept.list_templates("anna"), kept.list_templates("ben")) == before
    outcomes = [event.outcome for event in kept.events(action="correct_visit")]
    assert outcomes == ["wrong"] * 3, "a row for each person that a correction is about"
    assert len(kept.export_person("ben")["visits"]) == 1
    again = kept.take_back_correction(anna.visit_id)
    assert (again, kept.list_visits(person_id="ben")) == (anna, ())
    assert kept.count_visits() == {"nothing": 1, "wrong": 1}


def test_a_correction_differs_from_the_answer(kept: Store) -> None:
    stranger, anna = kept.list_visits()
    for visit, person_id in ((anna, "anna"), (stranger, None)):
        with pytest.raises(InvalidRequestError, match="must differ"):
            kept.correct_visit(visit.visit_id, person_id)
    assert kept.correct_visit(anna.visit_id, None).actual_id is None
    with pytest.raises(PersonNotFoundError):
        kept.correct_visit(anna.visit_id, "zoe")
    with pytest.raises(VisitNotFoundError):
        kept.correct_visit("0" * 32, None)


def test_a_merge_moves_them_and_ends_a_correction_between_the_two(kept: Store) -> None:
    anna = kept.list_visits(person_id="anna")[0]
    kept.correct_visit(anna.visit_id, "ben")
    kept.merge_people("ben", "anna")
    (visit,) = kept.list_visits(person_id="ben")
    assert (visit.asked.person_id, visit.corrected_at) == ("ben", None)


def test_their_term_ends_them(kept: Store) -> None:
    old, _ = kept.list_visits()
    set_time(kept, old.visit_id, datetime.now(UTC) - timedelta(days=30, hours=1))
    kept.forget_expired_when_due()
    assert [visit.asked.outcome for visit in kept.list_visits()] == ["accepted"]
    set_time(kept, kept.list_visits()[0].visit_id, datetime.now(UTC) - timedelta(days=29.999))
    kept.forget_expired()
    assert 3500 < kept._look_at - time.time() < 3700, "those of an hour are deleted together"
    without = Store(kept.database)
    without.keep_visit(ANNA)
    without.forget_expired()
    assert without.list_visits() == (), "without the setting none is kept, and none is left"


def set_time(store: Store, visit_id: str, at: datetime) -> None:
    with store.database.write() as connection:
        mine = visits.c.visit_id == visit_id
        connection.execute(update(visits).where(mine).values(at=at))


def open_file(path: Path, key: int = 0, ledger: Ledger | None = None) -> Store:
    codec = Sealer(bytes([key]) * 32) if key else PlainText()
    return Store(open_database(f"sqlite:///{path}"), codec, terms=TERMS, ledger=ledger)


def test_nothing_of_a_deleted_person_is_left(tmp_path: Path) -> None:
    store = open_file(tmp_path / "duet.db")
    for name in ("anna", "ben"):
        store.create_person(name)
    for _ in range(60):
        store.keep_visit(ANNA)
    traces = [visit.visit_id.encode() for visit in store.list_visits()]
    store.correct_visit(traces[0].decode(), "ben")
    assert set(present_in(tmp_path, *traces)) == set(traces)
    store.delete_person("anna")
    assert store.list_visits() == ()
    assert present_in(tmp_path, *traces, b"request-of-anna") == []
    store.keep_visit(STRANGER)
    store.correct_visit(store.list_visits()[0].visit_id, "ben")
    store.delete_person("ben")
    (left,) = store.list_visits()
    assert (left.actual_id, left.corrected_at is None) == (None, False)
    store.close()


def test_they_are_sealed_rotated_and_restored_without_the_deleted(tmp_path: Path) -> None:
    safe = tmp_path / "safe"
    store = open_file(tmp_path / "duet.db", key=1, ledger=Ledger(safe))
    for name in ("anna", "ben"):
        store.create_person(name)
    store.keep_visit(ANNA)
    store.keep_visit(STRANGER)
    store.correct_visit(store.list_visits()[0].visit_id, "ben")
    assert present_in(tmp_path, b"request-of-anna", b"identify") == []
    made = make_backup(store, safe, Beside(Settings(), {}))
    store.delete_person("anna")
    rotation.rotate(store.database, Sealer(bytes([2]) * 32), [store.codec])
    store.close()
    store = open_file(tmp_path / "duet.db", key=2)
    assert [visit.actual_id for visit in store.list_visits()] == ["ben"]
    assert not any(rotation_problems(store).values())
    store.close()
    restored = open_file(tmp_path / "restored.db", key=1)
    restore(open_backup(made.path), restored, tmp_path)
    assert [visit.actual_id for visit in restored.list_visits()] == ["ben"]
    restored.close()


def rotation_problems(store: Store) -> dict[str, int]:
    with store.database.read() as connection:
        return rotation.count_unreadable(connection, store.codec)
