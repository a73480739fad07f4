"""People in the store: retention, expiry, merging and splitting."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Unpack

import pytest
from sqlalchemy import update

from gallery.names import MAX_RETENTION_DAYS
from gallery.records.people import NewPerson
from gallery.records.people_list import PeopleQuery
from gallery.results import Kind, Order
from gallery.store import Store
from gallery.tables import people
from tests.support.asking import enroll, identify
from tests.support.filled_gallery import new_templates
from tests.support.gallery_parts import make_recognizer, write_clip
from tests.support.templates import CURRENT, face, voice
from utils.errors import (
    EncoderMismatchError,
    IdentificationNotFoundError,
    InvalidNameError,
    InvalidRequestError,
    LastTemplateError,
    PersonExistsError,
    PersonNotFoundError,
    TemplateNotFoundError,
)
from utils.modality import Modality

pytestmark = pytest.mark.slow

DAY = timedelta(days=1)


def set_columns(store: Store, person_id: str, **values: object) -> None:
    with store.database.write() as connection:
        connection.execute(update(people).where(people.c.person_id == person_id).values(values))


def test_nul_in_what_is_looked_for(store: Store) -> None:
    mine = store.enroll(NewPerson("ann"), [face(), voice()]).templates[0].template_id
    with pytest.raises(InvalidRequestError):
        store.list_people(search="a\0")
    for call in (
        lambda: store.delete_template("ann", mine + "\0"),
        lambda: store.give_feedback("r\0", "ann", True),
    ):
        with pytest.raises(
            (InvalidRequestError, TemplateNotFoundError, IdentificationNotFoundError)
        ):
            call()
    assert store.get_person("ann").templates == {"face": 1, "voice": 1}


def test_expiry_is_looked_for_once_a_day_whatever_the_clock_says(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that once ran ahead must not keep people for as long as it ran ahead."""
    store.enroll(NewPerson("ann", retention_days=400), [face()])
    real = time.time()
    monkeypatch.setattr("gallery.transactions.people.time.time", lambda: real + 300 * 86_400)
    store.forget_expired_when_due()
    monkeypatch.setattr("gallery.transactions.people.time.time", lambda: real)
    set_columns(store, "ann", retention_days=1, enrolled_at=datetime.now(UTC) - 2 * DAY)
    store.forget_expired_when_due()
    assert store.count() == 1
    tomorrow = time.monotonic() + 86_401
    monkeypatch.setattr("gallery.transactions.people.time.monotonic", lambda: tomorrow)
    store.forget_expired_when_due()
    assert store.count() == 0


# ---- terms and expiry


def test_terms(store: Store) -> None:
    person = store.create_person("ann", consent="signed\non paper", retention_days=30)
    assert (person.consent, person.retention_days, person.enrolled_at) == (
        "signed\non paper",
        30,
        None,
    )
    assert person.expires_at == person.created_at + 30 * DAY
    enrolled = store.enroll("ann", [face()]).person
    assert enrolled.enrolled_at is not None
    assert enrolled.expires_at == enrolled.enrolled_at + 30 * DAY
    assert store.enroll("ann", [face(1, 1)]).person.enrolled_at == enrolled.enrolled_at, (
        "it is the time of the first template"
    )
    assert (
        store.enroll("ann", [face(1, 2)], replace=True).person.enrolled_at > enrolled.enrolled_at
    ), "all is new"
    assert store.update_person("ann", retention_days=None).expires_at is None
    assert store.update_person("ann", consent="").retention_days is None


@pytest.mark.parametrize("days", [0, -1, MAX_RETENTION_DAYS + 1, 10**30, 1.5, True, "7"])
def test_retention_out_of_range(store: Store, days: Any) -> None:
    with pytest.raises(InvalidRequestError, match="retention_days"):
        store.create_person("ann", retention_days=days)
    store.create_person("ann")
    with pytest.raises(InvalidRequestError, match="retention_days"):
        store.update_person("ann", retention_days=days)
    assert store.get_person("ann").retention_days is None


