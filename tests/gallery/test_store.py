"""What every store does, on a real SQLite file and on a real PostgreSQL."""

from __future__ import annotations

import threading
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from gallery.audit import ACTOR
from gallery.database.open import open_database
from gallery.records.templates import stale
from gallery.results import StaleTemplates
from gallery.store import NewPerson, NewTemplate, Store, Stored
from gallery.vectors import from_bytes, to_bytes
from tests.support.gallery_parts import direction, embedding
from tests.support.templates import CURRENT, face, voice
from tests.support.waiting import LIMIT_S, until
from utils.arrays import Float32Array
from utils.errors import (
    EncoderMismatchError,
    InvalidNameError,
    InvalidRequestError,
    PersonExistsError,
    PersonNotFoundError,
    TemplateNotFoundError,
)
from utils.modality import Embedding, Modality
from web.wire.hints import HINTS as WEB_HINTS

# ---- people


def test_create_and_get(store: Store) -> None:
    person = store.create_person("ann@example.com", "Ann", "front desk")
    assert store.get_person("ann@example.com") == person
    assert (person.name, person.note, person.templates) == (
        "Ann",
        "front desk",
        {"face": 0, "voice": 0},
    )
    assert person.created_at.tzinfo is not None
    assert datetime.now(UTC) - person.created_at < timedelta(minutes=5)


def test_id_is_made_and_name_defaults_to_it(store: Store) -> None:
    person = store.create_person()
    assert person.name == person.person_id


def test_id_is_unique(store: Store) -> None:
    store.create_person("ann")
    with pytest.raises(PersonExistsError):
        store.create_person("ann", "Another")
    assert store.count() == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"person_id": "../x"},
        {"person_id": "a", "name": "x\0"},
        {"person_id": "a", "note": "\u202e"},
    ],
)
def test_bad_names_leave_nothing(store: Store, bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidNameError):
        store.create_person(**bad)
    assert store.count() == 0
    assert store.events() == ()


def test_unknown_person(store: Store) -> None:
    for call in (
        store.get_person,
        store.delete_person,
        store.list_templates,
        lambda i: store.update_person(i, name="x"),
        lambda i: store.enroll(i, [face()]),
        lambda i: store.delete_template(i, "0"),
        lambda i: store.vectors_of(i, CURRENT),
    ):
        with pytest.raises(PersonNotFoundError):
            call("nobody")


def test_list_is_paged_and_searched(store: Store) -> None:
    for person_id, name in (("b", "Bärbel MÜLLER"), ("a", "50% off_"), ("c", "王小明")):
        store.create_person(person_id, name)
    page = store.list_people()
    assert [p.person_id for p in page.people] == ["a", "b", "c"]
    assert page.total == 3
    page = store.list_people(offset=1, limit=1)
    assert ([p.person_id for p in page.people], page.total) == (["b"], 3)
    for search, ids in (
        ("müller", "b"),
        (unicodedata.normalize("NFD", "bär"), "b"),
        ("小明", "c"),
        ("50%", "a"),
        ("f_", "a"),
        ("%%", ""),
        ("'", ""),
    ):
        assert "".join(p.person_id for p in store.list_people(search=search).people) == ids


@pytest.mark.parametrize("page", [{"offset": -1}, {"limit": 0}, {"limit": 1001}])
def test_list_refuses_odd_pages(store: Store, page: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError):
        store.list_people(**page)


def test_update(store: Store) -> None:
    store.create_person("ann", "Ann", "old")
    assert store.update_person("ann", name="Anne").note == "old"
    assert store.update_person("ann", note="new").name == "Anne"
    assert [p.person_id for p in store.list_people(search="anne").people] == ["ann"]


# ---- templates


def test_enroll_and_read_back(store: Store) -> None:
    store.create_person("ann")
    stored = store.enroll("ann", [face(), voice()])
    assert [t.modality for t in stored.templates] == [Modality.FACE, Modality.VOICE]
    assert stored.person.templates == {"face": 1, "voice": 1}
    assert store.list_templates("ann") == stored.templates
    vectors = store.vectors_of("ann", CURRENT)
    np.testing.assert_array_equal(
        vectors[Modality.FACE].vectors, direction("face", 1, 0, 0.5)[None]
    )
    assert vectors[Modality.FACE].vectors.dtype == np.float32


def test_stored_form_is_little_endian_float32() -> None:
    vector = direction("face", 3)
    assert to_bytes(Embedding(vector, Modality.FACE, "x")) == b"".join(
        np.float32(v).astype("<f4").tobytes() for v in vector
    )
    assert from_bytes([]).shape == (0, 512)


