"""The cohort beside the weights, which is refused when it is another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from network.serving.card import COHORT_FILE, read_card
from network.serving.encoder import load_encoders
from scoring.calibration import Calibration
from scoring.impostor_table import ImpostorTable
from scoring.norms import OTHERS, Coefficients, CohortNorm
from tests.support.gallery_parts import CALIBRATION
from tests.support.tiny import tiny_models
from train.calibration.galleries import Fold
from train.calibration.people import People, as_stored
from train.calibration.publish import store
from train.data.tables import Table
from utils.arrays import EMBEDDING_SIZE, Float32Array
from utils.errors import ModelError
from utils.modality import Modality

NUMBERS = Coefficients(
    level=(0.0, 1.0, 0.0, 0.02),
    scale=(0.1, 0.0, 1.0, 0.05),
    least_scale=0.01,
    person=0.5,
    person_mean=0.2,
    others=0.7,
    impostors=ImpostorTable((0.9, 0.5, 0.1, 0.01), (-2.0, -1.0, 0.5, 1.5)),
)

Models = tuple[Path, dict[Modality, Float32Array]]
"""Folder of the networks, and the cohort of each modality."""


@pytest.fixture
def models(tmp_path: Path) -> Models:
    """Make networks with cohorts of faces and voices, and numbers for the joined one."""
    folder = tiny_models(tmp_path)
    cohorts = {
        name: as_stored(
            np.random.default_rng(i).normal(size=(40, EMBEDDING_SIZE)).astype(np.float32)
        )
        for i, name in enumerate(Modality)
    }
    nobody = Table(
        vectors=np.zeros((0, EMBEDDING_SIZE), np.float32),
        person=np.zeros(0, int),
        file=np.zeros(0, int),
        condition=np.zeros(0, int),
        names=(),
        conditions=("clean",),
        seconds=np.zeros(0, np.float32),
        quality=np.zeros((0, 1), np.float32),
    )
    people = {name: People((Fold(nobody, cohort),), cohort) for name, cohort in cohorts.items()}
    made = {
        name: Calibration(
            slope=2.0,
            intercept=-3.0,
            impostors=ImpostorTable((0.5, 0.1, 0.01), (-1.0, 0.5, 1.5)),
            norm=CohortNorm(cohort, NUMBERS),
            cosine=CALIBRATION,
        )
        for name, cohort in cohorts.items()
    }
    store(folder, people, made, "a test")
    return folder, cohorts


def test_it_is_read_back_as_it_was(models: Models) -> None:
    folder, cohorts = models
    encoders = load_encoders(folder)
    for name, encoder in (("face", encoders.face), ("voice", encoders.voice)):
        np.testing.assert_allclose(encoder.calibration.norm.cohort, cohorts[name], atol=1e-4)
        assert encoder.calibration.norm.numbers == NUMBERS
        assert encoder.calibration.cosine == CALIBRATION
        assert (folder / name / COHORT_FILE).stat().st_size < 42 * 2 * EMBEDDING_SIZE + 128
    assert not (folder / "fusion" / COHORT_FILE).exists()
    joined = encoders.fusion.fuse(cohorts["face"], cohorts["voice"])
    np.testing.assert_allclose(encoders.fusion.calibration.norm.cohort, joined, atol=1e-3)


@pytest.mark.parametrize("harm", ["gone", "another"])
def test_another_cohort_is_refused(models: Models, harm: str) -> None:
    folder, _ = models
    file = folder / "face" / COHORT_FILE
    file.unlink() if harm == "gone" else np.save(file, np.ones((4, EMBEDDING_SIZE), np.float16))
    with pytest.raises(ModelError, match="cohort"):
        load_encoders(folder)


def test_a_fusion_whose_cohort_is_gone_does_not_serve(models: Models) -> None:
    folder, _ = models
    card = read_card(folder / "fusion")
    with pytest.raises(ModelError, match="cannot be used"):
        card.require_calibration()


def test_expect_of_the_nearest_fall_and_rise_with_the_number_of_people() -> None:
    norm = CohortNorm(np.eye(10, 16, dtype=np.float32), NUMBERS)
    few = norm.expect(10, OTHERS)
    many = norm.expect(100_000, OTHERS)
    assert (np.diff(few) < 0).all()
    assert (many > few).all()
    assert many[0] > NUMBERS.impostors.scores[-1]  # beyond the table
    assert norm.surplus(few, 10) == pytest.approx(0.0, abs=1e-9)
    assert norm.surplus(few + 1, 10) == pytest.approx(1.0)
    assert norm.surplus(norm.expect(2, 2) + 1, 2) == pytest.approx(1.0)
    assert norm.deduction(norm.expect(2, 2) + 1, 2) == pytest.approx(NUMBERS.others * 2 / OTHERS)
    assert norm.surplus([], 0) == 0.0


@pytest.mark.parametrize(
    "bad",
    [
        {"level": (0.0, 1.0)},
        {"scale": (0.1, 0.0, 1.0, 0.0, 0.0)},
        {"least_scale": 0.0},
        {"others": 1.2},
    ],
)
def test_what_cannot_be_numbers_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Received"):
        Coefficients(**{**vars(NUMBERS), **bad})