def test_consent_is_checked(store: Store) -> None:
    with pytest.raises(InvalidNameError, match="consent"):
        store.create_person("ann", consent="x" * 2001)
    with pytest.raises(InvalidNameError, match="consent"):
        store.create_person("ann", consent="a\u202eb")
    assert store.count() == 0


def test_expired_people_are_forgotten(store: Store) -> None:
    for person_id, days in (("old", 10), ("young", 12), ("for-ever", None)):
        store.enroll(NewPerson(person_id, retention_days=days), [face(len(person_id))])
        set_columns(store, person_id, enrolled_at=datetime.now(UTC) - 11 * DAY)
    store.create_person("never-enrolled", retention_days=3)
    set_columns(store, "never-enrolled", created_at=datetime.now(UTC) - 4 * DAY)
    assert store.forget_expired() == 2
    assert [p.person_id for p in store.list_people().people] == ["for-ever", "young"]
    assert store.forget_expired() == 0
    assert [e.outcome for e in store.events(action="forget_expired")] == ["deleted"] * 2


def test_the_running_service_looks_when_somebodys_time_comes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = store.enroll(NewPerson("ann", retention_days=1), [face()]).person.enrolled_at.timestamp()
    store.forget_expired_when_due()
    looks = []
    forget_expired = store.forget_expired

    def look() -> int:
        looks.append(1)
        return forget_expired()

    monkeypatch.setattr(store, "forget_expired", look)
    store.forget_expired_when_due()
    assert not looks, "nobody's time has come: nothing is read"
    monkeypatch.setattr("gallery.transactions.people.time.time", lambda: now + 86_395)
    store.forget_expired_when_due()
    assert not looks
    monkeypatch.setattr("gallery.transactions.people.time.time", lambda: now + 86_405)
    store.forget_expired_when_due()
    assert looks == [1]
    store.update_person("ann", retention_days=2)
    monkeypatch.setattr("gallery.transactions.people.time.time", lambda: now + 86_406)
    store.forget_expired_when_due()
    assert looks == [1, 1], "a change of the terms is looked at"


# ---- merge


def test_merge(store: Store) -> None:
    first = store.enroll(NewPerson("ann", "Ann", "", "on paper"), [face(), voice()])
    store.enroll(
        NewPerson("anna", "Anna Lee", "front desk", "by mail"), [face(1, 1), face(1, 2)][:1]
    )
    store.enroll("anna", [face(1, 2), voice(1, 2)])
    merged = store.merge_people("ann", "anna")
    assert (merged.person_id, merged.name, merged.note, merged.consent) == (
        "ann",
        "Ann",
        "front desk",
        "on paper",
    )
    assert merged.templates == {"face": 3, "voice": 2}
    assert merged.enrolled_at == first.person.enrolled_at
    assert [p.person_id for p in store.list_people().people] == ["ann"]
    assert len(store.vectors_of("ann", CURRENT)[Modality.FACE].vectors) == 3
    with pytest.raises(PersonNotFoundError):
        store.merge_people("ann", "anna")
    assert store.list_people(search="anna").total == 0, "the search forgets the other, too"


def test_merge_takes_a_name_where_there_is_only_an_id(store: Store) -> None:
    store.create_person("p1")
    store.create_person("p2", "Ann Lee")
    assert store.merge_people("p1", "p2").name == "Ann Lee"
    assert [p.person_id for p in store.list_people(search="lee").people] == ["p1"]


def test_merge_of_the_same_clip_keeps_one_template(store: Store) -> None:
    kept_one = store.enroll(NewPerson("ann"), [face()]).templates
    store.enroll(NewPerson("bob"), [face(), voice()])
    merged = store.merge_people("ann", "bob")
    assert merged.templates == {"face": 1, "voice": 1}
    assert kept_one[0] in store.list_templates("ann")


