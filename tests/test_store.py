"""The store on a real SQLite file: people, templates, audit, complete deletion, and what happens when the disk does not play along."""
from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import unicodedata
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from gallery.audit import ACTOR
from gallery.database import Database
from gallery.store import NewPerson, NewTemplate, Store
from gallery.vectors import from_bytes, to_bytes
from tests.gallery_parts import direction, embedding, open_gallery
from utils.errors import (
    ConfigError,
    EncoderMismatchError,
    InvalidNameError,
    InvalidRequestError,
    PersonExistsError,
    PersonNotFoundError,
    StorageFullError,
    StoreUnavailableError,
    TemplateNotFoundError,
)
from utils.types import Embedding, Modality

CURRENT = {Modality.FACE: "face-1", Modality.VOICE: "voice-1"}


@pytest.fixture
def store(tmp_path):
    opened = open_gallery(tmp_path / "data")
    yield opened
    opened.close()


def face(identity=1, sample=0, encoder_id="face-1", sha=None):
    return NewTemplate(embedding(Modality.FACE, identity, sample, 0.5, encoder_id), 0.8, sha or f"{identity:032d}{sample:032d}")


def voice(identity=1, sample=0):
    return NewTemplate(embedding(Modality.VOICE, identity, sample, 0.5), 0.7, f"{identity:032d}{sample:032d}")


# ---- people

def test_create_and_get(store):
    person = store.create_person("ann@example.com", "Ann", "front desk")
    assert store.get_person("ann@example.com") == person
    assert (person.name, person.note, person.templates) == ("Ann", "front desk", {"face": 0, "voice": 0})
    assert person.created_at.tzinfo is not None
    assert datetime.now(UTC) - person.created_at < timedelta(seconds=20)


def test_id_is_made_and_name_defaults_to_it(store):
    person = store.create_person()
    assert person.name == person.person_id


def test_id_is_unique(store):
    store.create_person("ann")
    with pytest.raises(PersonExistsError):
        store.create_person("ann", "Another")
    assert store.count() == 1


@pytest.mark.parametrize("bad", [{"person_id": "../x"}, {"person_id": "a", "name": "x\0"}, {"person_id": "a", "note": "\u202e"}])
def test_bad_names_leave_nothing(store, bad):
    with pytest.raises(InvalidNameError):
        store.create_person(**bad)
    assert store.count() == 0
    assert store.events() == ()


def test_unknown_person(store):
    for call in (store.get_person, store.delete_person, store.list_templates, lambda i: store.update_person(i, name="x"),
                 lambda i: store.enroll(i, [face()]), lambda i: store.delete_template(i, "0"), lambda i: store.vectors_of(i, CURRENT)):
        with pytest.raises(PersonNotFoundError):
            call("nobody")


def test_list_is_paged_and_searched(store):
    for person_id, name in (("b", "Bärbel MÜLLER"), ("a", "50% off_"), ("c", "王小明")):
        store.create_person(person_id, name)
    page = store.list_people()
    assert [p.person_id for p in page.people] == ["a", "b", "c"]
    assert page.total == 3
    page = store.list_people(offset=1, limit=1)
    assert ([p.person_id for p in page.people], page.total) == (["b"], 3)
    for search, found in (("müller", "b"), (unicodedata.normalize("NFD", "bär"), "b"), ("小明", "c"), ("50%", "a"), ("f_", "a"),
                          ("%%", ""), ("'", "")):
        assert "".join(p.person_id for p in store.list_people(search).people) == found


@pytest.mark.parametrize("page", [{"offset": -1}, {"limit": 0}, {"limit": 1001}])
def test_list_refuses_odd_pages(store, page):
    with pytest.raises(InvalidRequestError):
        store.list_people(**page)


def test_update(store):
    store.create_person("ann", "Ann", "old")
    assert store.update_person("ann", name="Anne").note == "old"
    assert store.update_person("ann", note="new").name == "Anne"
    assert [p.person_id for p in store.list_people("anne").people] == ["ann"]


# ---- templates

def test_enroll_and_read_back(store):
    store.create_person("ann")
    stored = store.enroll("ann", [face(), voice()])
    assert [t.modality for t in stored.templates] == [Modality.FACE, Modality.VOICE]
    assert stored.person.templates == {"face": 1, "voice": 1}
    assert store.list_templates("ann") == stored.templates
    vectors = store.vectors_of("ann", CURRENT)
    np.testing.assert_array_equal(vectors[Modality.FACE].vectors, direction("face", 1, 0, 0.5)[None])
    assert vectors[Modality.FACE].vectors.dtype == np.float32


