"""Index of codes under random changes: it stays equal to brute force, in every state."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np
import pytest

from gallery.search import codes as codeindex
from gallery.search import memory, sketch, sketching
from gallery.search.codes import CodeArray, CodeIndex, decode
from gallery.search.memory import ALL, MemoryIndex, Snapshot
from gallery.search.sketch import Sketches
from gallery.store import NewPerson, Store
from recognition.matching import SHORTLIST
from tests.support.gallery_parts import StubEncoders
from tests.support.searching import fill, probe
from tests.support.templates import templates
from tests.support.waiting import LIMIT_S, until
from utils.arrays import Float32Array
from utils.modality import Modality

pytestmark = pytest.mark.slow

PEOPLE = 150
CHANGES = 60


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sketch so small a gallery, a few rows a change, and move rows after few deletions."""
    for module, name, value in (
        (sketching, "_LEAST_ROWS", PEOPLE),
        (sketching, "_ROWS_NOW", 40),
        (sketching, "_ROWS_AT_ONCE", 16),
        (codeindex, "_ROWS_AT_ONCE", 16),
        (memory, "_LEAST_ROWS", 4),
        (memory, "_MOST_ROWS", 1.1),
        (sketch, "_FIRST", 100),
        (sketch, "_LEAST_ALONG", 0.0),
        (codeindex, "_LOOKS", (1.0,)),
        (sketch, "MOST", 1.0),
    ):
        monkeypatch.setattr(module, name, value)


def ranked(
    snapshot: Snapshot, asked: Mapping[Modality, Float32Array], modality: Modality
) -> list[str]:
    """Ids of the nearest people, the best first."""
    rows = np.flatnonzero(snapshot.has[modality])
    order = rows[np.argsort(-(snapshot.vectors[modality][rows] @ asked[modality]))][:SHORTLIST]
    return [snapshot.refs[int(snapshot.keys[row])].person_id for row in order]


def change(store: Store, rng: np.random.Generator, number: int, there: list[str]) -> int:
    """Enrol, delete, or replace the templates of somebody. Returns whom to ask for."""
    kind = rng.integers(3)
    modalities = ("fv", "f", "v")[rng.integers(3)]
    if kind == 0:
        there.append(f"new-{number}")
        store.enroll(NewPerson(there[-1]), templates(1000 + number, modalities))
    elif kind == 1:
        store.delete_person(there.pop(int(rng.integers(len(there)))))
    else:
        person_id = there[int(rng.integers(len(there)))]
        store.enroll(person_id, templates(1000 + number, modalities), replace=True)
    return 1000 + number


def assert_sketches_are_of(sketches: Sketches, table: CodeArray) -> None:
    """The sketches are of these rows, one by one."""
    fresh = Sketches(sketches._axes)
    fresh.add(decode(table))
    np.testing.assert_array_equal(sketches._rows[: len(table)], fresh._rows[: len(table)])


def test_random_changes_are_seen_at_once(store: Store) -> None:
    rng = np.random.default_rng(11)
    with store.database.write() as connection:
        fill(connection, store, PEOPLE - 10)
    there = [f"many-{number}" for number in range(PEOPLE - 10)]
    index = CodeIndex(store, StubEncoders())
    exact = MemoryIndex(store, StubEncoders())
    first = index.snapshot()
    assert first.people == PEOPLE - 10
    for number in range(12):
        there.append(f"more-{number}")
        store.enroll(NewPerson(there[-1]), templates(500 + number))
    seen = set()
    for number in range(CHANGES):
        for identity in (change(store, rng, number, there), int(rng.integers(100, 250))):
            asked = probe(identity)
            near = index.near(asked)
            everybody = exact.snapshot()
            assert near.people == everybody.people == len(there)
            for modality in ALL:
                assert near.count(modality) == everybody.count(modality)
                assert ranked(near, asked, modality) == ranked(everybody, asked, modality)
        until_sketched(index)
        codes = index.snapshot()
        sketches = index._sketching.of(codes, Modality.FACE)
        seen.add((codes.layout > first.layout, sketches is not None))
        if sketches is not None:
            assert_sketches_are_of(sketches, np.asarray(codes.vectors[Modality.FACE], np.int8))
    assert {(False, True), (True, True)} <= seen, "sketches move with their rows"


@pytest.mark.parametrize("step", ["take", "add"])
def test_a_search_goes_on_where_sketches_find_no_memory(
    store: Store, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with store.database.write() as connection:
        fill(connection, store, PEOPLE + 50)
    index = CodeIndex(store, StubEncoders())
    exact = MemoryIndex(store, StubEncoders())
    sketch_all(index)
    assert index._sketching.of(index.snapshot(), Modality.FACE) is not None
    real = getattr(Sketches, step)
    failures = [MemoryError()]

    def failing(*arguments: object) -> object:
        if failures:
            raise failures.pop()
        return real(*arguments)

    monkeypatch.setattr(Sketches, step, failing)
    for number in range(30):
        store.delete_person(f"many-{number}")
    for number in range(3):
        store.enroll(NewPerson(f"late-{number}"), templates(1000 + number))
        asked = probe(1000 + number)
        near = index.near(asked)
        assert not failures
        for modality in ALL:
            assert ranked(near, asked, modality) == ranked(exact.snapshot(), asked, modality)


def sketch_all(index: CodeIndex) -> None:
    """Search once, and wait for the sketches that this begins."""
    index.near(probe(1))
    until_sketched(index)


def until_sketched(index: CodeIndex) -> None:
    until(lambda: not index._sketching._turn.locked(), every_s=0.001)


def test_searches_go_on_while_rows_are_sketched(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those after a change, which moves rows meanwhile."""
    with store.database.write() as connection:
        fill(connection, store, PEOPLE + 50)
    index = CodeIndex(store, StubEncoders())
    exact = MemoryIndex(store, StubEncoders())
    begun = threading.Event()
    go_on = threading.Event()
    real = Sketches.add

    def add(self: Sketches, vectors: Float32Array) -> None:
        begun.set()
        assert go_on.wait(LIMIT_S)
        real(self, vectors)

    monkeypatch.setattr(Sketches, "add", add)
    try:
        for number in range(40):
            asked = probe(number)
            assert ranked(index.near(asked), asked, Modality.FACE) == ranked(
                exact.snapshot(), asked, Modality.FACE
            )
            assert begun.wait(LIMIT_S)
            store.delete_person(f"many-{number}")
        assert index._sketching._turn.locked(), "the first rows are still sketched"
    finally:
        go_on.set()
    until_sketched(index)
    sketch_all(index)
    codes = index.snapshot()
    sketches = index._sketching.of(codes, Modality.FACE)
    assert sketches is not None
    assert_sketches_are_of(sketches, np.asarray(codes.vectors[Modality.FACE], np.int8))


def test_what_few_people_have_is_not_sketched(store: Store) -> None:
    for number in range(PEOPLE):
        store.enroll(NewPerson(f"p{number}"), templates(number, "f" if number else "fv"))
    index = CodeIndex(store, StubEncoders())
    sketch_all(index)
    assert list(index._sketching._made[1]) == [Modality.FACE]
