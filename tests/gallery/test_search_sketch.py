"""Sketches: they leave out codes, and nobody who is among the nearest."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from gallery.search import codes, sketch
from gallery.search.codes import SURE, decode, encode, find_rows
from gallery.search.sketch import Cut, Sketches, join, learn_axes, narrow, sample_rows
from tests.gallery.test_search_codes import rows_of
from utils.arrays import BoolArray, Float32Array, unit

ROWS = 20_000


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read as few codes at first as suits so small a gallery."""
    monkeypatch.setattr(sketch, "_FIRST", 500)
    monkeypatch.setattr(sketch, "_LEAST_BAND", 100)
    monkeypatch.setattr(sketch, "MOST", 0.3)
    monkeypatch.setattr(codes, "_LOOKS", (0.05, 0.3))


@pytest.fixture(scope="module")
def vectors() -> Float32Array:
    rng = np.random.default_rng(5)
    made = rows_of(rng, ROWS, 512)
    made[:150] = unit(made[0] + 0.02 * rows_of(rng, 150, 512))  # a crowd of one person
    made[150:200] = made[7]
    return made[rng.permutation(ROWS)]


@pytest.fixture(scope="module")
def sketches(vectors: Float32Array) -> Sketches:
    table = encode(vectors)
    made = Sketches(learn_axes(decode(table[sample_rows(ROWS)])))
    for start in (0, 7000):  # in two steps, as a gallery grows
        made.add(decode(table[start : 7000 if start == 0 else ROWS]))
    return made


def probe_near(vectors: Float32Array, number: int, noise: float) -> Float32Array:
    rng = np.random.default_rng(number)
    away = rows_of(rng, 1, vectors.shape[1])[0]
    return np.asarray(unit(vectors[rng.integers(len(vectors))] + noise * away), np.float32)


@pytest.mark.parametrize("share", [1.0, 0.7])
@pytest.mark.parametrize("noise", [0.3, 1.3, 3.0, 100.0])
def test_the_nearest_are_those_of_brute_force(
    vectors: Float32Array, sketches: Sketches, noise: float, share: float
) -> None:
    table = encode(vectors)
    where: BoolArray = np.random.default_rng(1).random(ROWS) < share
    for number in range(12):
        probe = probe_near(vectors, number, noise)
        exact = np.where(where, vectors @ probe, -np.inf)
        rows = find_rows(table, where, probe, sketches)
        assert where[rows].all()
        np.testing.assert_array_equal(np.sort(exact[rows])[-SURE:], np.sort(exact)[-SURE:])


