"""People in the store: terms, expiry, merging, splitting (on real SQLite and PostgreSQL), kept media, feedback and export."""
from __future__ import annotations

import io
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sqlalchemy import update

from gallery import kept
from gallery.database import open_database
from gallery.names import MAX_RETENTION_DAYS
from gallery.people import NewPerson
from gallery.recognizer import Recognizer
from gallery.sealing import Sealer
from gallery.store import NewTemplate, Store
from gallery.tables import identifications, people
from tests.gallery_parts import direction, make_recognizer, open_gallery, write_clip
from tests.test_store import CURRENT, face, voice
from utils.errors import (
    EncoderMismatchError,
    IdentificationNotFoundError,
    InvalidNameError,
    InvalidRequestError,
    LastTemplateError,
    PersonExistsError,
    PersonNotFoundError,
    TemplateNotFoundError,
    ThumbnailNotFoundError,
)
from utils.types import Modality, Waveform

DAY = timedelta(days=1)


@pytest.fixture
def store(store_url):
    opened = Store(open_database(store_url))
    yield opened
    opened.close()


def set_columns(store: Store, person_id: str, **values: object) -> None:
    with store.database.write() as connection:
        connection.execute(update(people).where(people.c.person_id == person_id).values(values))


def test_nul_in_what_is_looked_for(store):
    mine = store.enroll(NewPerson("ann"), [face(), voice()]).templates[0].template_id
    with pytest.raises(InvalidRequestError):
        store.list_people("a\0")
    for call in (lambda: store.delete_template("ann", mine + "\0"), lambda: store.give_feedback("r\0", "ann", True)):
        with pytest.raises((InvalidRequestError, TemplateNotFoundError, IdentificationNotFoundError)):
            call()
    assert store.get_person("ann").templates == {"face": 1, "voice": 1}


def test_expiry_is_looked_for_once_a_day_whatever_the_clock_says(store, monkeypatch):
    """A clock that ran ahead when it was looked for last must not keep people for as long as it ran ahead."""
    store.enroll(NewPerson("ann", retention_days=400), [face()])
    real = time.time()
    monkeypatch.setattr("gallery.store.time.time", lambda: real + 300 * 86_400)
    store.forget_expired_when_due()
    monkeypatch.setattr("gallery.store.time.time", lambda: real)
    set_columns(store, "ann", retention_days=1, enrolled_at=datetime.now(UTC) - 2 * DAY)
    store.forget_expired_when_due()
    assert store.count() == 1
    tomorrow = time.monotonic() + 86_401
    monkeypatch.setattr("gallery.store.time.monotonic", lambda: tomorrow)
    store.forget_expired_when_due()
    assert store.count() == 0


# ---- terms and expiry

def test_terms(store):
    person = store.create_person("ann", consent="signed\non paper", retention_days=30)
    assert (person.consent, person.retention_days, person.enrolled_at) == ("signed\non paper", 30, None)
    assert person.expires_at == person.created_at + 30 * DAY
    enrolled = store.enroll("ann", [face()]).person
    assert enrolled.enrolled_at is not None
    assert enrolled.expires_at == enrolled.enrolled_at + 30 * DAY
    assert store.enroll("ann", [face(1, 1)]).person.enrolled_at == enrolled.enrolled_at, "it is the time of the first template"
    assert store.enroll("ann", [face(1, 2)], replace=True).person.enrolled_at > enrolled.enrolled_at, "all is new"
    assert store.update_person("ann", retention_days=None).expires_at is None
    assert store.update_person("ann", consent="").retention_days is None


@pytest.mark.parametrize("days", [0, -1, MAX_RETENTION_DAYS + 1, 10**30, 1.5, True, "7"])
def test_retention_out_of_range(store, days):
    with pytest.raises(InvalidRequestError, match="retention_days"):
        store.create_person("ann", retention_days=days)
    store.create_person("ann")
    with pytest.raises(InvalidRequestError, match="retention_days"):
        store.update_person("ann", retention_days=days)
    assert store.get_person("ann").retention_days is None