def test_stored_form_is_little_endian_float32():
    vector = direction("face", 3)
    assert to_bytes(Embedding(vector, Modality.FACE, "x")) == b"".join(np.float32(v).astype("<f4").tobytes() for v in vector)
    assert from_bytes([]).shape == (0, 512)


@pytest.mark.parametrize("vector", [np.zeros(512), np.ones(512), np.full(512, np.nan), direction("face", 1)[:256]])
def test_only_unit_vectors_are_stored(store, vector):
    store.create_person("ann")
    with pytest.raises(ValueError, match="unit length"):
        store.enroll("ann", [voice(), NewTemplate(Embedding(vector.astype(np.float32), Modality.FACE, "face-1"), 0.5, "0")])
    assert store.list_templates("ann") == ()


def test_fused_vectors_are_not_stored(store):
    store.create_person("ann")
    with pytest.raises(ValueError, match="fused"):
        store.enroll("ann", [NewTemplate(embedding(Modality.FUSED, 1), 0.5, "0")])


def test_person_and_templates_come_together_or_not_at_all(store):
    stored = store.enroll(NewPerson("ann", "Ann"), [face(), voice()])
    assert stored.person.name == "Ann"
    with pytest.raises(PersonExistsError):
        store.enroll(NewPerson("ann"), [face(2)])
    bad = NewTemplate(Embedding(np.zeros(512, np.float32), Modality.VOICE, "voice-1"), 0.5, "0")
    with pytest.raises(ValueError, match="unit"):
        store.enroll(NewPerson("bob"), [face(2), bad])
    assert store.count() == 1
    assert len(store.list_templates("ann")) == 2


def test_the_same_file_is_stored_once(store):
    first = store.enroll(NewPerson("ann"), [face(), voice()])
    again = store.enroll("ann", [face(), voice()])
    assert again.templates == first.templates
    assert (first.known_before, again.known_before) == (0, 2)


def test_replace_leaves_nothing_of_earlier_clips(store):
    store.enroll(NewPerson("ann"), [face(), voice()])
    store.enroll("ann", [face(1, 1)])
    stored = store.enroll("ann", [face(1, 2)], replace=True)
    assert store.list_templates("ann") == stored.templates


def test_failed_replace_keeps_the_old(store):
    before = store.enroll(NewPerson("ann"), [face()]).templates
    bad = NewTemplate(Embedding(np.zeros(512, np.float32), Modality.FACE, "face-1"), 0.5, "0")
    with pytest.raises(ValueError, match="unit"):
        store.enroll("ann", [bad], replace=True)
    assert store.list_templates("ann") == before


def test_guard_stops_the_enrolment(store):
    def refuse():
        raise PersonExistsError("no")

    with pytest.raises(PersonExistsError):
        store.enroll(NewPerson("ann"), [face()], guard=refuse)
    assert store.count() == 0


def test_delete_template(store):
    stored = store.enroll(NewPerson("ann"), [face(), voice()])
    store.create_person("bob")
    with pytest.raises(TemplateNotFoundError):
        store.delete_template("bob", stored.templates[0].template_id)
    store.delete_template("ann", stored.templates[0].template_id)
    assert store.list_templates("ann") == stored.templates[1:]
    with pytest.raises(TemplateNotFoundError):
        store.delete_template("ann", stored.templates[0].template_id)


# ---- encoders

def test_another_encoder_is_refused_and_counted(store):
    store.enroll(NewPerson("ann"), [face(1, 0), face(1, 1)][:1])
    store.enroll("ann", [face(1, 1)])
    store.enroll(NewPerson("bob"), [face(2), voice(2)])
    with pytest.raises(EncoderMismatchError) as caught:
        store.enroll(NewPerson("cleo"), [face(3, encoder_id="face-2"), voice(3)])
    assert "3 face templates of 2 people" in caught.value.message
    assert "replace=true" in caught.value.hint
    assert caught.value.details["stale"] == [{"modality": "face", "templates": 3, "people": 2}]
    assert store.count() == 2


def test_replace_moves_a_person_to_the_new_encoder(store):
    store.enroll(NewPerson("ann"), [face(1)])
    store.enroll(NewPerson("bob"), [face(2)])
    new = {Modality.FACE: "face-2", Modality.VOICE: "voice-1"}
    store.enroll("ann", [face(1, encoder_id="face-2")], replace=True)
    assert [(s.modality, s.templates, s.people) for s in store.stale(new)] == [(Modality.FACE, 1, 1)]
    assert store.vectors_of("bob", new) == {}
    assert store.vectors_of("ann", new)[Modality.FACE].vectors.shape == (1, 512)
    store.delete_person("bob")
    assert store.stale(new) == ()
    store.enroll(NewPerson("cleo"), [face(3, encoder_id="face-2")])


