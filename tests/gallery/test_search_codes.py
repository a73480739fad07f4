"""Index of codes: it finds whom the exact index finds, with the exact scores."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gallery.encryption.sealing import new_key, parse_key
from gallery.search import codes as codeindex
from gallery.search import sketch, sketching
from gallery.search.choose import GrowingIndex
from gallery.search.codes import CodeIndex, encode, find_rows, scores
from gallery.search.memory import ALL, MemoryIndex, Snapshot
from gallery.search.nearest import list_searches
from gallery.store import NewPerson, Store
from recognition.matching import SHORTLIST
from tests.support.gallery_parts import StubEncoders, open_gallery
from tests.support.remains import present_in
from tests.support.searching import best, fill, probe
from tests.support.templates import templates
from tests.support.waiting import until
from utils.arrays import Float32Array, unit
from utils.modality import Modality

pytestmark = pytest.mark.slow

FACE, VOICE, FUSED = ALL


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture(params=["codes", "sketches"])
def index(
    store: Store, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> CodeIndex:
    if request.param == "sketches":
        for module, name, value in (
            (sketching, "_LEAST_ROWS", 1),
            (sketch, "_FIRST", 128),
            (sketch, "_LEAST_ALONG", 0.0),
            (codeindex, "_LOOKS", (1.0,)),
            (sketch, "MOST", 1.0),
        ):
            monkeypatch.setattr(module, name, value)
    return CodeIndex(store, StubEncoders())


def test_a_code_is_the_vector_but_for_rounding() -> None:
    vectors = np.random.default_rng(1).standard_normal((300, 512)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[7] = 0
    codes = encode(vectors)
    assert codes.dtype == np.int8
    assert codes.shape == (300, 516)
    got = scores(codes, vectors[3])
    assert np.abs(got - vectors @ vectors[3]).max() < 0.004
    assert np.argmax(got) == 3
    assert got[7] == 0.0


@pytest.mark.parametrize("size", [4, 192, 512, 1024])
def test_products_of_codes_are_exact(size: int) -> None:
    """They are exact also where the sum of the products is as large as it gets.

    float32 counts integers up to 2^24.
    """
    rng = np.random.default_rng(size)
    vectors = np.sign(rng.standard_normal((50, size))).astype(np.float32)
    vectors[0] = 1.0
    got = scores(encode(vectors), vectors[0])
    np.testing.assert_allclose(got, vectors @ vectors[0], rtol=1e-6)


def test_threads_share_a_large_gallery(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = rows_of(np.random.default_rng(2), 1001, 16)
    everybody = np.ones(1001, np.bool_)
    alone = find_rows(encode(vectors), everybody, vectors[5])
    all_scores = scores(encode(vectors), vectors[5])
    small = {
        "_ROWS_TO_SHARE": 10,
        "THREADS": 3,
        "_ROWS_AT_ONCE": 7,
        "_READ_AT_ONCE": 3,
        "_READS_TO_SHARE": 10,
    }
    for name, value in small.items():
        monkeypatch.setattr(codeindex, name, value)
    some = np.random.default_rng(3).permutation(1001)[:200]
    got = codeindex._score_some(encode(vectors), vectors[5], some)
    np.testing.assert_array_equal(got, all_scores[some])
    assert set(find_rows(encode(vectors), everybody, vectors[5])) == set(alone)


def rows_of(rng: np.random.Generator, count: int, size: int) -> Float32Array:
    """Random vectors of unit length, whose first numbers are the largest."""
    rows = rng.standard_normal((count, size)) / np.arange(1, size + 1) ** 0.35
    return np.asarray(unit(rows.astype(np.float32)), np.float32)


@pytest.mark.parametrize("size", [16, 192, 512])
@pytest.mark.parametrize("at_once", [100, 8192])
def test_the_sure_ones_are_those_of_brute_force(
    size: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Crowds of nearly the same person, ties, and rows out of use change nothing."""
    monkeypatch.setattr(codeindex, "_ROWS_AT_ONCE", at_once)
    rng = np.random.default_rng(size)
    for _ in range(20):
        vectors = rows_of(rng, 3000, size)
        crowd = int(rng.integers(200))  # more nearly alike than are looked at
        vectors[:crowd] = unit(vectors[0] + 0.02 * rows_of(rng, crowd, size))
        vectors[crowd : crowd + 60] = vectors[7]
        vectors = vectors[rng.permutation(3000)]
        where = rng.random(3000) < 0.7
        near = unit(vectors[rng.integers(3000)] + rng.random() * rows_of(rng, 1, size)[0])
        exact = np.where(where, vectors @ near, -np.inf)
        found = find_rows(encode(vectors), where, near)
        assert where[found].all()
        assert len(found) == len(set(found.tolist()))
        np.testing.assert_array_equal(
            np.sort(exact[found])[-codeindex.SURE :], np.sort(exact)[-codeindex.SURE :]
        )