def test_consent_is_checked(store):
    with pytest.raises(InvalidNameError, match="consent"):
        store.create_person("ann", consent="x" * 2001)
    with pytest.raises(InvalidNameError, match="consent"):
        store.create_person("ann", consent="a\u202eb")
    assert store.count() == 0


def test_expired_people_are_forgotten(store):
    for person_id, days in (("old", 10), ("young", 12), ("for-ever", None)):
        store.enroll(NewPerson(person_id, retention_days=days), [face(len(person_id))])
        set_columns(store, person_id, enrolled_at=datetime.now(UTC) - 11 * DAY)
    store.create_person("never-enrolled", retention_days=3)
    set_columns(store, "never-enrolled", created_at=datetime.now(UTC) - 4 * DAY)
    assert store.forget_expired() == 2
    assert [p.person_id for p in store.list_people().people] == ["for-ever", "young"]
    assert store.forget_expired() == 0
    assert [e.outcome for e in store.events(action="forget_expired")] == ["deleted"] * 2


def test_the_running_service_looks_when_somebodys_time_comes(store, monkeypatch):
    now = store.enroll(NewPerson("ann", retention_days=1), [face()]).person.enrolled_at.timestamp()
    store.forget_expired_when_due()
    looks = []
    monkeypatch.setattr(store, "forget_expired", lambda real=store.forget_expired: looks.append(1) or real())
    store.forget_expired_when_due()
    assert not looks, "nobody's time has come: nothing is read"
    monkeypatch.setattr("gallery.store.time.time", lambda: now + 86_395)
    store.forget_expired_when_due()
    assert not looks
    monkeypatch.setattr("gallery.store.time.time", lambda: now + 86_405)
    store.forget_expired_when_due()
    assert looks == [1]
    store.update_person("ann", retention_days=2)
    monkeypatch.setattr("gallery.store.time.time", lambda: now + 86_406)
    store.forget_expired_when_due()
    assert looks == [1, 1], "a change of the terms is looked at"


# ---- merge

def test_merge(store):
    first = store.enroll(NewPerson("ann", "Ann", "", "on paper"), [face(), voice()])
    store.enroll(NewPerson("anna", "Anna Lee", "front desk", "by mail"), [face(1, 1), face(1, 2)][:1])
    store.enroll("anna", [face(1, 2), voice(1, 2)])
    merged = store.merge_people("ann", "anna")
    assert (merged.person_id, merged.name, merged.note, merged.consent) == ("ann", "Ann", "front desk", "on paper")
    assert merged.templates == {"face": 3, "voice": 2}
    assert merged.enrolled_at == first.person.enrolled_at
    assert [p.person_id for p in store.list_people().people] == ["ann"]
    assert len(store.vectors_of("ann", CURRENT)[Modality.FACE].vectors) == 3
    with pytest.raises(PersonNotFoundError):
        store.merge_people("ann", "anna")
    assert store.list_people("anna").total == 0, "the search forgets the other, too"


def test_merge_takes_a_name_where_there_is_only_an_id(store):
    store.create_person("p1")
    store.create_person("p2", "Ann Lee")
    assert store.merge_people("p1", "p2").name == "Ann Lee"
    assert [p.person_id for p in store.list_people("lee").people] == ["p1"]


def test_merge_of_the_same_clip_keeps_one_template(store):
    kept_one = store.enroll(NewPerson("ann"), [face()]).templates
    store.enroll(NewPerson("bob"), [face(), voice()])
    merged = store.merge_people("ann", "bob")
    assert merged.templates == {"face": 1, "voice": 1}
    assert kept_one[0] in store.list_templates("ann")


def test_merge_with_oneself_or_nobody(store):
    store.enroll(NewPerson("ann"), [face()])
    with pytest.raises(InvalidRequestError, match="itself"):
        store.merge_people("ann", "ann")
    for pair in (("ann", "nobody"), ("nobody", "ann")):
        with pytest.raises(PersonNotFoundError):
            store.merge_people(*pair)
    with pytest.raises(InvalidNameError):
        store.merge_people("ann", "../x")
    assert store.get_person("ann").templates["face"] == 1


