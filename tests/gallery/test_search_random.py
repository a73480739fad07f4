"""Random galleries of codes and sketches: the best is always that of brute force."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest

from gallery.search import codes, sketch
from gallery.search.codes import decode, encode, find_rows
from gallery.search.sketch import Sketches, learn_axes
from tests.gallery.test_search_codes import rows_of
from utils.arrays import BoolArray, Float32Array, unit

ROWS = 3000
SIZE = 96
GALLERIES = 8
PROBES = 20


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read as few codes at first as suits so small a gallery, in pieces and shares."""
    for module, name, value in (
        (sketch, "_FIRST", 70),
        (sketch, "_LEAST_BAND", 60),
        (sketch, "_ROWS_AT_ONCE", 333),
        (sketch, "MOST", 0.4),
        (codes, "_LOOKS", (0.05, 0.4)),
        (codes, "_ROWS_TO_SHARE", 100),
    ):
        monkeypatch.setattr(module, name, value)


@dataclass(frozen=True)
class Gallery:
    """People (n, size), those who count, and probes that are like one of them."""

    vectors: Float32Array
    where: BoolArray
    probes: Float32Array

    def part(self, rows: BoolArray) -> Gallery:
        """Take some of the people."""
        return Gallery(self.vectors[rows], self.where[rows], self.probes)


def draw_people(rng: np.random.Generator) -> Float32Array:
    """People whose vectors lie along few directions or many, some crowded or equal."""
    spread = np.arange(1, SIZE + 1) ** rng.uniform(0.0, 1.0)
    rotation = np.linalg.qr(rng.standard_normal((SIZE, SIZE)))[0]
    vectors = unit((rng.standard_normal((ROWS, SIZE)) / spread @ rotation).astype(np.float32))
    crowd = int(rng.integers(1, 200))
    vectors[:crowd] = unit(vectors[0] + 0.1 * rows_of(rng, crowd, SIZE))
    vectors[crowd : crowd + 70] = vectors[crowd]
    vectors[-10:] = 0  # rows out of use
    return vectors


def draw_gallery(rng: np.random.Generator, people: Float32Array, axes: Float32Array) -> Gallery:
    """Some of the probes are like a person beside the axes, and not along them."""
    vectors = people.copy()
    mine = rng.choice(ROWS, PROBES, replace=False)
    others = rng.integers(ROWS, size=PROBES)
    noise = rng.uniform(0, 2, (PROBES, 1)) * rows_of(rng, PROBES, SIZE)
    probes = people[mine] + rng.uniform(0, 1, (PROBES, 1)) * people[others] + noise
    odd = rng.random(PROBES) < 0.5
    rest = rows_of(rng, PROBES, SIZE)
    beside = unit(rest - rest @ axes @ axes.T)
    along = [unit(rows_of(rng, PROBES, SIZE) @ axes @ axes.T) for _ in range(2)]
    share = rng.uniform(0.6, 0.9, (PROBES, 1))
    vectors[mine[odd]] = unit(share * beside + (1 - share) * along[0])[odd]
    probes[odd] = (share * beside + (1 - share) * along[1])[odd]
    where = rng.random(ROWS) < rng.uniform(0.5, 1)
    where[mine] = True
    return Gallery(vectors.astype(np.float32), where, unit(probes).astype(np.float32))


def test_the_best_of_any_gallery_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also among those who are left once others are gone and rows are moved."""
    ways = count_ways(monkeypatch)
    for seed in range(GALLERIES):
        rng = np.random.default_rng(seed)
        people = draw_people(rng)
        axes = learn_axes(people[::3])[:, : int(rng.integers(8, 65))]
        gallery = draw_gallery(rng, people, axes)
        sketches = Sketches(axes)
        for part in np.array_split(decode(encode(gallery.vectors)), 3):
            sketches.add(part)
        assert_best_found(gallery, sketches)
        left = rng.random(ROWS) < 0.8
        assert_best_found(gallery.part(left), sketches.take(left))
    assert min(ways["few"], ways["all"]) > GALLERIES, "both ways are tried"


def assert_best_found(gallery: Gallery, sketches: Sketches) -> None:
    table = encode(gallery.vectors)
    for probe in gallery.probes:
        exact = np.where(gallery.where, gallery.vectors @ probe, -np.inf)
        rows = find_rows(table, gallery.where, probe, sketches)
        assert gallery.where[rows].all()
        assert exact[rows].max() == exact.max()


def count_ways(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count searches that read few codes, and those that read all."""
    ways = Counter[str]()
    narrow = codes._narrow

    def count(*arguments: object) -> object:
        found = narrow(*arguments)  # type: ignore[arg-type]
        ways["all" if found is None else "few"] += 1
        return found

    monkeypatch.setattr(codes, "_narrow", count)
    return ways