# ---- audit

def test_audit_tells_who_did_what_without_ids_and_names(store):
    token = ACTOR.set("key:kiosk")
    try:
        store.enroll(NewPerson("ann@example.com", "Ann Secret"), [face()])
    finally:
        ACTOR.reset(token)
    store.record("identify", "accepted", "ann@example.com", {"face": "accepted", "people": 1})
    newest, enrolled, created = store.events()
    assert (created.action, created.outcome, created.actor) == ("create_person", "created", "key:kiosk")
    assert (enrolled.action, enrolled.outcome, enrolled.detail) == ("enroll", "stored", {"templates": 1, "known": 0})
    assert newest.person_key == enrolled.person_key == created.person_key
    assert newest.detail == {"face": "accepted", "people": 1}
    assert "ann" not in repr(store.events()).lower()


def test_audit_is_append_only(store):
    store.create_person("ann")
    for statement in ("DELETE FROM events", "UPDATE events SET actor = 'x'"):
        with pytest.raises(DatabaseError, match="append-only"), store.database.write() as connection:
            connection.execute(text(statement))
    assert len(store.events()) == 1


# ---- complete deletion

def files_hold(folder, *wanted):
    data = b"".join(p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file())
    return [w in data for w in wanted]


@pytest.mark.parametrize("position", [0, 17])
def test_deletion_reaches_the_bytes(store, tmp_path, position):
    """Among people with many templates, so that pages are split and merged around what is deleted."""
    for i in range(24):
        store.enroll(NewPerson(f"someone-{i:02d}@example.com", f"Zebra Name {i:02d}", f"quokka note {i:02d}"), [face(i), voice(i)])
        for sample in range(1, 4):
            store.enroll(f"someone-{i:02d}@example.com", [face(i, sample), voice(i, sample)])
    parts = [to_bytes(e.embedding)[a:a + 32] for s in range(4) for e in (face(position, s), voice(position, s)) for a in (0, 1000, 2016)]
    words = [f"someone-{position:02d}".encode(), f"Zebra Name {position:02d}".encode(), f"zebra name {position:02d}".encode(),
             f"quokka note {position:02d}".encode()]
    assert all(files_hold(tmp_path, *parts, *words))
    store.delete_person(f"someone-{position:02d}@example.com")
    assert not any(files_hold(tmp_path, *parts, *words))
    assert store.count() == 23
    with pytest.raises(PersonNotFoundError):
        store.delete_person(f"someone-{position:02d}@example.com")


def test_every_deletion_in_turn_reaches_the_bytes(store, tmp_path):
    for i in range(16):
        store.enroll(NewPerson(f"p{i}", f"Walrus{i:03d}"), [face(i), voice(i)])
    for i in np.random.default_rng(5).permutation(16):
        parts = [to_bytes(face(int(i)).embedding)[64:96], to_bytes(voice(int(i)).embedding)[64:96], f"Walrus{i:03d}".encode()]
        assert all(files_hold(tmp_path, *parts))
        store.delete_person(f"p{i}")
        assert not any(files_hold(tmp_path, *parts))


def test_replaced_and_renamed_leaves_no_bytes(store, tmp_path):
    store.enroll(NewPerson("ann", "Former Pelican"), [face(1, 0)])
    store.enroll("ann", [face(1, 1)], replace=True)
    store.update_person("ann", name="New")
    assert files_hold(tmp_path, to_bytes(face(1, 0).embedding)[:32], b"Former Pelican", b"former pelican") == [False] * 3
    assert files_hold(tmp_path, to_bytes(face(1, 1).embedding)[:32]) == [True]


# ---- files and faults

def test_files_are_the_owners_only(store, tmp_path):
    store.create_person("ann")
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    modes = {p.name: p.stat().st_mode & 0o777 for p in (tmp_path / "data").iterdir()}
    assert set(modes) == {"duet.db", "duet.db-wal", "duet.db-shm"}
    assert set(modes.values()) == {0o600}


def test_pragmas_hold_on_every_connection(store):
    with store.database.read() as first, store.database.read() as second:
        for connection in (first, second):
            pragmas = {"foreign_keys": 1, "secure_delete": 1, "synchronous": 2, "journal_mode": "wal"}
            assert {p: connection.execute(text(f"PRAGMA {p}")).scalar() for p in pragmas} == pragmas


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "postgresql+psycopg://u:secret@h/d"])
def test_other_databases_are_refused(url):
    with pytest.raises(ConfigError) as caught:
        Database(url)
    assert "secret" not in caught.value.message