def test_two_models_are_not_merged(store):
    store.enroll(NewPerson("ann"), [face(), voice()])
    store.enroll(NewPerson("bob"), [voice(2)])
    store.enroll("bob", [face(2, encoder_id="face-2")], replace=True)
    for pair in (("ann", "bob"), ("bob", "ann")):
        with pytest.raises(EncoderMismatchError, match="face templates of two models"):
            store.merge_people(*pair)
    assert store.count() == 2
    assert store.get_person("ann").templates == {"face": 1, "voice": 1}


@pytest.mark.parametrize(("first", "second", "left"), [
    ((None, 400), (30, 0), 30), ((30, 0), (None, 400), 30), ((100, 20), (365, 10), 80), ((365, 10), (100, 20), 80),
    ((None, 3), (None, 5), None),
])
def test_of_two_ends_the_earlier_holds(store, first, second, left):
    """(days of retention, enrolled so many days ago) of both → days until the merged person expires."""
    now = datetime.now(UTC)
    for person_id, (days, ago) in (("ann", first), ("bob", second)):
        store.enroll(NewPerson(person_id, retention_days=days), [face(1, ago)])
        set_columns(store, person_id, enrolled_at=now - ago * DAY)
    merged = store.merge_people("ann", "bob")
    if left is None:
        assert merged.expires_at is None
    else:
        assert timedelta(days=left - 1) <= merged.expires_at - now <= timedelta(days=left), "never later than promised"
    assert merged.enrolled_at == now - max(first[1], second[1]) * DAY


def test_many_merges_at_once(store):
    """Every pair is merged from both ends: one is done, the other finds nobody. Nothing is lost."""
    for i in range(12):
        store.enroll(NewPerson(f"p{i:02d}"), [face(i), voice(i)])

    def merge(pair: tuple[int, int]) -> bool:
        try:
            store.merge_people(f"p{pair[0]:02d}", f"p{pair[1]:02d}")
        except PersonNotFoundError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        pairs = [(i, i + 1) for i in range(0, 12, 2)] + [(i + 1, i) for i in range(0, 12, 2)]
        assert sum(pool.map(merge, pairs)) == 6
    left = store.list_people().people
    assert len(left) == 6
    assert all(p.templates == {"face": 2, "voice": 2} for p in left)


# ---- split

def test_move_to_somebody_who_is_there(store):
    mine = store.enroll(NewPerson("ann"), [face(), voice()]).templates
    store.create_person("bob")
    bob = store.move_template("ann", mine[0].template_id, "bob")
    assert bob.templates == {"face": 1, "voice": 0}
    assert bob.enrolled_at is not None
    assert [t.template_id for t in store.list_templates("bob")] == [mine[0].template_id]
    assert store.get_person("ann").templates == {"face": 0, "voice": 1}


def test_move_to_somebody_new(store):
    mine = store.enroll(NewPerson("ann", "Ann", consent="signed", retention_days=30), [face(), voice()]).templates
    set_columns(store, "ann", enrolled_at=datetime.now(UTC) - 20 * DAY)
    made = store.move_template("ann", mine[1].template_id, NewPerson("bob", "Bob"))
    assert (made.name, made.consent, made.templates) == ("Bob", "", {"face": 0, "voice": 1})
    assert made.expires_at == store.get_person("ann").expires_at, "what is split off is not kept longer"


def test_the_last_template_stays(store):
    only = store.enroll(NewPerson("ann"), [face()]).templates[0].template_id
    store.create_person("bob")
    for to in ("bob", NewPerson("new")):
        with pytest.raises(LastTemplateError):
            store.move_template("ann", only, to)
    assert store.count() == 2, "nobody is made for nothing"
    assert store.get_person("ann").templates["face"] == 1


