"""Search inside PostgreSQL: it finds whom the index in memory finds."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from gallery.database.open import open_database
from gallery.encryption.sealing import new_key, parse_key
from gallery.search import postgres
from gallery.search.choose import GrowingIndex, open_index
from gallery.search.codes import CodeIndex
from gallery.search.memory import ALL, MemoryIndex
from gallery.search.postgres import DatabaseIndex
from gallery.store import NewPerson, Store
from recognition.recognizer import Recognizer
from tests.support.asking import enroll, identify
from tests.support.gallery_parts import (
    ClipAligner,
    StubEncoders,
    StubFace,
    make_recognizer,
    write_clip,
)
from tests.support.postgres import new_database
from tests.support.searching import best, fill, probe
from tests.support.templates import templates
from utils.config import Settings
from utils.errors import StoreUnavailableError
from utils.modality import Modality

FACE, VOICE, FUSED = ALL


@pytest.fixture
def url(postgres_url: str) -> str:
    return postgres_url


@pytest.fixture
def store_url(url: str) -> str:
    return url


@pytest.fixture
def index(store: Store) -> DatabaseIndex:
    return DatabaseIndex(store, StubEncoders())


def test_a_store_in_postgresql_is_searched_inside_it(store: Store, url: str) -> None:
    assert isinstance(open_index(store, StubEncoders())._index, DatabaseIndex)
    sealed = Store(open_database(new_database()), parse_key(new_key(), "the test"))
    assert isinstance(open_index(sealed, StubEncoders())._index, MemoryIndex), (
        "codes in the clear would undo the encryption"
    )
    sealed.close()


def test_empty(index: DatabaseIndex) -> None:
    snapshot = index.near(probe(1))
    assert (snapshot.people, len(snapshot.keys), [snapshot.count(m) for m in ALL]) == (
        0,
        0,
        [0, 0, 0],
    )


@pytest.mark.parametrize("written", [False, True])
def test_finds_whom_the_memory_finds(store: Store, index: DatabaseIndex, written: bool) -> None:
    """Before the codes are written, and by the codes."""
    for i in range(40):
        store.enroll(NewPerson(f"p{i}", f"P {i}"), templates(i, ("fv", "f", "v")[i % 3]))
        store.enroll(f"p{i}", templates(i, ("fv", "f", "v")[i % 3], sample=1))
    if written:
        index.catch_up()
    memory = MemoryIndex(store, StubEncoders()).snapshot()
    snapshot = index.near(probe(0))
    assert snapshot.people == memory.people == 40
    assert [snapshot.count(m) for m in ALL] == [memory.count(m) for m in ALL] == [27, 27, 14]
    for i in range(40):
        asked = probe(i, ("fv", "f", "v")[i % 3])
        near = index.near(asked)
        for m in asked:
            assert best(near, asked, m) == pytest.approx(best(memory, asked, m), abs=1e-6)
    with store.database.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM person_codes")) == (
            40 if written else 0
        )


def test_every_change_is_seen_at_once_by_another_service(
    store: Store, url: str, index: DatabaseIndex
) -> None:
    other_store = Store(open_database(url))
    other = DatabaseIndex(other_store, StubEncoders())
    for i in range(5):
        store.enroll(NewPerson(f"p{i}"), templates(i))
    index.catch_up()
    assert best(other.near(probe(3)), probe(3), FACE)[0] == "p3"
    store.delete_person("p3")
    assert other.near(probe(3)).people == 4
    assert "p3" not in {ref.person_id for ref in other.near(probe(3)).refs.values()}
    store.enroll("p2", templates(77), replace=True)
    assert best(other.near(probe(77)), probe(77), FUSED)[0] == "p2"
    other_store.update_person("p1", name="Renamed")
    assert {ref.name for ref in index.near(probe(1)).refs.values()} >= {"Renamed"}
    other_store.close()


def test_an_uncommitted_enrolment_is_not_seen(store: Store, url: str, index: DatabaseIndex) -> None:
    other_store = Store(open_database(url))
    other = DatabaseIndex(other_store, StubEncoders())
    seen = []
    store.enroll(
        NewPerson("a"), templates(1), guard=lambda: seen.append(other.near(probe(1)).people)
    )
    assert (seen, other.near(probe(1)).people) == ([0], 1)
    other_store.close()


def test_a_search_within_an_enrolment_does_not_wait_for_itself(
    store: Store, index: DatabaseIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "BEHIND", 0)
    store.enroll(NewPerson("a"), templates(1))
    started = time.monotonic()

    def guard() -> None:
        index.near(probe(1))

    store.enroll(NewPerson("b"), templates(2), guard=guard)
    assert time.monotonic() - started < 20
    assert index.near(probe(2)).people == 2


def test_codes_are_written_when_many_changed(
    store: Store, index: DatabaseIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "BEHIND", 3)
    index.snapshot()
    for i in range(6):
        store.enroll(NewPerson(f"p{i}"), templates(i))
    assert best(index.near(probe(4)), probe(4), FUSED)[0] == "p4"
    with store.database.read() as connection:
        assert connection.execute(
            text("SELECT people, face, voice, fused FROM person_codes_state")
        ).one() == (6, 6, 6, 6)
    store.delete_person("p4")
    with store.database.read() as connection:
        assert connection.execute(
            text("SELECT people, face, voice, fused FROM person_codes_state")
        ).one() == (5, 5, 5, 5)
        assert connection.scalar(text("SELECT count(*) FROM person_codes")) == 5
    assert index.near(probe(4)).people == 5


def test_far_behind_is_written_anew(
    store: Store, index: DatabaseIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "FAR_BEHIND", 4)
    for i in range(12):
        store.enroll(NewPerson(f"p{i}"), templates(i, "v" if i % 4 == 0 else "fv"))
    assert best(index.near(probe(8, "v")), probe(8, "v"), VOICE)[0] == "p8"
    with store.database.read() as connection:
        assert connection.execute(
            text("SELECT people, face, voice, fused FROM person_codes_state")
        ).one() == (12, 9, 12, 9)


def test_other_encoders_are_not_compared_and_the_codes_made_anew(
    store: Store, url: str, index: DatabaseIndex
) -> None:
    store.enroll(NewPerson("old"), templates(1))
    index.catch_up()
    new = DatabaseIndex(store, StubEncoders(face=StubFace("face-2")))
    snapshot = new.near(probe(1))
    assert [snapshot.count(m) for m in ALL] == [0, 1, 0]
    assert [s.modality for s in snapshot.stale] == [FACE]
    assert index.near(probe(1)).count(FACE) == 1


def test_many_people_are_searched_in_memory(store: Store, url: str) -> None:
    """A gallery that grows goes over to codes, which two services follow by themselves."""
    indexes = [GrowingIndex(store, StubEncoders(), many=20) for _ in range(2)]
    assert isinstance(indexes[0]._index, DatabaseIndex)
    with store.database.write() as connection:
        fill(connection, store, 60)
    store.enroll(NewPerson("alone"), templates(9001, "v"))
    exact = MemoryIndex(store, StubEncoders()).snapshot()
    assert indexes[0].in_memory().snapshot().people == 61, "for a comparison of all"
    assert isinstance(indexes[0]._index, DatabaseIndex), "searches stay where they are"
    for index in indexes:
        index.near(probe(1))
        assert isinstance(index._index, CodeIndex)
        assert index.in_memory() is index._index
        for i in (*range(0, 60, 7), 500):
            asked = probe(100 + i)
            for m in asked:
                assert best(index.near(asked), asked, m) == best(exact, asked, m)
    store.delete_person("many-7")
    store.enroll(NewPerson("late"), templates(9002))
    for index in indexes:
        assert index.near(probe(9002)).people == 61
        assert best(index.near(probe(9002)), probe(9002), FUSED)[0] == "late"
        assert best(index.near(probe(107)), probe(107), FUSED)[0] != "many-7"


def count_codes(store: Store) -> int:
    with store.database.read() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM person_codes")) or 0)


def test_no_codes_are_left_in_the_database_where_memory_is_searched(
    store: Store, index: DatabaseIndex
) -> None:
    for i in range(4):
        store.enroll(NewPerson(f"p{i}"), templates(i))
    index.catch_up()
    growing = GrowingIndex(store, StubEncoders(), many=3)
    growing.near(probe(1))
    assert count_codes(store) == 0, "it was opened with many people"
    growing = GrowingIndex(store, StubEncoders(), many=4)
    index.catch_up()
    store.enroll(NewPerson("p4"), templates(4))
    seen = []

    def search_while_somebody_writes() -> None:
        growing.near(probe(1))
        seen.append(count_codes(store))

    store.enroll("p1", templates(1, sample=1), guard=search_while_somebody_writes)
    assert seen == [4]
    assert best(growing.near(probe(4)), probe(4), FUSED)[0] == "p4"
    assert count_codes(store) == 0, "it has grown"


def test_two_searches_at_once_grow_one_index(store: Store) -> None:
    growing = GrowingIndex(store, StubEncoders())
    small = growing._index
    growing._grow(small)
    grown = growing._index
    growing._grow(small)
    assert isinstance(grown, CodeIndex)
    assert growing._index is grown


def enroll_in_a_process(url: str, first: int, count: int) -> None:
    store = Store(open_database(url))
    for i in range(first, first + count):
        store.enroll(NewPerson(f"p{i}"), templates(i))
    store.close()


def test_processes_see_each_other(url: str, store: Store, index: DatabaseIndex) -> None:
    """This process finds everybody whom two others enrol."""
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=enroll_in_a_process, args=(url, 100 * n, 8)) for n in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [p.exitcode for p in processes] == [0, 0]
    assert index.near({}).people == 16
    for i in (*range(8), *range(100, 108)):
        assert best(index.near(probe(i)), probe(i), Modality.FUSED)[0] == f"p{i}"
    assert not store.verify_audit().problems


def test_a_recognizer_answers_as_over_a_file(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same clips, enrolled in both, give the same decisions."""
    monkeypatch.setattr(postgres, "BEHIND", 3)
    here = make_recognizer(tmp_path)
    there = Recognizer(ClipAligner(), StubEncoders(), store, Settings.of(data_dir=tmp_path))
    for recognizer in (here, there):
        for i in range(8):
            recognizer.store.create_person(f"p{i}")
            enroll(
                recognizer,
                f"p{i}",
                write_clip(
                    tmp_path / "clip",
                    face=i if i % 3 else None,
                    voice=i if i % 4 else None if i % 3 else i,
                ),
            )
    with store.database.read() as connection:
        assert connection.scalar(text("SELECT people FROM person_codes_state")) >= 4
    for i in range(10):
        for face, voice in ((i, i), (i, None), (None, i)):
            clip = write_clip(tmp_path / "clip", face=face, voice=voice, sample=3)
            mine = identify(here, clip).decisions
            theirs = identify(there, clip).decisions
            for left, right in zip(mine.values(), theirs.values(), strict=True):
                assert (left.outcome, left.match and left.match.person_id) == (
                    right.outcome,
                    right.match and right.match.person_id,
                )
                assert left.margin == pytest.approx(right.margin, abs=1e-5)
    there.store.delete_person("p5")
    assert (
        identify(
            there, write_clip(tmp_path / "clip", face=5, voice=5, sample=3)
        ).decisions.fused.match
        is None
    )
    here.close()


def test_gone_and_back(store: Store, url: str, index: DatabaseIndex) -> None:
    store.enroll(NewPerson("a"), templates(1))
    from tests.support.postgres import run_on_server

    name = url.rsplit("?", 1)[0].rsplit("/", 1)[1]
    run_on_server(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    run_on_server(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    )
    with pytest.raises(StoreUnavailableError):
        index.near(probe(1))
    run_on_server(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert index.near(probe(1)).people == 1