@pytest.mark.parametrize(
    "vector", [np.zeros(512), np.ones(512), np.full(512, np.nan), direction("face", 1)[:256]]
)
def test_only_unit_vectors_are_stored(store: Store, vector: Float32Array) -> None:
    store.create_person("ann")
    with pytest.raises(ValueError, match="unit length"):
        store.enroll(
            "ann",
            [
                voice(),
                NewTemplate(
                    Embedding(vector.astype(np.float32), Modality.FACE, "face-1"), 0.5, "0"
                ),
            ],
        )
    assert store.list_templates("ann") == ()


def test_fused_vectors_are_not_stored(store: Store) -> None:
    store.create_person("ann")
    with pytest.raises(ValueError, match="fused"):
        store.enroll("ann", [NewTemplate(embedding(Modality.FUSED, 1), 0.5, "0")])


def test_person_and_templates_come_together_or_not_at_all(store: Store) -> None:
    stored = store.enroll(NewPerson("ann", "Ann"), [face(), voice()])
    assert stored.person.name == "Ann"
    bad = NewTemplate(Embedding(np.zeros(512, np.float32), Modality.VOICE, "voice-1"), 0.5, "0")
    with pytest.raises(ValueError, match="unit"):
        store.enroll(NewPerson("bob"), [face(2), bad])
    assert store.count() == 1
    assert len(store.list_templates("ann")) == 2


def test_templates_of_a_new_person_who_is_there_are_added(store: Store) -> None:
    store.enroll(NewPerson("ann", "Ann"), [face(), voice()])
    stored = store.enroll(NewPerson("ann", "Somebody"), [face(2)])
    assert (stored.person.name, stored.stored_before) == ("Ann", 0)
    assert len(store.list_templates("ann")) == 3
    assert [e.action for e in store.events(3)] == ["enroll", "enroll", "create_person"]


def test_replace_concerns_a_person_who_is_there(store: Store) -> None:
    store.enroll(NewPerson("ann"), [face()], replace=True)
    store.enroll(NewPerson("ann"), [face(2)], replace=True)
    assert store.get_person("ann").templates == {"face": 1, "voice": 0}
    assert [e.outcome for e in store.events(3)] == ["replaced", "stored", "created"]


def test_the_same_file_is_stored_once(store: Store) -> None:
    first = store.enroll(NewPerson("ann"), [face(), voice()])
    again = store.enroll("ann", [face(), voice()])
    assert again.templates == first.templates
    twice = store.enroll(NewPerson("zoe"), [face(), face()])
    assert (first.stored_before, again.stored_before, twice.stored_before) == (0, 2, 1)


def test_replace_leaves_nothing_of_earlier_clips(store: Store) -> None:
    store.enroll(NewPerson("ann"), [face(), voice()])
    store.enroll("ann", [face(1, 1)])
    stored = store.enroll("ann", [face(1, 2)], replace=True)
    assert store.list_templates("ann") == stored.templates


def test_failed_replace_keeps_the_old(store: Store) -> None:
    before = store.enroll(NewPerson("ann"), [face()]).templates
    bad = NewTemplate(Embedding(np.zeros(512, np.float32), Modality.FACE, "face-1"), 0.5, "0")
    with pytest.raises(ValueError, match="unit"):
        store.enroll("ann", [bad], replace=True)
    assert store.list_templates("ann") == before


def test_guard_stops_the_enrolment(store: Store) -> None:
    def refuse() -> None:
        raise PersonExistsError("no")

    with pytest.raises(PersonExistsError):
        store.enroll(NewPerson("ann"), [face()], guard=refuse)
    assert store.count() == 0


def test_delete_template(store: Store) -> None:
    stored = store.enroll(NewPerson("ann"), [face(), voice()])
    store.create_person("bob")
    with pytest.raises(TemplateNotFoundError):
        store.delete_template("bob", stored.templates[0].template_id)
    store.delete_template("ann", stored.templates[0].template_id)
    assert store.list_templates("ann") == stored.templates[1:]
    with pytest.raises(TemplateNotFoundError):
        store.delete_template("ann", stored.templates[0].template_id)


# ---- encoders


def test_another_encoder_is_refused_and_counted(store: Store) -> None:
    store.enroll(NewPerson("ann"), [face(1, 0), face(1, 1)][:1])
    store.enroll("ann", [face(1, 1)])
    store.enroll(NewPerson("bob"), [face(2), voice(2)])
    with pytest.raises(EncoderMismatchError) as caught:
        store.enroll(NewPerson("cleo"), [face(3, encoder_id="face-2"), voice(3)])
    assert "3 face templates of 2 people" in caught.value.message
    assert "replace=true" in caught.value.to_dict(WEB_HINTS)["hint"]
    assert caught.value.details["stale"] == [{"modality": "face", "templates": 3, "people": 2}]
    assert store.count() == 2