def test_what_cannot_be_moved(store):
    mine = store.enroll(NewPerson("ann"), [face(), voice()]).templates[0].template_id
    store.enroll(NewPerson("bob"), [face(2)])
    with pytest.raises(TemplateNotFoundError):
        store.move_template("bob", mine, "ann")
    with pytest.raises(PersonNotFoundError):
        store.move_template("ann", mine, "nobody")
    with pytest.raises(PersonExistsError):
        store.move_template("ann", mine, NewPerson("bob"))
    with pytest.raises(InvalidRequestError):
        store.move_template("ann", mine, "ann")
    store.enroll("bob", [face(2, encoder_id="face-2")], replace=True)
    with pytest.raises(EncoderMismatchError):
        store.move_template("ann", mine, "bob")
    assert store.get_person("ann").templates == {"face": 1, "voice": 1}


def test_move_of_a_clip_that_is_there_twice(store):
    mine = store.enroll(NewPerson("ann"), [face(), voice()]).templates[0].template_id
    store.enroll(NewPerson("bob"), [face()])
    assert store.move_template("ann", mine, "bob").templates["face"] == 1
    assert store.get_person("ann").templates == {"face": 0, "voice": 1}


def test_the_index_follows(tmp_path):
    recognizer = make_recognizer(tmp_path)
    for number, name in ((1, "ann"), (2, "bob")):
        recognizer.enroll(name, write_clip(tmp_path / name, face=number, voice=number), create=True)
    probe = write_clip(tmp_path / "probe", face=2, voice=2, sample=5)
    assert recognizer.identify(probe).fused.match.person_id == "bob"
    recognizer.store.merge_people("ann", "bob")
    answer = recognizer.identify(probe)
    assert answer.people == 1
    templates = recognizer.store.list_templates("ann")
    for template in templates[2:]:
        recognizer.store.move_template("ann", template.template_id, "cem" if recognizer.store.count() > 1 else NewPerson("cem"))
    assert recognizer.identify(probe).fused.match.person_id == "cem"
    recognizer.close()


# ---- kept media

def test_faces_and_speech_come_back():
    noise = np.random.default_rng(3)
    images, weights = noise.integers(0, 256, (3, 112, 112, 3), dtype=np.uint8), np.array([0.9, 0.31, 0.5], np.float32)
    again, weights_again = kept.unpack_faces(kept.pack_faces(images, weights))
    np.testing.assert_array_equal(again, images)
    np.testing.assert_array_equal(weights_again, weights)
    speech = Waveform(noise.uniform(-1, 1, 16_000).astype(np.float32), 16_000)
    heard = kept.unpack_speech(kept.pack_speech(speech))
    assert heard.rate_hz == 16_000
    np.testing.assert_allclose(heard.samples, speech.samples, atol=2**-15)


@pytest.mark.parametrize("key", [None, b"k" * 32])
def test_media_are_kept_and_embed_to_the_same_template(tmp_path, key):
    recognizer = make_recognizer(tmp_path / "data", codec=key and Sealer(key), keep_media=True)
    clip = write_clip(tmp_path / "clip", face=3, voice=3, sample=7)
    stored = recognizer.enroll("ann", clip, create=True).templates
    face_media, voice_media = (recognizer.store.kept_media(t.template_id) for t in stored)
    assert (sorted(face_media), sorted(voice_media)) == (["faces", "thumbnail"], ["speech"])
    vectors = recognizer.store.vectors_of("ann", CURRENT)
    encoders = recognizer._analyser._encoders
    again = encoders.face.embed(*kept.unpack_faces(face_media["faces"]))
    np.testing.assert_array_equal(again.vector, vectors[Modality.FACE].vectors[0])
    heard = kept.unpack_speech(voice_media["speech"])
    assert heard.samples.size == soundfile.info(io.BytesIO(voice_media["speech"])).frames
    np.testing.assert_array_equal(encoders.voice.embed(heard).vector, vectors[Modality.VOICE].vectors[0])
    assert recognizer.store.thumbnail("ann") == face_media["thumbnail"]
    assert face_media["thumbnail"][:4] == b"RIFF"
    in_the_clear = face_media["faces"][:60] in (tmp_path / "data/duet.db-wal").read_bytes()
    assert in_the_clear is (key is None)
    recognizer.store.delete_template("ann", stored[0].template_id)
    assert recognizer.store.kept_media(stored[0].template_id) == {}
    with pytest.raises(ThumbnailNotFoundError):
        recognizer.store.thumbnail("ann")
    recognizer.close()