def test_merge_with_oneself_or_nobody(store: Store) -> None:
    store.enroll(NewPerson("ann"), [face()])
    with pytest.raises(InvalidRequestError, match="itself"):
        store.merge_people("ann", "ann")
    for pair in (("ann", "nobody"), ("nobody", "ann")):
        with pytest.raises(PersonNotFoundError):
            store.merge_people(*pair)
    with pytest.raises(InvalidNameError):
        store.merge_people("ann", "../x")
    assert store.get_person("ann").templates["face"] == 1


def test_two_models_are_not_merged(store: Store) -> None:
    store.enroll(NewPerson("ann"), [face(), voice()])
    store.enroll(NewPerson("bob"), [voice(2)])
    store.enroll("bob", [face(2, encoder_id="face-2")], replace=True)
    for pair in (("ann", "bob"), ("bob", "ann")):
        with pytest.raises(EncoderMismatchError, match="The face templates are of two"):
            store.merge_people(*pair)
    assert store.count() == 2
    assert store.get_person("ann").templates == {"face": 1, "voice": 1}


@pytest.mark.parametrize(
    ("first", "second", "left"),
    [
        ((None, 400), (30, 0), 30),
        ((30, 0), (None, 400), 30),
        ((100, 20), (365, 10), 80),
        ((365, 10), (100, 20), 80),
        ((None, 3), (None, 5), None),
    ],
)
def test_of_two_ends_the_earlier_holds(
    store: Store,
    first: tuple[None, int] | tuple[int, int],
    second: tuple[None, int] | tuple[int, int],
    left: int | None,
) -> None:
    """The earlier end of retention holds for the merged person.

    Both are (days of retention, enrolled so many days ago).
    """
    now = datetime.now(UTC)
    for person_id, (days, ago) in (("ann", first), ("bob", second)):
        store.enroll(NewPerson(person_id, retention_days=days), [face(1, ago)])
        set_columns(store, person_id, enrolled_at=now - ago * DAY)
    merged = store.merge_people("ann", "bob")
    if left is None:
        assert merged.expires_at is None
    else:
        assert timedelta(days=left - 1) <= merged.expires_at - now <= timedelta(days=left), (
            "never later than promised"
        )
    assert merged.enrolled_at == now - max(first[1], second[1]) * DAY


def test_many_merges_at_once(store: Store) -> None:
    """Every pair is merged from both ends: one succeeds, and the other finds nobody."""
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


def test_move_to_somebody_who_is_there(store: Store) -> None:
    mine = store.enroll(NewPerson("ann"), [face(), voice()]).templates
    store.create_person("bob")
    bob = store.move_template("ann", mine[0].template_id, "bob")
    assert bob.templates == {"face": 1, "voice": 0}
    assert bob.enrolled_at is not None
    assert [t.template_id for t in store.list_templates("bob")] == [mine[0].template_id]
    assert store.get_person("ann").templates == {"face": 0, "voice": 1}


def test_move_to_somebody_new(store: Store) -> None:
    mine = store.enroll(
        NewPerson("ann", "Ann", consent="signed", retention_days=30), [face(), voice()]
    ).templates
    set_columns(store, "ann", enrolled_at=datetime.now(UTC) - 20 * DAY)
    made = store.move_template("ann", mine[1].template_id, NewPerson("bob", "Bob"))
    assert (made.name, made.consent, made.templates) == ("Bob", "", {"face": 0, "voice": 1})
    assert made.expires_at == store.get_person("ann").expires_at, (
        "what is split off is not kept longer"
    )


def test_the_last_template_stays(store: Store) -> None:
    only = store.enroll(NewPerson("ann"), [face()]).templates[0].template_id
    store.create_person("bob")
    for to in ("bob", NewPerson("new")):
        with pytest.raises(LastTemplateError):
            store.move_template("ann", only, to)
    assert store.count() == 2, "nobody is made for nothing"
    assert store.get_person("ann").templates["face"] == 1


