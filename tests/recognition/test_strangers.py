"""Strangers: the same person is one, nobody known is kept, and all of it is bounded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from gallery.backup.folder import open_backup
from gallery.backup.making import Beside, make_backup
from gallery.backup.restoring import restore
from gallery.database.open import open_database
from gallery.encryption import rotation
from gallery.encryption.sealing import Sealer
from gallery.records import strangers
from gallery.records.strangers import Stranger
from gallery.store import NewPerson, Store, terms_of
from gallery.tables import stranger_values as values
from recognition.recognizer import Recognizer
from recognition.requests import StrangerEnrolment
from tests.support.asking import identify
from tests.support.gallery_parts import StubEncoders, StubFace, StubVoice, recognizer_of
from tests.support.remains import present_in
from utils.config import Settings
from utils.errors import (
    DuplicatePersonError,
    PersonExistsError,
    StrangerNotFoundError,
    UnlikePersonError,
)

Clip = Callable[..., Path]
KEPT = {"stranger_days": 10, "visit_days": 10}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Strangers and visits are kept."""
    return Settings.of(data_dir=tmp_path / "data", **KEPT)


@pytest.fixture
def asked(gallery: Recognizer, clip: Clip) -> Recognizer:
    """A gallery of three people, at which two strangers came by, one of them three times."""
    for sample in range(3):
        identify(gallery, clip(face=7, voice=7, sample=sample))
    identify(gallery, clip(face=8, voice=8))
    return gallery


def listed(recognizer: Recognizer, **more: Any) -> list[Stranger]:
    return list(recognizer.store.list_strangers(**more)[0])


def test_clips_of_one_stranger_are_one(asked: Recognizer, clip: Clip) -> None:
    second, first = listed(asked)
    assert (first.times, first.clips) == (3, {"face": 3, "voice": 3})
    assert (second.times, second.clips) == (1, {"face": 1, "voice": 1})
    assert first.first_at <= first.last_at <= second.last_at
    identify(asked, clip(face=7, sample=4))  # by face alone
    identify(asked, clip(voice=8, sample=4))
    again, other = listed(asked)
    assert (again.stranger_id, again.times) == (second.stranger_id, 2)
    assert (other.stranger_id, other.times) == (first.stranger_id, 4)
    visits = asked.store.list_visits(outcome="unknown")
    assert [visit.stranger_id for visit in visits[:2]] == [again.stranger_id, other.stranger_id]


def test_who_is_known_or_doubtful_is_not_kept(gallery: Recognizer, clip: Clip) -> None:
    identify(gallery, clip(face=1, voice=1, sample=3))  # is Ann
    identify(gallery, clip(face=1, voice=9))  # her face with another voice
    identify(gallery, clip(face=7, voice=7), action="evaluate")
    identify(gallery, clip(face=7, voice=7), beyond=2.0)
    gallery.store.create_group(new_group("staff"))
    identify(gallery, clip(face=7, voice=7), group="staff")
    assert listed(gallery) == []
    identify(gallery, clip(face=7, voice=7))
    identify(gallery, clip(face=8, voice=8))
    identify(gallery, clip(face=7, voice=8))  # of two strangers
    assert [stranger.times for stranger in listed(gallery)] == [1, 1]


def new_group(group_id: str) -> Any:
    from gallery.records.groups import NewGroup

    return NewGroup(group_id)


def test_nothing_is_kept_without_the_setting(tmp_path: Path, clip: Clip) -> None:
    recognizer = recognizer_of(Settings.of(data_dir=tmp_path))
    identify(recognizer, clip(face=7, voice=7))
    with recognizer.store.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(values)) == 0
    recognizer.close()