def test_nothing_is_kept_by_default(tmp_path):
    recognizer = make_recognizer(tmp_path)
    stored = recognizer.enroll("ann", write_clip(tmp_path / "clip", face=3, voice=3), create=True).templates
    assert [recognizer.store.kept_media(t.template_id) for t in stored] == [{}, {}]
    recognizer.close()


def test_the_best_face_is_the_picture(store):
    store.create_person("ann")
    for quality, picture in ((0.4, b"poor"), (0.9, b"good"), (0.5, b"fair")):
        store.enroll("ann", [replace(face(1, round(quality * 10)), quality=quality, media={"thumbnail": picture})])
    assert store.thumbnail("ann") == b"good"


# ---- feedback

@pytest.fixture
def two(tmp_path) -> Recognizer:
    made = make_recognizer(tmp_path)
    for number, name in ((1, "ann"), (2, "bob")):
        made.enroll(name, write_clip(tmp_path / name, face=number, voice=number), create=True)
    yield made
    made.close()


def ask(recognizer: Recognizer, folder: Path, request_id: str, **who: object) -> object:
    return recognizer.identify(write_clip(folder / "probe", **who), request_id=request_id)


def test_feedback_becomes_trials(two, tmp_path):
    answer = ask(two, tmp_path, "r1", face=1, voice=1, sample=9, speech_s=2.5)
    assert two.store.give_feedback("r1", "ann", True) == ("face", "fused", "voice")
    trials = {t.modality: t for t in two.store.feedback_trials(two.encoder_ids, two.scale_ids)}
    assert trials.keys() == {Modality.FACE, Modality.VOICE, Modality.FUSED}
    for modality in Modality:
        assert trials[modality] == (modality, pytest.approx(getattr(answer, modality).match.strength), True)
    others = tuple(t for t in trials.values() if t.modality != "face")
    assert two.store.feedback_trials(two.encoder_ids | {"face": "face-2"}, two.scale_ids) == others
    assert two.store.feedback_trials(two.encoder_ids, two.scale_ids | {"face": "another cohort"}) == others
    two.store.give_feedback("r1", "ann", False)
    assert [t.same for t in two.store.feedback_trials(two.encoder_ids, two.scale_ids)] == [False] * 3, "what was said before is replaced"


def test_a_fused_answer_on_one_modality_is_one_trial(two, tmp_path):
    answer = ask(two, tmp_path, "r2", face=2, sample=9)
    assert answer.fused.match.person_id == "bob"
    assert two.store.give_feedback("r2", "bob", True) == ("face",)


def test_feedback_on_what_was_not_said(two, tmp_path):
    ask(two, tmp_path, "r3", face=1, voice=1, sample=9)
    ask(two, tmp_path, "r4", face=40, voice=40)
    for request_id, person in (("r3", "bob"), ("r4", "ann"), ("never", "ann")):
        with pytest.raises(IdentificationNotFoundError):
            two.store.give_feedback(request_id, person, False)
    with pytest.raises(PersonNotFoundError):
        two.store.give_feedback("r3", "nobody", False)
    assert two.store.feedback_trials(two.encoder_ids, two.scale_ids) == ()


def test_feedback_on_an_answer_that_somebody_else_was_given(two, tmp_path):
    ask(two, tmp_path, "r9", face=1, voice=1, sample=9)
    with pytest.raises(IdentificationNotFoundError):
        two.store.give_feedback("r9", "ann", False, asked_by="another key")
    assert len(two.store.give_feedback("r9", "ann", False, asked_by="local")) == 3


def test_answers_are_remembered_for_some_days(two, tmp_path):
    ask(two, tmp_path, "r5", face=1, voice=1, sample=9)
    with two.store.database.write() as connection:
        connection.execute(update(identifications).values(at=datetime.now(UTC) - 8 * DAY))
    ask(two, tmp_path, "r6", face=1, voice=1, sample=10)
    with pytest.raises(IdentificationNotFoundError):
        two.store.give_feedback("r5", "ann", True)
    assert len(two.store.give_feedback("r6", "ann", True)) == 3


