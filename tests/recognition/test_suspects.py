"""People who may be enrolled twice, or be mixed of two: found by checks in the background."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from gallery.results import Kind
from gallery.store import NewPerson, NewTemplate
from recognition import suspects
from recognition.recognizer import Recognizer
from recognition.suspects import Look, SuspectSearch
from tests.support.asking import enroll
from tests.support.gallery_parts import embedding
from tests.support.waiting import until
from utils.errors import StoreUnavailableError
from utils.modality import SINGLE

Clip = Callable[..., Path]


@pytest.fixture
def people(recognizer: Recognizer, clip: Clip) -> Recognizer:
    """Ann twice, Cem with a clip of somebody else, Eve with Fay's face, and Gus as he is."""
    for name, face, voice in (
        ("ann", 1, 1),
        ("ann2", 1, 1),
        ("cem", 3, 3),
        ("eve", 5, 5),
        ("fay", 5, 6),
        ("gus", 7, 7),
        ("dan", 4, None),
    ):
        store(recognizer, name, face, voice)
    store(recognizer, "cem", 8, 3, sample=2)
    store(recognizer, "gus", 7, 7, sample=2)
    return recognizer


def store(recognizer: Recognizer, name: str, face: int, voice: int | None, sample: int = 1) -> None:
    """Store templates without the checks of an enrolment."""
    sides = zip(SINGLE, (face, voice), strict=True)
    made = [
        NewTemplate(embedding(m, who, sample + len(name), 0.3), 0.8, f"{name}-{sample}", {})
        for m, who in sides
        if who is not None
    ]
    recognizer.store.enroll(NewPerson(name), made)


def listed(recognizer: Recognizer, kind: Kind, look: Look | None = None) -> set[str]:
    """Ids of those of a kind, by the last check."""
    latest = (look or Look(recognizer.suspects.check(), False)).latest
    assert latest is not None
    keys = recognizer.suspects.keys_of(kind, latest)
    page = recognizer.store.list_people(kind=kind, suspects=keys)
    return {person.person_id for person in page.people}


def test_who_is_suspect(people: Recognizer) -> None:
    assert listed(people, Kind.DUPLICATE) == {"ann", "ann2"}
    assert listed(people, Kind.MIXED) == {"cem", "eve", "fay"}
    checked = people.suspects.check()
    assert (checked.people, checked.total) == (7, 7)
    assert people.store.list_people(kind=Kind.DUPLICATE).total == 0, "without a check"


def test_what_the_operator_says_counts_at_once(people: Recognizer) -> None:
    look = Look(people.suspects.check(), False)
    people.store.mark_distinct("ann", "ann2")
    people.store.mark_distinct("eve", "fay")
    assert listed(people, Kind.DUPLICATE, look) == set()
    assert listed(people, Kind.MIXED, look) == {"cem"}
    people.store.delete_person("cem")
    assert listed(people, Kind.MIXED, look) == set()


def test_a_look_begins_a_check_when_the_gallery_has_changed(people: Recognizer) -> None:
    search = people.suspects
    until(lambda: search.look().latest and not search.look().is_checking)
    first = search.look().latest
    assert search.look().latest is first, "nothing has changed"
    people.store.merge_people("ann", "ann2")
    assert listed(people, Kind.DUPLICATE, Look(first, False)) == set()
    until(lambda: search.look().latest is not first)
    later = search.look().latest
    assert first is not None
    assert later is not None
    assert later.change > first.change


def test_checks_rest_between(people: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check of ten seconds is not made again within a hundred."""
    search = people.suspects
    search.check()
    monkeypatch.setattr(search, "_latest", slow(search))
    people.store.create_person("new")
    assert not search.look().is_checking
    old = slow(search)
    object.__setattr__(old, "at", old.at - timedelta(seconds=101))
    monkeypatch.setattr(search, "_latest", old)
    until(lambda: search.look().latest is not old)


def slow(search: SuspectSearch) -> suspects.Suspects:
    """The last check, as if it had taken ten seconds."""
    latest = search._latest
    assert latest is not None
    return suspects.Suspects(**{**vars(latest), "took_s": 10.0})


def test_a_check_that_fails_keeps_the_last_one(
    people: Recognizer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise StoreUnavailableError("The database does not answer.")

    last = people.suspects.check()
    people.store.create_person("new")
    monkeypatch.setattr(people.overview, "represent", fail)
    until(lambda: people.suspects.look() and "not checked for suspects" in caplog.text)
    assert people.suspects.look().latest is last


def test_blocks_find_what_all_at_once_finds(
    people: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = people.suspects.check()
    monkeypatch.setattr(suspects, "_BLOCK", 2)
    parts = people.suspects.check()
    assert (parts.alike, parts.split, parts.mixed) == (whole.alike, whole.split, whole.mixed)


def test_an_empty_gallery(recognizer: Recognizer, clip: Clip) -> None:
    assert listed(recognizer, Kind.MIXED) == set()
    enroll(recognizer, "ann", clip(face=1), create=True)
    assert recognizer.suspects.check().mixed == frozenset()