def test_what_is_there_survives_reopening(tmp_path):
    first = open_gallery(tmp_path)
    first.enroll(NewPerson("ann"), [face()])
    first.close()
    second = open_gallery(tmp_path)
    assert len(second.list_templates("ann")) == 1
    second.close()


def test_full_disk(store):
    """SQLite's own limit on the number of pages gives the very error of a full disk."""
    store.enroll(NewPerson("ann"), [face()])
    with store.database.read() as connection:
        used = connection.execute(text("PRAGMA page_count")).scalar()
    store.database._engine.dispose()
    limited = limit_pages(store, used + 1)
    with pytest.raises(StorageFullError) as caught:
        for i in range(50):
            store.enroll(NewPerson(f"p{i}"), [face(i), voice(i)])
    assert caught.value.retry_after_s
    assert all(p.templates == {"face": 1, "voice": int(p.person_id != "ann")} for p in store.list_people(limit=100).people)
    limited["pages"] = 1_000_000
    store.database._engine.dispose()
    store.enroll(NewPerson("after"), [face(9)])


def limit_pages(store, pages):
    from sqlalchemy import event
    limited = {"pages": pages}
    event.listen(store.database._engine, "connect", lambda c, _: c.execute(f"PRAGMA max_page_count={limited['pages']}"))
    return limited


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small tmpfs needs root")
def test_full_file_system(tmp_path):
    mount = tmp_path / "small"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mount], capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        store = open_gallery(mount)
        with pytest.raises(StorageFullError):
            for i in range(2000):
                store.enroll(NewPerson(f"p{i}"), [face(i), voice(i)])
        done = store.count()
        assert done > 10
        assert all(p.templates == {"face": 1, "voice": 1} for p in store.list_people(limit=1000).people)
        subprocess.run(["mount", "-o", "remount,size=8m", mount], check=True)
        store.enroll(NewPerson("after"), [face(1)])
        assert store.count() == done + 1
        store.close()
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


def test_locked_by_another_program(tmp_path):
    store = open_gallery(tmp_path, busy_timeout_s=0.2)
    other = sqlite3.connect(tmp_path / "duet.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError, match="locked"):
        store.create_person("ann")
    assert store.count() == 0
    other.execute("ROLLBACK")
    other.close()
    store.create_person("ann")
    store.close()


def test_read_only(store):
    from sqlalchemy import event
    event.listen(store.database._engine, "checkout", lambda c, *_: c.execute("PRAGMA query_only=ON"))
    with pytest.raises(StoreUnavailableError, match="read-only"):
        store.create_person("ann")
    assert store.count() == 0


def test_gone_and_back(store, tmp_path):
    store.create_person("ann")
    store.database.scrub()
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    with pytest.raises(StoreUnavailableError):
        store.count()
    with pytest.raises(StoreUnavailableError):
        store.create_person("bob")
    assert not (tmp_path / "data").exists()
    (tmp_path / "elsewhere").rename(tmp_path / "data")
    assert store.count() == 1
    store.create_person("bob")


def test_damaged(tmp_path):
    (tmp_path / "duet.db").write_bytes(b"not a database at all" * 1000)
    with pytest.raises(StoreUnavailableError, match="damaged"):
        open_gallery(tmp_path)


def test_errors_and_logs_hold_no_vectors_names_or_paths(store, tmp_path, caplog):
    limit_pages(store, 1)
    store.database._engine.dispose()
    with pytest.raises(StorageFullError) as caught:
        for i in range(50):
            store.enroll(NewPerson(f"secret{i}", "Secret Name"), [face(i)])
    told = "".join([caught.value.message, caught.value.hint, repr(caught.value.__cause__), str(caught.value.__cause__), caplog.text])
    assert "Secret" not in told
    assert "face-1" not in told  # SQLAlchemy shows the values of a statement unless it is told not to
    assert "\\x" not in told
    assert str(tmp_path) not in told


def test_killed_in_mid_transaction(tmp_path):
    """A process that dies between the person and the template leaves neither."""
    script = f"""
import os
from sqlalchemy import insert
from gallery import people as s
from tests.gallery_parts import open_gallery
from tests.test_store import face
store = open_gallery(__import__("pathlib").Path({str(tmp_path)!r}))
store.enroll(s.NewPerson("kept"), [face(1)])
with store.database.write() as connection:
    s.create(connection, s.NewPerson("half"))
    os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    store = open_gallery(tmp_path)
    assert [p.person_id for p in store.list_people().people] == ["kept"]
    assert isinstance(store, Store)
    store.close()
