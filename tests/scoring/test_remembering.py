"""A norm that remembers says what the norm says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scoring import norms, remembering
from scoring.calibration import Calibration
from scoring.remembering import RememberingNorm, with_memory
from tests.support.gallery_parts import CALIBRATION
from tests.support.norms import NORM
from utils.modality import PerModality


def test_what_is_remembered_is_the_same_and_looked_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    normed = replace(CALIBRATION, norm=NORM)
    kept = with_memory(PerModality[Calibration](normed, normed, CALIBRATION))
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(3, NORM.cohort.shape[1])).astype(np.float32)
    first = kept.face.norm.probe(rows, 2.0)
    np.testing.assert_allclose(first, NORM.probe(rows, 2.0), rtol=1e-6)
    assert kept.face.norm.features(np.zeros((0, 4))).shape == (0, 3)
    monkeypatch.setattr(norms, "cohort_features", None)
    np.testing.assert_array_equal(
        kept.face.norm.probe(rows[[2, 0]], 2.0), np.array(first)[:, [2, 0]]
    )
    assert kept.voice == CALIBRATION


def test_what_was_asked_about_longest_ago_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembering, "MOST", 2)
    norm = RememberingNorm(NORM.cohort, NORM.numbers)
    first, second, third = np.eye(3, NORM.cohort.shape[1], dtype=np.float32)[:, None]
    for row in (first, second, first, third):
        norm.features(row)
    monkeypatch.setattr(norms, "cohort_features", None)
    norm.features(np.concatenate([first, third]))
    with pytest.raises(TypeError):
        norm.features(second)