def test_they_are_bounded(
    asked: Recognizer, clip: Clip, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = listed(asked)[1]
    old = asked.store.read_stranger_clips(first.stranger_id)[0].source_sha256
    assert present_in(tmp_path / "data", old.encode())
    for sample in range(10, 10 + strangers.MOST_CLIPS):
        identify(asked, clip(face=7, voice=7, sample=sample))
    kept = asked.store.read_stranger_clips(first.stranger_id)
    assert len(kept) == strangers.MOST_CLIPS
    assert listed(asked)[0].times == 3 + strangers.MOST_CLIPS
    assert present_in(tmp_path / "data", old.encode()) == [], "also from the bytes"
    monkeypatch.setattr(strangers, "MOST", 2)
    identify(asked, clip(face=9, voice=9))
    assert [stranger.times for stranger in listed(asked)] == [1, 8], "the oldest one goes"
    (event,) = asked.store.events(action="delete_stranger")
    assert event.outcome == "crowded_out"


def test_the_same_file_counts_once(gallery: Recognizer, clip: Clip) -> None:
    path = clip(face=7, voice=7)
    for _ in range(3):
        identify(gallery, path)
    assert [stranger.times for stranger in listed(gallery)] == [1]


def test_a_clip_that_is_two_strangers_joins_them(gallery: Recognizer, clip: Clip) -> None:
    """Doubtful clips make two groups, and a clear one shows that they are one."""
    store = gallery.store
    for sample in (1, 2):
        identify(gallery, clip(face=7, voice=7, sample=sample))
        if sample == 1:
            store.hide_stranger(listed(gallery)[0].stranger_id)
            with store.database.write() as connection:  # out of the search, for now
                connection.execute(update(values).values(encoder_id="other"))
    first = listed(gallery, hidden=True)[0]
    second = listed(gallery)[0]
    with store.database.write() as connection:
        mine = values.c.stranger_key == first.number
        for kind in ("face", "voice"):
            known = (mine, values.c.kind == kind)
            connection.execute(update(values).where(*known).values(encoder_id=f"{kind}-1"))
    gallery.strangers._search._snapshot = None
    gallery.strangers._search._state = {}
    identify(gallery, clip(face=7, voice=7, sample=3))
    assert listed(gallery) == [], "who stays unknown stays so"
    (one,) = listed(gallery, hidden=True)
    assert (one.times, one.number in (first.number, second.number)) == (3, True)
    (event,) = store.events(action="delete_stranger")
    assert event.outcome == "merged"
    assert {visit.stranger_id for visit in store.list_visits()} == {one.stranger_id}


def test_this_is_a_new_person(asked: Recognizer, clip: Clip) -> None:
    stranger = listed(asked)[1]
    wanted = NewPerson("dan", "Dan", consent="agreed", retention_days=30)
    taken = StrangerEnrolment(stranger.stranger_id, NewPerson("ann", "Dan"))
    with pytest.raises(PersonExistsError):
        asked.enroll_stranger(taken)
    enrolment = asked.enroll_stranger(StrangerEnrolment(stranger.stranger_id, wanted))
    assert enrolment.person.templates == {"face": 3, "voice": 3}
    assert (enrolment.person.consent, enrolment.person.retention_days) == ("agreed", 30)
    answer = identify(asked, clip(face=7, voice=7, sample=20))
    assert answer.decisions.fused.match is not None
    assert answer.decisions.fused.match.person_id == "dan"
    assert [one.times for one in listed(asked)] == [1]
    visits = asked.store.list_visits(person_id="dan")
    assert [visit.asked.outcome for visit in visits] == ["accepted", *["unknown"] * 3]
    with pytest.raises(StrangerNotFoundError):
        asked.enroll_stranger(StrangerEnrolment(stranger.stranger_id, wanted))


def test_the_rules_of_every_enrolment_hold(asked: Recognizer, clip: Clip) -> None:
    stranger = listed(asked)[1]
    unlike = StrangerEnrolment(stranger.stranger_id, "ann", "agreed")
    with pytest.raises(UnlikePersonError):
        asked.enroll_stranger(unlike)
    new = StrangerEnrolment(stranger.stranger_id, NewPerson("dan"))
    asked.enroll_stranger(new)
    identify(asked, clip(face=11, voice=11))
    other = listed(asked)[0]
    forced = asked.enroll_stranger(StrangerEnrolment(other.stranger_id, "dan", "yes", force=True))
    assert forced.person.consent == "yes"
    assert forced.person.templates == {"face": 4, "voice": 4}


def test_who_enrols_at_a_kiosk_is_no_stranger_any_more(gallery: Recognizer, clip: Clip) -> None:
    from tests.support.asking import enroll

    path = clip(face=7, voice=7)
    identify(gallery, path)
    identify(gallery, clip(face=8, voice=8))
    enroll(gallery, "dan", path, create=True)
    assert [one.times for one in listed(gallery)] == [1]
    assert [visit.asked.outcome for visit in gallery.store.list_visits(person_id="dan")] == [
        "unknown"
    ]
    assert [event.outcome for event in gallery.store.events(action="delete_stranger")] == [
        "enrolled"
    ]


def test_somebody_who_was_enrolled_meanwhile_is_a_duplicate(asked: Recognizer, clip: Clip) -> None:
    from tests.support.asking import enroll

    enroll(asked, "dan", clip(face=7, voice=7, sample=30), create=True)
    stranger = listed(asked)[1]
    with pytest.raises(DuplicatePersonError, match="dan"):
        asked.enroll_stranger(StrangerEnrolment(stranger.stranger_id, NewPerson("new")))
    asked.enroll_stranger(StrangerEnrolment(stranger.stranger_id, "dan"))
    assert asked.store.get_person("dan").templates == {"face": 4, "voice": 4}


def test_stay_unknown_is_remembered_and_the_term_goes_on(asked: Recognizer, clip: Clip) -> None:
    stranger = listed(asked)[1]
    asked.store.hide_stranger(stranger.stranger_id)
    identify(asked, clip(face=7, voice=7, sample=5))
    assert [one.times for one in listed(asked)] == [1]
    assert [one.times for one in listed(asked, hidden=True)] == [4]
    make_older(asked.store, stranger, days=9.9)
    asked.store.forget_expired()
    assert listed(asked, hidden=True)
    make_older(asked.store, stranger, days=10.1)
    asked.store.forget_expired()
    assert listed(asked, hidden=True) == []
    assert [one.times for one in listed(asked)] == [1]
    identify(asked, clip(face=7, voice=7, sample=6))
    assert [one.times for one in listed(asked)] == [1, 1], "after the term it is somebody new"


def make_older(store: Store, stranger: Stranger, *, days: float) -> None:
    with store.database.write() as connection:
        mine = values.c.stranger_key == stranger.number
        at = datetime.now(UTC) - timedelta(days=days)
        connection.execute(update(values).where(mine).values(at=at))


def test_each_clip_has_a_term_of_its_own(asked: Recognizer) -> None:
    stranger = listed(asked)[1]
    with asked.store.database.write() as connection:
        first = select(func.min(values.c.key)).scalar_subquery()
        connection.execute(
            update(values)
            .where(values.c.key == first)
            .values(at=datetime.now(UTC) - timedelta(days=11))
        )
    asked.store.forget_expired()
    assert listed(asked)[1].clips == {"face": 2, "voice": 3}
    assert listed(asked)[1].stranger_id == stranger.stranger_id


def test_other_models_find_nobody_again(settings: Settings, clip: Clip) -> None:
    settings.storage.data_dir.mkdir()
    first = recognizer_of(settings)
    identify(first, clip(face=9, voice=9))
    first.close()
    other = StubEncoders(StubFace("face-2"), StubVoice("voice-2"))
    later = recognizer_of(settings, other)
    for sample in (1, 2):
        identify(later, clip(face=9, voice=9, sample=sample))
    assert [one.times for one in listed(later)] == [2, 1]
    later.close()


def test_pictures_are_kept_by_a_setting_of_their_own(tmp_path: Path, clip: Clip) -> None:
    chosen = Settings.of(data_dir=tmp_path / "data", **KEPT, stranger_pictures=True)
    recognizer = recognizer_of(chosen)
    identify(recognizer, clip(face=7, voice=7))
    identify(recognizer, clip(voice=8))
    voice, both = listed(recognizer)
    assert (both.has_picture, voice.has_picture) == (True, False)
    assert both.clips == {"face": 1, "voice": 1}
    assert recognizer.store.stranger_picture(both.stranger_id)[8:12] == b"WEBP"
    make_older(recognizer.store, both, days=11)
    recognizer.store.forget_expired()
    assert listed(recognizer) == [voice]
    recognizer.close()


def test_nothing_of_a_deleted_stranger_is_left_or_restored(tmp_path: Path, clip: Clip) -> None:
    chosen = Settings.of(data_dir=tmp_path / "data", **KEPT, backup_dir=tmp_path / "safe")
    keys = [Sealer(bytes([number]) * 32) for number in (1, 2)]
    recognizer = recognizer_of(chosen, codec=keys[0])
    for number in (7, 8):
        identify(recognizer, clip(face=number, voice=number))
    kept, gone = listed(recognizer)
    source = recognizer.store.read_stranger_clips(gone.stranger_id)[0].source_sha256
    assert present_in(tmp_path / "data", source.encode())
    made = make_backup(recognizer.store, tmp_path / "safe", Beside(chosen, {}))
    recognizer.store.delete_stranger(gone.stranger_id)
    assert present_in(tmp_path / "data", source.encode()) == []
    from gallery.ledger import Ledger

    Ledger(tmp_path / "safe").update(recognizer.store.database)
    rotation.rotate(recognizer.store.database, keys[1], [keys[0]])
    recognizer.close()
    rotated = recognizer_of(chosen, codec=keys[1])
    identify(rotated, clip(face=8, voice=8, sample=1))
    assert [one.times for one in listed(rotated)] == [2]
    rotated.close()
    target = Store(
        open_database(f"sqlite:///{tmp_path / 'new.db'}"), keys[0], terms=terms_of(chosen)
    )
    restore(open_backup(made.path), target, tmp_path)
    assert [one.stranger_id for one in target.list_strangers()[0]] == [kept.stranger_id]
    target.close()