def test_replace_moves_a_person_to_the_new_encoder(store: Store) -> None:
    store.enroll(NewPerson("ann"), [face(1)])
    store.enroll(NewPerson("bob"), [face(2)])
    new = {Modality.FACE: "face-2", Modality.VOICE: "voice-1"}
    store.enroll("ann", [face(1, encoder_id="face-2")], replace=True)
    with store.database.read() as connection:
        assert stale(connection, new) == (StaleTemplates(Modality.FACE, templates=1, people=1),)
    assert store.vectors_of("bob", new) == {}
    assert store.vectors_of("ann", new)[Modality.FACE].vectors.shape == (1, 512)
    store.delete_person("bob")
    with store.database.read() as connection:
        assert stale(connection, new) == ()
    store.enroll(NewPerson("cleo"), [face(3, encoder_id="face-2")])


# ---- audit


def test_audit_tells_who_did_what_without_ids_and_names(store: Store) -> None:
    token = ACTOR.set("key:kiosk")
    try:
        store.enroll(NewPerson("ann@example.com", "Ann Secret"), [face()])
    finally:
        ACTOR.reset(token)
    store.record("identify", "accepted", "ann@example.com", {"face": "accepted", "people": 1})
    newest, enrolled, created = store.events()
    assert (created.action, created.outcome, created.actor) == (
        "create_person",
        "created",
        "key:kiosk",
    )
    assert (enrolled.action, enrolled.outcome, enrolled.detail) == (
        "enroll",
        "stored",
        {"templates": 1, "known": 0},
    )
    assert newest.person_key == enrolled.person_key == created.person_key
    assert newest.detail == {"face": "accepted", "people": 1}
    assert "ann" not in repr(store.events()).lower()


def test_audit_is_append_only(store: Store) -> None:
    store.create_person("ann")
    for statement in ("DELETE FROM events", "UPDATE events SET actor = 'x'"):
        with (
            pytest.raises(DatabaseError, match="append-only"),
            store.database.write() as connection,
        ):
            connection.execute(text(statement))
    assert len(store.events()) == 1


def test_what_is_there_survives_reopening(store_url: str) -> None:
    first = Store(open_database(store_url))
    first.enroll(NewPerson("ann"), [face()])
    first.close()
    second = Store(open_database(store_url))
    assert len(second.list_templates("ann")) == 1
    second.close()


def test_another_store_on_the_same_database_sees_every_change_at_once(
    store: Store, store_url: str
) -> None:
    other = Store(open_database(store_url))
    other.enroll(NewPerson("ann"), [face()])
    assert store.get_person("ann").templates == {"face": 1, "voice": 0}
    store.delete_person("ann")
    assert other.count() == 0
    assert [e.action for e in other.events()] == ["delete_person", "enroll", "create_person"]
    assert not store.verify_audit().problems
    other.close()


def test_a_reader_sees_one_state(store: Store, store_url: str) -> None:
    other = Store(open_database(store_url))
    with store.database.read() as connection:
        count = text("SELECT count(*) FROM people")
        before = connection.execute(count).scalar()
        other.create_person("ann")
        assert connection.execute(count).scalar() == before == 0
    assert store.count() == 1
    other.close()


def test_writers_take_turns(store: Store, store_url: str) -> None:
    """What a guard saw cannot change before its enrolment is committed."""
    other = Store(open_database(store_url, busy_timeout_s=LIMIT_S))
    order = []

    def guard() -> None:
        thread.start()
        until(other.database._turn.locked)  # the second waits for the database
        order.append("guarded")

    def create_second() -> None:
        other.create_person("second")
        order.append("second")

    thread = threading.Thread(target=create_second)
    store.enroll(NewPerson("first"), [face()], guard=guard)
    thread.join()
    assert order == ["guarded", "second"]
    assert [e.event_id for e in store.events()] == [3, 2, 1]
    assert not store.verify_audit().problems
    other.close()


def test_parallel_enrolments_are_all_there(store: Store, store_url: str) -> None:
    stores = [store, Store(open_database(store_url))]

    def enroll(number: int) -> None:
        for i in range(5):
            stores[number % 2].enroll(
                NewPerson(f"p{number}-{i}"), [face(number * 5 + i), voice(number * 5 + i)]
            )

    threads = [threading.Thread(target=enroll, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.count() == 30
    assert all(p.templates == {"face": 1, "voice": 1} for p in store.list_people(limit=50).people)
    assert store.verify_audit().events == 60
    assert not store.verify_audit().problems
    stores[1].close()


def test_two_at_once_for_one_id_make_one_person(store: Store, store_url: str) -> None:
    stores = [store, Store(open_database(store_url))]
    stored: list[Stored] = []

    def enroll(number: int) -> None:
        stored.append(stores[number].enroll(NewPerson("ann"), [face(number)]))

    threads = [threading.Thread(target=enroll, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [s.person.person_id for s in stored] == ["ann", "ann"]
    assert store.get_person("ann").templates == {"face": 2, "voice": 0}
    assert store.count() == 1
    stores[1].close()
