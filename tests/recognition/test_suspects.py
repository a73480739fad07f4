"""People who may be enrolled twice, or be mixed of two: found by checks in the background."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gallery.records import feed
from gallery.results import Kind
from gallery.search.choose import MANY, GrowingIndex
from gallery.search.memory import MemoryIndex
from gallery.store import NewPerson, NewTemplate, Store
from gallery.vectors import Templates
from recognition import all_pairs, found_pairs, suspects
from recognition.likeness import compare_entries, least_llr
from recognition.recognizer import Recognizer
from recognition.suspects import Look, SuspectSearch
from tests.support.asking import enroll
from tests.support.gallery_parts import CALIBRATION, StubEncoders, embedding
from tests.support.waiting import until
from utils.errors import StoreUnavailableError
from utils.modality import SINGLE, Modality, PerModality

Clip = Callable[..., Path]
CALIBRATIONS = PerModality(fused=CALIBRATION, face=CALIBRATION, voice=CALIBRATION)


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
    assert later.total == first.total - 1


def test_a_check_that_fails_keeps_the_last_one(
    people: Recognizer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise StoreUnavailableError("The database does not answer.")

    last = people.suspects.check()
    people.store.create_person("new")
    monkeypatch.setattr(all_pairs.AllPairs, "step", fail)
    until(lambda: people.suspects.look() and "not checked for suspects" in caplog.text)
    assert people.suspects.look().latest is last


def what_is_found(search: SuspectSearch) -> tuple[object, ...]:
    found = search.check()
    return set(found.alike), set(found.split), found.mixed


@pytest.mark.parametrize("many", [MANY, 3], ids=["vectors", "codes"])
def test_pieces_find_what_every_two_entries_say(
    people: Recognizer, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    index = GrowingIndex(people.store, StubEncoders(), many=many)
    search = SuspectSearch(people.store, index, people.suspects._pairs._encoder_ids, CALIBRATIONS)
    monkeypatch.setattr(all_pairs, "AT_ONCE", 2)
    monkeypatch.setattr(all_pairs, "_PIECE", 3)
    keys, entries = all_pairs.represent(templates_of(people.store))
    llrs = compare_entries(entries, entries, CALIBRATIONS)
    alike = np.argwhere(np.triu(llrs >= least_llr(len(keys)), 1))
    assert what_is_found(search)[0] == {(keys[a], keys[b]) for a, b in alike}
    assert what_is_found(search) == what_is_found(people.suspects)


def test_whoever_is_asked_about_is_compared_with_everybody(
    people: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(all_pairs, "AT_ONCE", 2)
    search = people.suspects
    search.ask_about(people.store.keys_fitting("ann"))
    assert listed(people, Kind.DUPLICATE) == {"ann", "ann2"}
    assert listed(people, Kind.MIXED) == set(), "nobody of them was asked about"
    assert search.check().people == 7
    other = asked_about(people, "eve")
    assert set(other.check().split) == {(4, 5)}, "eve and fay"
    assert other.check().mixed == frozenset()


def asked_about(people: Recognizer, name: str) -> SuspectSearch:
    known = people.suspects
    search = SuspectSearch(
        people.store, known._index, known._pairs._encoder_ids, known._pairs._calibrations
    )
    search.ask_about(people.store.keys_fitting(name))
    return search


def test_whoever_is_asked_about_changes_while_the_others_are_read(
    people: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(all_pairs, "AT_ONCE", 2)
    search = asked_about(people, "eve")
    search._pairs.step(people.suspects._index.in_memory().snapshot())
    store(people, "eve", 5, 5, sample=2)
    assert set(search.check().split) == {(4, 5)}, "eve and fay, who is read later"


def test_others_change_after_somebody_was_asked_about(people: Recognizer) -> None:
    search = asked_about(people, "ann2")
    assert set(search.check().alike) == {(1, 2)}
    store(people, "ann", 1, 1, sample=2)
    assert set(search.check().alike) == {(1, 2)}


def test_a_change_of_others_compares_nobody_anew_who_was_asked_about(
    people: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = asked_about(people, "ann2")
    search.check()
    compared = note_compared(monkeypatch)
    store(people, "ann3", 1, 1)
    store(people, "eve2", 5, 5)  # like eve, who was not asked about
    store(people, "ann", 1, 1, sample=2)
    found = search.check()
    assert set(found.alike) == {(1, 2), (2, compared[1])}
    assert found.mixed == frozenset()
    assert people.store.people_of([2])[2].person_id == "ann2"
    assert 2 not in compared
    assert len(compared) == 3
    store(people, "ann2", 1, 1, sample=3)
    assert set(search.check().alike) == set(found.alike)
    assert compared[3:] == [2]


def note_compared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Internal numbers of those who are compared from now on."""
    compared: list[int] = []
    real = all_pairs.AllPairs._compare

    def watch(self: all_pairs.AllPairs, connection: object, codes: object, some: Any) -> float:
        compared.extend(some.keys.tolist())
        return real(self, connection, codes, some)  # type: ignore[arg-type]

    monkeypatch.setattr(all_pairs.AllPairs, "_compare", watch)
    return compared