def test_no_answer_is_remembered_when_told_so(two, tmp_path):
    two.store._feedback_days = 0
    ask(two, tmp_path, "r7", face=1, voice=1, sample=9)
    with pytest.raises(IdentificationNotFoundError):
        two.store.give_feedback("r7", "ann", True)


def test_a_request_id_that_is_used_again(two, tmp_path):
    ask(two, tmp_path, "same", face=1, voice=1, sample=9)
    two.store.give_feedback("same", "ann", True)
    ask(two, tmp_path, "same", face=2, voice=2, sample=9)
    with pytest.raises(IdentificationNotFoundError):
        two.store.give_feedback("same", "ann", False)
    two.store.give_feedback("same", "bob", False)
    assert two.store.merge_people("ann", "bob").templates == {"face": 2, "voice": 2}
    assert [t.same for t in two.store.feedback_trials(two.encoder_ids, two.scale_ids)] == [True] * 3, "one word for one answer and person"


def test_last_seen(two, tmp_path):
    assert two.store.get_person("ann").last_seen_at is None
    ask(two, tmp_path, "r8", face=1, voice=1, sample=9)
    assert datetime.now(UTC) - two.store.get_person("ann").last_seen_at < timedelta(minutes=1)
    assert two.store.get_person("bob").last_seen_at is None


# ---- export

def test_export_holds_everything(tmp_path):
    made = make_recognizer(tmp_path, keep_media=True)
    made.store.create_person("ann", "Ann Lee", "front desk", "signed", 90)
    made.enroll("ann", write_clip(tmp_path / "a", face=1, voice=1))
    made.enroll("anna", write_clip(tmp_path / "b", face=1, voice=1, sample=2), create=True, force=True)
    ask(made, tmp_path, "r1", face=1, voice=1, sample=9)
    named = made.identify(write_clip(tmp_path / "c", face=1, voice=1, sample=9), request_id="r1").fused.match.person_id
    made.store.give_feedback("r1", named, True)
    made.store.merge_people("ann", "anna")
    found = json.loads(json.dumps(made.store.export_person("ann")))
    assert found["person"]["name"] == "Ann Lee"
    assert found["person"]["retention_days"] == 90
    assert [t["modality"] for t in found["templates"]] == ["face", "voice"] * 2
    np.testing.assert_array_equal(np.array(found["templates"][0]["vector"], np.float32), direction("face", 1, 0, 0.5))
    assert sorted(found["templates"][0]["media"]) == ["faces", "thumbnail"]
    assert found["templates"][1]["media"]["speech"]["content_type"] == "audio/flac"
    assert {row["modality"] for row in found["identifications"]} == {"face", "voice", "fused"}
    assert found["feedback"]
    assert all(row["same"] and row["request_id"] == "r1" for row in found["feedback"])
    actions = [e["action"] for e in found["events"]]
    assert actions.count("create_person") == 2, "those of the entry that was merged into it are the person's too"
    assert made.store.events(1)[0].action == "export_person"
    made.close()


def test_export_of_a_sealed_gallery(tmp_path):
    sealed = open_gallery(tmp_path, codec=Sealer(b"k" * 32))
    sealed.enroll(NewPerson("ann"), [face()])
    vector = sealed.export_person("ann")["templates"][0]["vector"]
    np.testing.assert_array_equal(np.array(vector, np.float32), direction("face", 1, 0, 0.5))
    sealed.close()


def test_export_of_nobody(store):
    with pytest.raises(PersonNotFoundError):
        store.export_person("nobody")
    assert store.events() == ()


def test_media_go_with_a_moved_template(store):
    stored = store.enroll(NewPerson("ann"), [NewTemplate(face().embedding, 0.5, "0", {"thumbnail": b"picture"}), voice()])
    store.move_template("ann", stored.templates[0].template_id, NewPerson("bob"))
    assert store.thumbnail("bob") == b"picture"
    with pytest.raises(ThumbnailNotFoundError):
        store.thumbnail("ann")