def test_few_of_many_are_compared_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is read, and they are those of brute force."""

    def scan(*_: object) -> None:
        raise AssertionError("every code was read")

    monkeypatch.setattr(codeindex, "_scan", scan)
    rng = np.random.default_rng(5)
    vectors = rows_of(rng, 3000, 64)
    where = rng.random(3000) < 0.08
    exact = np.where(where, vectors @ vectors[3], -np.inf)
    found = find_rows(encode(vectors), where, vectors[3])
    nearest = np.sort(exact)[-codeindex.SURE :]
    np.testing.assert_array_equal(np.sort(exact[found])[-codeindex.SURE :], nearest)


def test_as_many_are_sure_as_are_looked_at() -> None:
    assert codeindex.SURE >= SHORTLIST


def test_a_crowd_of_one_vector_is_bounded() -> None:
    """Where everybody is equally near, some of them are enough."""
    vectors = np.repeat(rows_of(np.random.default_rng(1), 1, 64), 20_000, axis=0)
    found = find_rows(encode(vectors), np.ones(20_000, np.bool_), vectors[0])
    assert codeindex.SURE <= len(found) <= codeindex._MOST_READ


def test_finds_whom_the_exact_index_finds(store: Store, index: CodeIndex) -> None:
    with store.database.write() as connection:
        fill(connection, store, 400)
    for i in range(30):
        store.enroll(NewPerson(f"p{i}"), templates(i, ("fv", "f", "v")[i % 3]))
        store.enroll(f"p{i}", templates(i, ("fv", "f", "v")[i % 3], sample=1))
    exact = MemoryIndex(store, StubEncoders()).snapshot()
    for i in range(30):
        asked = probe(i, ("fv", "f", "v")[i % 3])
        near = index.near(asked)
        assert near.people == exact.people == 430
        assert [near.count(m) for m in ALL] == [exact.count(m) for m in ALL]
        assert len(near.keys) < 5 * 64 + 1
        for m in asked:
            assert best(near, asked, m) == pytest.approx(best(exact, asked, m), abs=1e-6)


def test_the_first_fifty_are_the_exact_ones(store: Store, index: CodeIndex) -> None:
    """The decision looks at the same people as with the exact index, strangers too."""
    with store.database.write() as connection:
        fill(connection, store, 400)
    exact = MemoryIndex(store, StubEncoders()).snapshot()
    for i in (*range(100, 120), *range(5000, 5020)):
        asked = probe(i)
        near = index.near(asked)
        for m in asked:
            assert first(near, asked, m) == first(exact, asked, m)


def first(
    snapshot: Snapshot, asked: Mapping[Modality, Float32Array], modality: Modality, count: int = 50
) -> set[int]:
    rows = np.flatnonzero(snapshot.has[modality])
    order = rows[np.argsort(-(snapshot.vectors[modality][rows] @ asked[modality]))][:count]
    return {int(key) for key in snapshot.keys[order]}


def test_those_of_one_modality_are_found_among_many_of_both(store: Store, index: CodeIndex) -> None:
    with store.database.write() as connection:
        fill(connection, store, 200)
    store.enroll(NewPerson("alone"), templates(9001, "v"))
    asked = probe(9001)
    near = index.near(asked)
    assert "alone" in {ref.person_id for ref in near.refs.values()}
    assert (VOICE, True) in list_searches(asked)


def test_every_change_is_seen_at_once(store: Store, index: CodeIndex, tmp_path: Path) -> None:
    other = open_gallery(tmp_path / "data")
    for i in range(80):
        other.enroll(NewPerson(f"p{i}"), templates(i))
        if i % 20 == 0:
            assert best(index.near(probe(i)), probe(i), FUSED)[0] == f"p{i}"
    other.delete_person("p33")
    assert index.near(probe(33)).people == 79
    assert "p33" not in {ref.person_id for ref in index.near(probe(33)).refs.values()}
    other.enroll("p2", templates(777), replace=True)
    assert best(index.near(probe(777)), probe(777), FUSED)[0] == "p2"
    other.update_person("p1", name="Renamed")
    assert "Renamed" in {ref.name for ref in index.near(probe(1)).refs.values()}
    for i in range(40, 80):
        other.delete_person(f"p{i}")
    assert index.near(probe(5)).people == 39
    other.close()


def test_a_search_sees_the_state_that_it_began_with(
    store: Store, index: CodeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.enroll(NewPerson("a"), templates(1))
    real = codeindex.find_rows

    def slow(*arguments: Any) -> Any:
        if store.count() == 1:
            store.enroll(NewPerson("b"), templates(2))
            store.enroll("a", templates(3))
        return real(*arguments)

    asked = probe(1)
    before = best(index.near(asked), asked, FACE)
    monkeypatch.setattr(codeindex, "find_rows", slow)
    near = index.near(asked)
    assert (near.people, best(near, asked, FACE)) == (1, before)
    assert index.near(asked).people == 2
    assert best(index.near(asked), asked, FACE)[1] < before[1]
    assert best(index.near(probe(2)), probe(2), FACE)[0] == "b"


def test_a_deletion_amid_a_search_leaves_nothing(
    store: Store, index: CodeIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = "somebody-who-leaves"
    store.enroll(NewPerson(who), templates(1))
    asked = probe(1)
    index.near(asked)
    assert present_in(tmp_path, who.encode())
    real = codeindex.find_rows
    deleting = threading.Thread(target=store.delete_person, args=[who])

    def find_meanwhile(*arguments: Any) -> Any:
        if not deleting.ident:
            deleting.start()
        until(lambda: store.count() == 0)
        return real(*arguments)

    monkeypatch.setattr(codeindex, "find_rows", find_meanwhile)
    assert index.near(asked).people == 1, "the state that it began with"
    deleting.join()
    assert not present_in(tmp_path, who.encode())
    assert index.near(asked).people == 0
    store.record_answer("identify", "accepted", person_id=who, named=())
    assert store.events()[0].person_key is None


def test_a_sealed_gallery_is_searched_too(tmp_path: Path) -> None:
    sealed = open_gallery(tmp_path, codec=parse_key(new_key(), "the test"))
    sealed.enroll(NewPerson("a"), templates(1))
    assert best(CodeIndex(sealed, StubEncoders()).near(probe(1)), probe(1), FUSED)[0] == "a"
    sealed.close()


def test_empty(index: CodeIndex) -> None:
    near = index.near(probe(1))
    assert (near.people, len(near.keys)) == (0, 0)


def test_a_gallery_that_grows_goes_over_to_codes(store: Store) -> None:
    index = GrowingIndex(store, StubEncoders(), many=3)
    for i in range(6):
        store.enroll(NewPerson(f"p{i}"), templates(i))
        assert best(index.near(probe(i)), probe(i), FUSED)[0] == f"p{i}"
    assert index.near(probe(1)).refs
    assert isinstance(index._index, CodeIndex)
    assert isinstance(GrowingIndex(store, StubEncoders(), many=3)._index, CodeIndex)
    assert index.snapshot().people == 6