def test_a_look_that_leaves_too_few_is_followed_by_another(
    vectors: Float32Array, sketches: Sketches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by a scan of all codes, which would fail here."""
    monkeypatch.setattr(codes, "_LOOKS", (0.004, 1.0))
    monkeypatch.setattr(codes, "_scan", None)
    table = encode(vectors)
    probe = probe_near(vectors, 3, 1.3)
    rows = find_rows(table, np.ones(ROWS, np.bool_), probe, sketches)
    exact = vectors @ probe
    np.testing.assert_array_equal(np.sort(exact[rows])[-SURE:], np.sort(exact)[-SURE:])


def test_few_codes_are_read() -> None:
    """Most of a vector lies along the directions, as of those of networks."""
    rng = np.random.default_rng(6)
    vectors = unit(rows_of(rng, ROWS, 512) / np.arange(1, 513, dtype=np.float32) ** 0.3)
    sketches = Sketches(learn_axes(vectors[:5000]))
    sketches.add(vectors)
    everybody = np.ones(ROWS, np.bool_)
    read = []
    for number in range(12):
        vector = probe_near(vectors, number, 1.3)
        probe = sketches.probe(vector)
        cut = sketches.cut(probe, everybody, sketch.MOST)
        assert cut is not None
        candidates = sketches.candidates(probe, everybody, cut, slice(0, ROWS))
        assert len(candidates.rows) < 2 * sketch.MOST * ROWS
        cosines = vectors @ vector
        narrowed = narrow(candidates, cut, probe.share, cosines.__getitem__, nearest=64)
        read.append(1.0 if narrowed is None else len(narrowed[0]) / ROWS)
    assert np.median(read) < 0.2


def test_parts_of_any_length_have_the_same_products(
    vectors: Float32Array, sketches: Sketches, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = sketches.probe(vectors[9])
    where: BoolArray = np.random.default_rng(4).random(ROWS) < 0.5
    products = sketches.multiply(probe, 0, ROWS)
    most = sketches.most(products, probe, 0)
    cut = Cut(1000, 9000)
    reach = where & ((products >= 1000) | (most >= 9000))
    expected = np.flatnonzero(reach)
    monkeypatch.setattr(sketch, "_ROWS_AT_ONCE", 333)
    parts = [slice(0, 1), slice(1, 7778), slice(7778, ROWS)]
    joined = join(sketches.candidates(probe, where, cut, part) for part in parts)
    np.testing.assert_array_equal(joined.rows, expected)
    np.testing.assert_array_equal(joined.products, products[expected])
    np.testing.assert_array_equal(joined.most, most[expected])


def test_threads_do_not_share_their_room(vectors: Float32Array, sketches: Sketches) -> None:
    everybody = np.ones(ROWS, np.bool_)

    def products_of(number: int) -> list[int]:
        probe = sketches.probe(vectors[number])
        taken = sketches.candidates(probe, everybody, Cut(500, 9000), slice(0, ROWS))
        return taken.products.tolist()

    alone = [products_of(number) for number in range(200)]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(products_of, range(200))) == alone


def test_whoever_differs_from_the_gallery_is_found(vectors: Float32Array) -> None:
    """Someone who lies beside all directions is as near along them as everybody else."""
    odd = np.zeros(512, np.float32)
    odd[-3:] = 1
    with_odd = np.concatenate([vectors, unit(odd[None])])
    table = encode(with_odd)
    sketches = Sketches(learn_axes(decode(table[sample_rows(ROWS)])))
    sketches.add(decode(table))
    probe = np.asarray(unit(odd + 0.02 * rows_of(np.random.default_rng(2), 1, 512)[0]), np.float32)
    rows = find_rows(table, np.ones(len(table), np.bool_), probe, sketches)
    assert ROWS in rows


def test_the_best_is_found_wherever_the_likeness_lies() -> None:
    """All of it lies beside the directions, along which everybody else is like the probe."""
    rng = np.random.default_rng(8)
    along = np.pad(rows_of(rng, ROWS, 128), ((0, 0), (0, 384)))
    vectors = unit(along + 0.3 * rows_of(rng, ROWS, 512))
    away = np.zeros(512, np.float32)
    away[-3:] = 1
    sides = (vectors[1] - (vectors[1] @ vectors[0]) * vectors[0], vectors[0])
    mine, probe = (
        unit((0.7 * unit(side[None])[0] + unit(away[None])[0])[None])[0] for side in sides
    )
    table = encode(np.concatenate([vectors, mine[None]]))
    sketches = Sketches(learn_axes(decode(table[:ROWS])))
    for rows in (table[:ROWS], table[ROWS:]):
        sketches.add(decode(rows))
    assert int(np.argmax(decode(table) @ probe)) == ROWS
    made = sketches.take(np.ones(len(table), np.bool_))
    for some in (sketches, made):
        assert ROWS in find_rows(table, np.ones(len(table), np.bool_), probe, some)


def test_a_cut_is_taken_from_the_rows_that_there_are(vectors: Float32Array) -> None:
    """Who came since the last search counts, too."""
    sketches = Sketches(learn_axes(vectors[:5000]))
    sketches.add(vectors[:5000])
    probe = sketches.probe(vectors[0])
    before = sketches.cut(probe, np.ones(5000, np.bool_), 0.1)
    sketches.add(np.repeat(vectors[:1], 5000, axis=0))
    after = sketches.cut(probe, np.ones(10_000, np.bool_), 0.1)
    gone = sketches.cut(probe, np.arange(10_000) < 5000, 0.1)
    assert before is not None
    assert after is not None
    assert gone is not None
    assert after.along > before.along
    assert gone.along < after.along, "rows out of use do not"


def test_short_vectors_are_sketched_whole() -> None:
    short = rows_of(np.random.default_rng(3), 3000, 16)
    sketches = Sketches(learn_axes(short))
    sketches.add(short)
    probe = sketches.probe(short[5])
    assert probe.share == pytest.approx(1, abs=1e-5)
    products = sketches.multiply(probe, 0, 3000) / 127**2
    np.testing.assert_allclose(products, short @ short[5], atol=0.02)
