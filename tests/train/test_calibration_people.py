"""Who is measured against which cohort: research data, own people, and answers."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scoring.calibration import Calibration
from scoring.norms import CohortNorm, NoNorm
from tests.support.people_tables import SIZE, Crowd, Fitted, crowd
from train.calibration.fit import fit_people
from train.calibration.gather import comparable
from train.calibration.people import (
    FULL,
    People,
    ResearchTables,
    cohort_of,
    folds_of,
    own_people,
    research_people,
)
from utils.arrays import Float32Array, unit
from utils.modality import Modality


def test_cohorts_are_of_everybody_alike() -> None:
    people = crowd(people=50, files=3)
    cohort = cohort_of(people)
    owners = people.under("clean").person[
        np.argmax(cohort @ people.under("clean").vectors.T, axis=1)
    ]
    assert np.bincount(owners).tolist() == [3] * 50


def fuse(face: Float32Array, voice: Float32Array) -> Float32Array:
    joined = np.concatenate([face, voice], axis=1) / np.float32(np.sqrt(2))
    return joined.astype(np.float32)


@pytest.fixture(scope="module")
def research() -> ResearchTables:
    """People under the measured conditions, and ten voices for the cohort alone."""
    return ResearchTables(
        faces=Crowd(24, 3, conditions=("clean", "blur", "dark")).table(),
        voices=Crowd(24, 3, conditions=("clean", "noise 0 dB", "1 s", "2 s"), seed=1).table(),
        cohort_voices=Crowd(10, 1, seed=5).table().vectors,
        cohort_faces=Crowd(12, 1, seed=6).table().vectors,
        places=[{Modality.FACE: Crowd(8, 3, seed=7).table()}],
        sources=[{Modality.VOICE: Crowd(9, 3, seed=8).table()}],
    )


def test_measured_people_are_not_in_their_cohort(research: ResearchTables) -> None:
    for both in folds_of(research, fuse).values():
        for fold in both:
            assert (fold.table.under(fold.clean).vectors @ fold.cohort.T).max() < 0.999


def test_voices_of_other_data_sets_are_in_the_cohorts_of_voices(research: ResearchTables) -> None:
    more = research.cohort_voices
    faces = research.cohort_faces
    assert faces is not None
    folds = folds_of(research, fuse)
    for half in (0, 1):
        assert count_in(more, folds[Modality.FACE][half].cohort) == 0
        assert count_in(faces, folds[Modality.FACE][half].cohort) == 12
        voices = folds[Modality.VOICE][half].cohort
        assert count_in(more, voices) == len(more)
        assert 0 < count_in(more, voices[: len(more)]) < len(more), "mixed, neither kind first"
        fused = folds[Modality.FUSED][half].cohort
        assert 0 < count_in(more, fused[:, SIZE:]) < len(fused), "both kinds, wherever it is cut"
        assert 0 < count_in(faces, fused[:, :SIZE]) < len(fused)


def count_in(rows: Float32Array, cohort: Float32Array) -> int:
    """How many of `rows` are in a cohort."""
    return int((unit(cohort) @ rows.T > 0.999).sum())


def test_faces_of_a_place_are_joined_with_voices_of_a_source(research: ResearchTables) -> None:
    """Nobody of one place is seen and heard there: pseudo-persons stand in."""
    encoders = SimpleNamespace(fusion=SimpleNamespace(fuse=fuse))
    people = research_people(encoders, research)  # type: ignore[arg-type]
    (joined,) = people[Modality.FUSED].alike
    assert len(np.unique(joined.table.person)) == 8
    assert [len(people[modality].alike) for modality in (Modality.FACE, Modality.VOICE)] == [1, 1]


class Encoder:
    """An encoder with this calibration, or without."""

    def __init__(self, calibration: Calibration | None) -> None:
        self.calibration = calibration
        self.card = SimpleNamespace(calibration=calibration and calibration.to_dict())


def encoders_with(calibration: Calibration | None) -> Any:
    encoder = Encoder(calibration)
    return SimpleNamespace(face=encoder, voice=encoder, fusion=encoder)


def test_few_own_people_are_set_against_the_cohort_that_is_there(fitted: Fitted) -> None:
    _, calibration = fitted
    few = {Modality.FACE: crowd(people=20)}
    people = own_people(encoders_with(calibration), few)[Modality.FACE]
    assert people.norm is calibration.norm
    made = fit_people(people, calibration)
    assert len(made.impostors.rates) > len(calibration.impostors.rates) / 2
    assert made.norm is calibration.norm
    assert made.cosine is not None
    bare = own_people(encoders_with(None), few)[Modality.FACE]
    assert bare.cohort is None
    assert fit_people(bare).norm == NoNorm()


def test_what_poor_quality_costs_is_not_fitted_to_few_good_clips(fitted: Fitted) -> None:
    _, calibration = fitted
    shipped = dataclasses.replace(calibration, slope_lost=(0.3,), intercept_lost=(-1.9,))
    people = own_people(encoders_with(shipped), {Modality.FACE: crowd(people=20)})
    made = fit_people(people[Modality.FACE], shipped)
    share = made.slope / shipped.slope
    assert made.slope_lost == pytest.approx((0.3 * share,))
    assert made.intercept_lost == pytest.approx((-1.9 * share,))


def test_parts_of_one_clip_are_compared_as_before_any_own_people(fitted: Fitted) -> None:
    _, shipped = fitted
    calibration = shipped
    for count in (20, 25):
        people = own_people(encoders_with(calibration), {Modality.FACE: crowd(people=count)})
        calibration = fit_people(people[Modality.FACE], calibration)
        read = Calibration.from_dict(calibration.to_dict(), shipped.norm.cohort)
        assert read.slope != shipped.slope
        assert read.of_one_clip.llr([0.0, 2.0]) == pytest.approx(shipped.llr([0.0, 2.0]))
        assert read.of_one_clip.scale_id == shipped.scale_id


def test_many_own_people_make_a_cohort() -> None:
    many = {Modality.FACE: crowd(people=FULL)}
    people = own_people(encoders_with(None), many)[Modality.FACE]
    assert isinstance(fit_people(people).norm, CohortNorm)


def test_answers_count_where_their_scale_stays(fitted: Fitted) -> None:
    """A norm that is fitted now has other strengths than those that people spoke of."""
    both, calibration = fitted
    assert isinstance(calibration.norm, CohortNorm)
    people = {
        Modality.FACE: People((both[0],), both[0].cohort, calibration.norm),
        Modality.VOICE: People((both[0],), both[0].cohort),
        Modality.FUSED: People((both[0],), None),
    }
    answers = [(str(modality), 2.0, True) for modality in Modality]
    assert [modality for modality, _, _ in comparable(answers, people)] == ["face", "fused"]


def test_other_numbers_are_another_scale(fitted: Fitted) -> None:
    norm = fitted[1].norm
    assert isinstance(norm, CohortNorm)
    numbers = dataclasses.replace(norm.numbers, others=0.123)
    assert dataclasses.replace(norm, numbers=numbers).scale_id != norm.scale_id
    assert fitted[1].scale_id == norm.scale_id
    assert dataclasses.replace(fitted[1], norm=NoNorm()).scale_id == ""