def test_what_cannot_be_moved(store: Store) -> None:
    mine = store.enroll(NewPerson("ann"), [face(), voice()]).templates[0].template_id
    store.enroll(NewPerson("bob"), [face(2)])
    with pytest.raises(TemplateNotFoundError):
        store.move_template("bob", mine, "ann")
    with pytest.raises(PersonNotFoundError):
        store.move_template("ann", mine, "nobody")
    for taken in ("bob", "BOB"):
        with pytest.raises(PersonExistsError) as refused:
            store.move_template("ann", mine, NewPerson(taken))
        assert "Leave `create` out, and write the id as it is there" in refused.value.hint
    with pytest.raises(InvalidRequestError):
        store.move_template("ann", mine, "ann")
    store.enroll("bob", [face(2, encoder_id="face-2")], replace=True)
    with pytest.raises(EncoderMismatchError):
        store.move_template("ann", mine, "bob")
    assert store.get_person("ann").templates == {"face": 1, "voice": 1}


def test_move_of_a_clip_that_is_there_twice(store: Store) -> None:
    mine = store.enroll(NewPerson("ann"), [face(), voice()]).templates[0].template_id
    store.enroll(NewPerson("bob"), [face()])
    assert store.move_template("ann", mine, "bob").templates["face"] == 1
    assert store.get_person("ann").templates == {"face": 0, "voice": 1}


def test_the_index_follows(tmp_path: Path) -> None:
    recognizer = make_recognizer(tmp_path)
    for number, name in ((1, "ann"), (2, "bob")):
        enroll(
            recognizer, name, write_clip(tmp_path / name, face=number, voice=number), create=True
        )
    probe = write_clip(tmp_path / "probe", face=2, voice=2, sample=5)
    assert identify(recognizer, probe).decisions.fused.match.person_id == "bob"
    recognizer.store.merge_people("ann", "bob")
    answer = identify(recognizer, probe)
    assert answer.people == 1
    templates = recognizer.store.list_templates("ann")
    for template in templates[2:]:
        recognizer.store.move_template(
            "ann", template.template_id, "cem" if recognizer.store.count() > 1 else NewPerson("cem")
        )
    assert identify(recognizer, probe).decisions.fused.match.person_id == "cem"
    recognizer.close()


def test_the_list_by_kind_and_order(store: Store) -> None:
    """On both databases: who lacks something, whose term ends, and what comes first."""
    store.enroll(NewPerson("ann", "Zoe", retention_days=400), new_templates(1))
    store.enroll(NewPerson("ben", "amy", retention_days=10), new_templates(2)[:1])
    store.enroll(NewPerson("cem", "Bo"), [replace(new_templates(3)[1], quality=0.1)])
    store.create_person("dan", "Cy", retention_days=20)
    store.record_answer("identify", "accepted", person_id="ben", named=[])

    def ids(**part: Unpack[PeopleQuery]) -> str:
        page = store.list_people(**part)
        assert page.total == len(page.people)
        return " ".join(person.person_id for person in page.people)

    assert ids() == "ann ben cem dan"
    assert ids(kind=Kind.NO_FACE) == "cem dan"
    assert ids(kind=Kind.NO_VOICE) == "ben dan"
    assert ids(kind=Kind.POOR_QUALITY) == "cem"
    assert ids(kind=Kind.NEVER_SEEN) == "ann cem dan"
    assert ids(kind=Kind.ENDING) == "ben dan"
    assert ids(kind=Kind.ENDING, search="cy") == "dan"
    assert ids(order=Order.NAME) == "ben cem dan ann"
    assert ids(order=Order.EXPIRES) == "ben dan ann cem"
    assert ids(order=Order.EXPIRES, newest_first=True) == "ann dan ben cem"
    assert ids(order=Order.LAST_SEEN, newest_first=True).split()[0] == "ben"
    assert ids(order=Order.CREATED, newest_first=True) == "dan cem ben ann"