def templates_of(store: Store) -> list[dict[Modality, Templates]]:
    ids = {m: f"{m}-1" for m in SINGLE}
    with store.database.read() as connection:
        return list(feed.read_templates(connection, store.codec, ids))


def test_only_who_changed_is_compared_again(
    people: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = people.suspects
    search.check()
    compared = note_compared(monkeypatch)
    search.check()
    assert compared == [], "nothing has changed"
    store(people, "ann3", 1, 1)
    assert listed(people, Kind.DUPLICATE) == {"ann", "ann2", "ann3"}
    (newest,) = compared
    assert people.store.people_of([newest])[newest].person_id == "ann3"
    people.store.delete_person("ann")
    store(people, "dan", 1, None, sample=5)  # both of a face, and of one before
    search.check()
    assert people.store.people_of(compared[1:]).keys() == {7}, "dan alone"


def test_a_part_says_how_far_it_is(people: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who changed meanwhile comes before those who never were compared."""
    monkeypatch.setattr(all_pairs, "AT_ONCE", 2)
    search = people.suspects
    index = people.suspects._index.in_memory()
    search._pairs.step(index.snapshot())
    part = search._sum_up(rate=0.5)
    assert (part.people, part.total) == (2, 7)
    assert part.remaining_s is not None
    assert part.remaining_s > 0
    assert list(part.alike) == [(1, 2)], "ann is there twice"
    store(people, "gus2", 7, 7)
    search._pairs.step(index.snapshot())
    assert search._pairs.count(np.array([8])) == (1, 1)
    assert search.check().remaining_s is None
    assert listed(people, Kind.DUPLICATE) == {"ann", "ann2", "gus", "gus2"}


def test_a_gallery_that_shrinks_is_compared_anew(people: Recognizer) -> None:
    """Among fewer people a pair needs less, so more than were found may count."""
    search = people.suspects
    search.check()
    bar = search._pairs._bar
    for name in ("cem", "eve", "fay", "gus", "dan"):
        people.store.delete_person(name)
    assert listed(people, Kind.DUPLICATE) == {"ann", "ann2"}
    assert search._pairs._bar < bar


def test_a_gallery_that_grows_asks_more_of_a_pair(recognizer: Recognizer) -> None:
    search = recognizer.suspects
    store(recognizer, "ann", 1, 1)
    search.check()
    low = search._pairs._bar
    search._pairs.found.alike[(98, 99)] = search._pairs.found.split[(98, 99)] = low + 0.1
    for number in range(5):
        store(recognizer, f"ben{number}", 2, 2)
    found = search.check()
    assert search._pairs._bar == least_llr(3) > low + 0.1
    assert not {(98, 99)} & (search._pairs.found.alike.keys() | search._pairs.found.split.keys())
    assert len(found.alike) == 10


def test_changes_wait_for_the_rest_after_a_long_reading(
    people: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each check may read the whole gallery anew."""
    search = people.suspects
    monkeypatch.setattr(suspects, "_REST", 1e9)
    monkeypatch.setattr(suspects, "WAIT_S", 1e6)
    search.check()
    people.store.delete_person("gus")
    look = search.look()
    assert look.latest is not None
    assert look.latest.total == 6, "no reading is that long"
    monkeypatch.setattr(suspects, "WAIT_S", 0.0)
    last = search.check()
    people.store.delete_person("fay")
    assert search.look() == Look(last, is_checking=False)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no priority")
def test_only_the_comparison_gives_way(people: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks waits for a refresh of the index, whoever began it."""
    priorities: dict[str, int] = {}

    def note(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*words: Any) -> Any:
            priorities[name] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
            return function(*words)

        return noted

    for name, of in (("_refresh", MemoryIndex), ("_compare", all_pairs.AllPairs)):
        monkeypatch.setattr(of, name, note(name, getattr(of, name)))
    mine = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    until(lambda: people.suspects.look().latest and not people.suspects.look().is_checking)
    assert priorities == {"_refresh": mine, "_compare": max(mine, suspects._NICE)}


def test_very_many_entries_of_one_person_are_all_listed(
    people: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(found_pairs, "MOST_EACH", 1)
    for number in range(5):
        store(people, f"ann{number + 3}", 1, 1)
    assert len(people.suspects.check().alike) == 6, "each with one of those before"
    assert len(listed(people, Kind.DUPLICATE)) == 7
    monkeypatch.setattr(found_pairs, "MOST_PAIRS", 3)
    store(people, "gus2", 7, 7)
    assert len(people.suspects.check().alike) == 3


def test_an_empty_gallery(recognizer: Recognizer, clip: Clip) -> None:
    assert listed(recognizer, Kind.MIXED) == set()
    enroll(recognizer, "ann", clip(face=1), create=True)
    assert recognizer.suspects.check().mixed == frozenset()
