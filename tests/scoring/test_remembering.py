"""A norm that remembers says what the norm says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from scoring import norms, remembering
from scoring.calibration import Calibration
from scoring.remembering import RememberingNorm, with_memory
from tests.support.gallery_parts import CALIBRATION
from tests.support.norms import NORM
from utils.arrays import Float32Array, Float64Array
from utils.modality import PerModality


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many embeddings were looked at, each time."""
    counts: list[int] = []
    real = norms.cohort_features

    def count(vectors: Sequence[object], cohort: Float32Array) -> Float64Array:
        counts.append(len(vectors))
        return real(vectors, cohort)  # type: ignore[arg-type]

    monkeypatch.setattr(norms, "cohort_features", count)
    return counts


def test_each_person_is_looked_at_once_and_new_ones_together(asked: list[int]) -> None:
    normed = replace(CALIBRATION, norm=NORM)
    kept = with_memory(PerModality[Calibration](normed, normed, CALIBRATION))
    assert kept.voice == CALIBRATION
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(5, NORM.cohort.shape[1])).astype(np.float32)
    expected = NORM.person(rows)
    asked.clear()
    for wanted in ([0], [2, 1, 0, 3], [3, 2]):
        np.testing.assert_allclose(
            kept.face.norm.person(rows[wanted]), expected[wanted], rtol=0, atol=1e-7
        )
    assert asked == [1, 3]
    assert kept.face.norm.person(rows[:0]).shape == (0,)


@pytest.mark.parametrize("count", [3, 31])
def test_entries_are_measured_as_probes_and_people_by_one_look(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Few of them by one thread, those of a search by several."""
    monkeypatch.setattr(remembering, "THREADS", 3)
    norm = RememberingNorm(NORM.cohort, NORM.numbers)
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(count, NORM.cohort.shape[1])).astype(np.float32)
    level, scale = NORM.probe(rows)
    raised = norm.person(rows)
    np.testing.assert_allclose(raised, NORM.person(rows), rtol=0, atol=1e-6)
    monkeypatch.setattr(RememberingNorm, "_work_out", None)  # nobody is looked at again
    for measured in (norm.entry(rows), NORM.entry(rows)):
        np.testing.assert_allclose(measured[0], level + raised, rtol=0, atol=1e-6)
        np.testing.assert_allclose(measured[1], scale, rtol=0, atol=1e-6)


def test_a_probe_leaves_nothing_behind(asked: list[int]) -> None:
    norm = RememberingNorm(NORM.cohort, NORM.numbers)
    probe = np.eye(1, NORM.cohort.shape[1], dtype=np.float32)
    np.testing.assert_array_equal(norm.probe(probe, 2.0), NORM.probe(probe, 2.0))
    asked.clear()
    norm.person(probe)
    assert asked == [1]


@pytest.mark.parametrize("known", [0, 3, 30])
def test_a_search_says_what_probe_and_people_say_alone(
    monkeypatch: pytest.MonkeyPatch, known: int
) -> None:
    """By one look at the cohort, which leaves nothing of the probe behind."""
    norm = RememberingNorm(NORM.cohort, NORM.numbers)
    rows = np.random.default_rng(3).normal(size=(31, NORM.cohort.shape[1])).astype(np.float32)
    probe = rows[0]
    people = rows[1:]
    norm.person(people[:known])
    looks: list[int] = []
    work_out = RememberingNorm._work_out

    def look(self: RememberingNorm, asked: Float32Array) -> Float64Array:
        looks.append(len(asked))
        return work_out(self, asked)

    monkeypatch.setattr(RememberingNorm, "_work_out", look)
    for one in (norm, NORM):
        level, scale, raised = one.search(probe, 2.0, people)
        np.testing.assert_allclose(raised, NORM.person(people), rtol=0, atol=1e-6)
        assert [[level], [scale]] == pytest.approx(np.array(NORM.probe(probe[None], 2.0)), abs=1e-6)
    assert looks == [31 - known]
    norm.person(probe[None])
    assert looks == [31 - known, 1]


def test_who_was_asked_about_longest_ago_goes_first(
    asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembering, "MOST", 2)
    norm = RememberingNorm(NORM.cohort, NORM.numbers)
    first, second, third = np.eye(3, NORM.cohort.shape[1], dtype=np.float32)[:, None]
    for row in (first, second, first, third):
        norm.person(row)
    asked.clear()
    assert len(norm.person(np.concatenate([first, third, second]))) == 3
    assert asked == [1]
    norm.person(third)
    assert asked == [1]
