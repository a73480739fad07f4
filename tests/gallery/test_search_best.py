"""The best is found wherever its likeness lies: what sketches leave out cannot be nearer."""

from __future__ import annotations

import numpy as np
import pytest

from gallery.search import codes, sketch
from gallery.search.codes import decode, encode, find_rows
from gallery.search.sketch import Candidates, Cut, Sketches, narrow
from tests.gallery.test_search_codes import rows_of
from utils.arrays import BoolArray, Float32Array, unit

ROWS = 3000
EVERYBODY: BoolArray = np.ones(ROWS, np.bool_)
DIRECTIONS = 128
AXES = np.eye(512, DIRECTIONS, dtype=np.float32)
MINE = 5
NEAR = 6


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read as few codes at first as suits so small a gallery."""
    monkeypatch.setattr(sketch, "_FIRST", 500)
    monkeypatch.setattr(sketch, "_LEAST_BAND", 100)
    monkeypatch.setattr(sketch, "MOST", 0.3)
    monkeypatch.setattr(codes, "_LOOKS", (0.3,))


def strangers(beside: Float32Array) -> Float32Array:
    """People of random vectors, so long beside the directions. None has number 511."""
    rng = np.random.default_rng(0)
    along = rows_of(rng, ROWS, DIRECTIONS) * np.sqrt(1 - beside**2)[:, None]
    side = rows_of(rng, ROWS, 300) * beside[:, None]
    return np.hstack([along, np.zeros((ROWS, 72)), side, np.zeros((ROWS, 12))]).astype(np.float32)


def of_steps(*parts: tuple[int, int, float]) -> Float32Array:
    """A vector of these numbers of 1 / 127 from one place on to another."""
    made = np.zeros(512, np.float32)
    for start, end, steps in parts:
        made[start:end] = steps / 127
    return made


def fill_up(vector: Float32Array, start: int, end: int) -> Float32Array:
    """Make a vector as long as one by equal numbers in these places."""
    made = vector.copy()
    made[start:end] = np.sqrt((1 - made @ made) / (end - start))
    return made


def test_the_best_is_found_if_it_is_no_candidate() -> None:
    """It is like the probe in one number beside the directions. Many are longer there."""
    rng = np.random.default_rng(1)
    vectors = strangers(np.where(rng.random(ROWS) < 0.4, 0.9, 0.3).astype(np.float32))
    along, away = rows_of(rng, 2, DIRECTIONS)
    away = unit((away - (away @ along) * along)[None])[0]
    probe = np.concatenate([0.8 * along, np.zeros(383), [0.6]]).astype(np.float32)
    mine = np.concatenate([0.66 * away, np.zeros(384)]).astype(np.float32)
    vectors[MINE] = fill_up(mine, 511, 512)
    table = encode(vectors)
    sketches = Sketches(AXES)
    sketches.add(decode(table))
    asked = sketches.probe(probe)
    cut = sketches.cut(asked, EVERYBODY, sketch.MOST)
    assert cut is not None
    assert MINE not in sketches.candidates(asked, EVERYBODY, cut, slice(0, ROWS)).rows
    assert int(np.argmax(vectors @ probe)) == MINE
    assert MINE in find_rows(table, EVERYBODY, probe, sketches)


def test_the_best_is_found_if_all_numbers_are_rounded_down() -> None:
    """Its sketch is below the next best by more than the length beside makes up for.

    Lengths beside that were rounded as the others are would leave it out.
    """
    vectors = strangers(np.full(ROWS, 0.2, np.float32))
    probe = fill_up(of_steps((0, 48, 10.46), (48, 100, 12), (128, 164, 57.45 / 6)), 100, 101)
    mine = of_steps((0, 48, 10.46), (48, 100, -8), (128, 164, 78.35 / 6))
    vectors[MINE] = fill_up(mine, 101, 128)
    along = np.where(np.arange(512) < DIRECTIONS, probe, 0)
    near = (vectors[MINE] @ probe - 0.002) / (along @ along) * along
    vectors[NEAR] = fill_up(near.astype(np.float32), 164, 200)
    assert np.argsort(vectors @ probe)[-2:].tolist() == [NEAR, MINE]
    table = encode(vectors)
    sketches = Sketches(AXES)
    sketches.add(decode(table))
    asked = sketches.probe(probe)
    most = sketches.most(sketches.multiply(asked, MINE, MINE + 1), asked, MINE)[0] / 127**2
    assert most < decode(table)[NEAR] @ probe - 0.015
    assert MINE in find_rows(table, EVERYBODY, probe, sketches)


def test_without_a_candidate_all_are_compared() -> None:
    nobody = np.zeros(0, np.int64)
    candidates = Candidates(nobody, nobody.astype(np.int32), nobody.astype(np.int32))
    assert narrow(candidates, Cut(0, 0), 0.5, lambda _: np.zeros(0, np.float32), nearest=64) is None
