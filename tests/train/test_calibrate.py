"""Calibration from trials: fitted numbers against scikit-learn, depth of the table, and
the operator's own clips.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from scoring import logistic
from scoring.calibration import Calibration, fmr_for_fpir
from scoring.norms import OTHERS, Coefficients, CohortNorm, NoNorm
from train.calibration.calibrate import (
    FULL,
    CalibrationData,
    People,
    _comparable,
    calibrate,
    cohort_of,
    folds_of,
    own_people,
)
from train.calibration.galleries import Arena, Fold, groups, strengths, surplus
from train.calibration.gallery_fit import (
    SUPPORT,
    Trials,
    best_strengths,
    calibration_of,
    gallery_table,
    gallery_trials,
    spliced,
    supported_rates,
    trials_of,
    with_answers,
)
from train.calibration.norm_fit import fit_norm
from train.calibration.own_clips import tables_of
from train.data.tables import Table
from utils.arrays import EMBEDDING_SIZE, Float32Array
from utils.errors import DatasetError, MediaCorruptError
from utils.modality import Modality

SIZE = 64


def table(
    people: int = 40,
    files: int = 5,
    noise: float = 0.9,
    conditions: Sequence[str] = ("clean",),
    seed: int = 0,
) -> Table:
    """People as random directions, files as noisy versions of them; every further
    condition is noisier.
    """
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(people, SIZE))
    vectors = []
    person = []
    file = []
    condition = []
    for p in range(people):
        for f in range(files):
            for c in range(len(conditions)):
                vectors.append(centres[p] + noise * (1 + c) * rng.normal(size=SIZE))
                person.append(p)
                file.append(p * files + f)
                condition.append(c)
    array = np.array(vectors, np.float32)
    array /= np.linalg.norm(array, axis=1, keepdims=True)
    names = tuple(f"set/{p}" for p in range(people))
    return Table(
        array,
        np.array(person),
        np.array(file),
        np.array(condition),
        names,
        tuple(conditions),
        np.zeros(len(array), np.float32),
    )


def trials(seed: int = 0, impostors: int = 20_000) -> Trials:
    rng = np.random.default_rng(seed)
    labels = np.repeat([1, 0], [500, impostors])
    scores = rng.normal(np.where(labels == 1, 0.35, 0.1), 0.1)
    return Trials(scores, labels, np.arange(len(labels)) // 10)


def test_logistic_fit_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(3000) < 0.2).astype(int)
    x = np.column_stack([rng.normal(y, 1.0), rng.normal(0.5 * y, 2.0) * 10])
    slopes, intercept = logistic.fit(x, y)
    oracle = LogisticRegression(C=1e6, class_weight="balanced", tol=1e-9, max_iter=2000).fit(x, y)
    # The oracle has no Platt targets
    np.testing.assert_allclose(slopes, oracle.coef_[0], rtol=5e-3)
    assert intercept == pytest.approx(oracle.intercept_[0], rel=5e-3)


def test_few_people_are_not_taken_for_certain() -> None:
    """Separated without error, the slope is the steeper the more people say so."""
    x = np.repeat([0.0, 0.1, 0.9, 1.0], 50)[:, None]
    y = np.repeat([0, 0, 1, 1], 50)
    slopes = [logistic.fit(x, y, support)[0][0] for support in (3, 20, 100)]
    assert slopes == sorted(slopes)
    assert slopes[0] < 0.7 * slopes[2]


def test_logistic_fit_stays_finite_where_classes_can_be_separated() -> None:
    slopes, intercept = logistic.fit([[0.0], [0.1], [0.9], [1.0]], [0, 0, 1, 1])
    assert np.isfinite([*slopes, intercept]).all()
    assert slopes[0] > 0


def test_calibrated_normal_scores_have_the_true_ratio() -> None:
    calibration = calibration_of(trials())
    true_slope = (0.35 - 0.1) / 0.1**2  # of two normal distributions of one spread
    # A little less steep: 50 people are not all people
    assert calibration.slope == pytest.approx(true_slope, rel=0.15)
    assert -calibration.intercept / calibration.slope == pytest.approx(0.225, abs=0.01)


def test_threshold_keeps_the_stated_rate_on_fresh_impostors() -> None:
    calibration = calibration_of(trials(0))
    fresh = trials(1, 100_000)
    impostor = fresh.scores[fresh.labels == 0]
    for rate in (0.1, 0.01, 0.002):
        threshold, extrapolated = calibration.threshold(rate)
        assert not extrapolated
        assert rate / 1.6 < (impostor >= threshold).mean() < rate * 1.6


def test_the_table_goes_as_deep_as_pairs_of_people_support() -> None:
    part = trials()
    rates = supported_rates(part)
    threshold = np.quantile(part.scores[part.labels == 0], 1 - rates[-1])
    above = (part.labels == 0) & (part.scores >= threshold)
    assert len(np.unique(part.pair[above])) >= SUPPORT - 1
    one_pair = Trials(part.scores, part.labels, np.zeros(len(part.labels), np.int64))
    with pytest.raises(DatasetError, match="10 pairs"):
        supported_rates(one_pair)


def test_no_clip_is_compared_with_itself() -> None:
    people = table(people=3, files=4)
    single = trials_of(people, people)
    assert len(single.labels) == 12 * 11
    assert single.labels.sum() == 12 * 3
    assert single.scores.max() < 0.999
    assert len(np.unique(single.pair)) == 6


def test_own_calibration_keeps_the_tail_of_the_previous_one() -> None:
    previous = calibration_of(trials(0, 200_000))
    rng = np.random.default_rng(5)
    few = trials(1, 300)
    own = calibration_of(Trials(few.scores + 0.05, few.labels, rng.permutation(len(few.labels))))
    joined = spliced(own, previous)
    assert joined.slope == own.slope
    assert len(joined.impostors.rates) == len(previous.impostors.rates) > len(own.impostors.rates)
    assert joined.impostors.scores[: len(own.impostors.scores)] == pytest.approx(
        own.impostors.scores, abs=1e-4
    )
    threshold, extrapolated = joined.threshold(previous.impostors.rates[-1])
    assert not extrapolated
    assert threshold == pytest.approx(
        previous.threshold(previous.impostors.rates[-1])[0] + 0.05, abs=0.06
    )


def test_own_clips_become_tables_and_unusable_ones_are_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for person in range(6):
        (tmp_path / f"p{person}").mkdir()
        for clip in range(2):
            (tmp_path / f"p{person}" / f"{clip}.mp4").write_bytes(b"x")

    class Probe:
        def __init__(self, *modalities: Modality) -> None:
            self.vectors = {
                m: rng.normal(size=EMBEDDING_SIZE).astype(np.float32) for m in modalities
            }
            self.speech_s = 4.0

    def analyse(path: Path) -> Probe:
        if path.parent.name == "p5":
            raise MediaCorruptError("Broken.")
        return (
            Probe(Modality.FACE)
            if path.parent.name == "p4"
            else Probe(Modality.FACE, Modality.VOICE, Modality.FUSED)
        )

    said: list[str] = []
    tables = tables_of(tmp_path, analyse, said.append)
    assert set(tables) == {"face"}  # only four people have a voice
    assert len(tables["face"]) == 10
    assert not tables["face"].seconds.any()
    everybody = tables_of(tmp_path, lambda _path: Probe(*Modality), said.append)
    assert {name: set(table.seconds.tolist()) for name, table in everybody.items()} == {
        "face": {0.0},
        "voice": {4.0},
        "fused": {4.0},
    }
    assert len(said) == 2
    assert "p5" in said[0]
    with pytest.raises(DatasetError, match="5 people"):
        tables_of(tmp_path / "p0", analyse, said.append)


# ---- strengths in galleries


def crowd(
    people: int = 120, files: int = 4, shift: float = 0.0, seed: int = 0, noise: float = 0.9
) -> Table:
    """Clean people and a weaker condition "dim"; with `shift`, all have a part of one
    common direction: a place where people are alike.
    """
    made = table(people, files, noise, ("clean", "dim"), seed)
    vectors = made.vectors + np.float32(shift) * np.eye(1, SIZE, dtype=np.float32)
    return dataclasses.replace(
        made, vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    )


def folds(**what: Any) -> tuple[Fold, Fold]:
    people = [crowd(seed=seed, **what) for seed in (1, 2)]
    return Fold(people[0], cohort_of(people[1])), Fold(people[1], cohort_of(people[0]))


Fitted = tuple[tuple[Fold, Fold], Calibration]


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    both = folds()
    return both, calibrate(People((both[0],), both[0].cohort))


def measured_fpir(
    fold: Fold, calibration: Calibration, condition: str, size: int, draws: int = 30
) -> float:
    arena = Arena(fold, calibration.norm)
    named = []
    for number in range(draws):
        drawn = arena.draw(size, np.random.default_rng([9, number]), condition)
        best = strengths(drawn.bare[drawn.strangers], calibration.norm).max(axis=1)
        named.append(best >= calibration.threshold(fmr_for_fpir(0.05, size))[0])
    return float(np.concatenate(named).mean())


@pytest.mark.parametrize("condition", ["clean", "dim"])
@pytest.mark.parametrize("size", [10, 50])
def test_stated_rates_are_kept_on_other_people(fitted: Fitted, condition: str, size: int) -> None:
    both, calibration = fitted
    assert 0.025 < measured_fpir(both[1], calibration, condition, size) < 0.1


def test_stated_rates_are_kept_where_people_are_alike(fitted: Fitted) -> None:
    """A common direction raises all cosines there. The others of the gallery say so;
    without them most strangers would be named.
    """
    _, calibration = fitted
    numbers = calibration.norm.numbers
    place = Fold(crowd(shift=6.0, seed=5), calibration.norm.cohort)
    blind = dataclasses.replace(
        calibration,
        norm=CohortNorm(calibration.norm.cohort, dataclasses.replace(numbers, others=0.0)),
    )
    full = dataclasses.replace(
        calibration,
        norm=CohortNorm(calibration.norm.cohort, dataclasses.replace(numbers, others=1.0)),
    )
    assert measured_fpir(place, blind, "clean", 20) > 0.25
    assert measured_fpir(place, full, "clean", 20) < 0.1


def test_numbers_are_fitted_and_within_bounds() -> None:
    both = folds()
    numbers = fit_norm(both)
    assert 0 <= numbers.others <= 1
    assert numbers.scale[0] + numbers.scale[1] * 0.2 + numbers.scale[2] * 0.05 > numbers.least_scale
    parts = []
    for fold in both:
        probes, bare = Arena(fold, CohortNorm(fold.cohort, numbers)).bare("clean")
        parts.append(bare[probes.person[:, None] != fold.table.under("clean").person])
    impostors = np.concatenate(parts)
    for rate in (0.1, 0.01):
        stated, _ = numbers.impostors.threshold(rate)
        assert (impostors >= stated).mean() == pytest.approx(rate, rel=0.05)


def test_what_the_cohort_does_not_tell_the_seconds_of_speech_do() -> None:
    """Strangers of long speech score higher than those of short speech, by something
    that the cohort has nothing of.
    """
    known = [two_lengths(fold) for fold in folds()]
    numbers = fit_norm(known)
    blind = fit_norm([untold(fold) for fold in known])
    assert blind.level[3] == blind.scale[3] == 0
    assert numbers.level[3] > 0.02
    told = np.mean([gap(fold, numbers) for fold in known])
    assert abs(told) < 0.2 * np.mean([gap(fold, blind) for fold in known])


def test_seconds_that_hardly_differ_tell_nothing() -> None:
    fold = folds()[0]
    seconds = np.random.default_rng(0).uniform(5, 6, len(fold.table)).astype(np.float32)
    told = fit_norm([Fold(dataclasses.replace(fold.table, seconds=seconds), fold.cohort)])
    assert told == fit_norm([untold(fold)])


def two_lengths(fold: Fold) -> Fold:
    """Half of the probes under "dim" last 1 s; everything else lasts 9 s and has a part
    of a direction of its own.
    """
    table = fold.table
    short = (table.condition == 1) & (np.arange(len(table)) % 4 == 1)
    part = np.where(short, 0.0, 0.3).astype(np.float32)[:, None]
    vectors = np.concatenate([table.vectors * np.sqrt(1 - part**2), part], axis=1)
    seconds = np.where(short, 1.0, 9.0).astype(np.float32)
    return Fold(
        dataclasses.replace(table, vectors=vectors, seconds=seconds),
        np.pad(fold.cohort, ((0, 0), (0, 1))),
    )


def untold(fold: Fold) -> Fold:
    return Fold(
        dataclasses.replace(fold.table, seconds=np.zeros(len(fold.table), np.float32)), fold.cohort
    )


def gap(fold: Fold, numbers: Coefficients) -> float:
    """By how much the strangers of long speech are stronger than those of short speech,
    on the mean.
    """
    probes, bare = Arena(fold, CohortNorm(fold.cohort, numbers)).bare("dim")
    other = probes.person[:, None] != fold.table.under("clean").person
    return float(
        bare[other & (probes.seconds > 5)[:, None]].mean()
        - bare[other & (probes.seconds < 5)[:, None]].mean()
    )


def test_surplus_of_a_matrix_is_that_of_each_comparison(fitted: Fitted) -> None:
    norm = fitted[1].norm
    bare = np.random.default_rng(3).normal(size=(7, 12))
    for size in (1, 2, 4, 12):
        found = surplus(bare[:, :size], norm)
        for p in range(7):
            for entry in range(size):
                assert found[p, entry] == pytest.approx(
                    norm.surplus(np.delete(bare[p, :size], entry), size - 1), abs=1e-9
                )
    assert OTHERS < 12


def test_entries_beyond_the_people_are_other_files_of_the_same() -> None:
    arena = Arena(Fold(crowd(people=20, files=4), np.eye(3, SIZE, dtype=np.float32)), NoNorm())
    drawn = arena.draw(40, np.random.default_rng(0), strangers=5)
    assert len(drawn.enrolled) == 40
    assert len(np.unique(drawn.enrolled)) == 15
    assert len(np.unique(drawn.owner[drawn.strangers])) == 5
    assert not drawn.alone.any()
    once = arena.draw(10, np.random.default_rng(0))
    assert once.alone.all()
    assert not (once.bare > 0.999).any()  # no probe is the file that was enrolled


def test_groups_are_of_people_who_resemble_each_other() -> None:
    near = crowd(people=30, seed=1, noise=0.2)
    vectors = near.vectors.copy()
    vectors[near.person < 15, 0] += 2
    parts = groups(dataclasses.replace(near, vectors=vectors), (1, 2))
    assert [len(part) for part in parts[1]] == [30]
    assert sorted(map(tuple, parts[2])) == [tuple(range(15)), tuple(range(15, 30))]


def test_a_table_needs_people() -> None:
    arena = Arena(Fold(crowd(people=5), np.eye(3, SIZE, dtype=np.float32)), NoNorm())
    with pytest.raises(DatasetError, match="more people"):
        gallery_table(best_strengths([arena])[:0])


def test_cohorts_are_of_everybody_alike() -> None:
    people = crowd(people=50, files=3)
    cohort = cohort_of(people)
    owners = people.under("clean").person[
        np.argmax(cohort @ people.under("clean").vectors.T, axis=1)
    ]
    assert np.bincount(owners).tolist() == [3] * 50


def test_measured_people_are_not_in_their_cohort() -> None:
    conditions = ("clean", "blur", "dark"), ("clean", "noise 0 dB", "1 s", "2 s")
    faces, voices = (table(24, 3, conditions=c, seed=seed) for seed, c in enumerate(conditions))

    def fuse(face: Float32Array, voice: Float32Array) -> Float32Array:
        return np.concatenate([face, voice], axis=1) / np.float32(np.sqrt(2))

    more = table(10, 1, seed=5).vectors
    folds = folds_of(CalibrationData(faces, voices, more), fuse)
    for both in folds.values():
        for fold in both:
            assert (fold.table.under(fold.clean).vectors @ fold.cohort.T).max() < 0.999

    def rows_of(more: Float32Array, cohort: Float32Array) -> int:
        return (cohort @ more.T / np.linalg.norm(cohort, axis=1, keepdims=True) > 0.999).sum()

    for face, voice, fused in zip(folds["face"], folds["voice"], folds["fused"], strict=True):
        assert rows_of(more, face.cohort) == 0
        assert rows_of(more, voice.cohort) == len(more)
        assert 0 < rows_of(more, fused.cohort[:, SIZE:]) < len(more), (
            "some of both kinds, wherever it is cut"
        )
        assert 0 < rows_of(more, voice.cohort[: len(more)]) < len(more), "mixed, neither kind first"


def test_few_own_people_keep_the_cohort_and_many_make_one(fitted: Fitted) -> None:
    _, calibration = fitted

    class Encoder:
        def __init__(self, made: Calibration | None) -> None:
            self.calibration = made
            self.card = type("Card", (), {"calibration": made and made.to_dict()})

    class Encoders:
        def __init__(self, made: Calibration | None) -> None:
            self.face = self.voice = self.fusion = Encoder(made)

    few = crowd(people=20)
    many = crowd(people=FULL)
    kept = own_people(Encoders(calibration), {"face": few})["face"]
    assert kept.norm is calibration.norm
    made = calibrate(kept, calibration)
    assert len(made.impostors.rates) > len(calibration.impostors.rates) / 2
    assert made.norm is calibration.norm
    assert made.cosine is not None
    assert own_people(Encoders(None), {"face": few})["face"].cohort is None
    assert calibrate(own_people(Encoders(None), {"face": few})["face"]).norm == NoNorm()
    assert isinstance(
        calibrate(own_people(Encoders(None), {"face": many})["face"]).norm, CohortNorm
    )


def test_what_people_said_of_answers_counts(fitted: Fitted) -> None:
    both, calibration = fitted
    trials = gallery_trials([Arena(both[0], calibration.norm)])
    assert with_answers(trials, []) is trials
    more = with_answers(trials, [(2.0, False), (3.0, True)])
    assert more.labels.sum() == trials.labels.sum() + 1
    people = People((both[0],), both[0].cohort, calibration.norm)
    doubted = calibrate(people, None, [(4.0, False)] * 3000)
    assert doubted.probability(4.0) < calibration.probability(4.0)
    assert doubted.impostors.scores == calibrate(people).impostors.scores


def test_answers_count_where_their_scale_stays(fitted: Fitted) -> None:
    """Strengths on a norm that is fitted now are others than those that people spoke
    of.
    """
    both, calibration = fitted
    people = {
        "face": People((both[0],), both[0].cohort, calibration.norm),
        "voice": People((both[0],), both[0].cohort),
        "fused": People((both[0],), None),
    }
    answers = [(m, 2.0, True) for m in ("face", "voice", "fused")]
    assert [m for m, _, _ in _comparable(answers, people)] == ["face", "fused"]
    other = dataclasses.replace(
        calibration.norm, numbers=dataclasses.replace(calibration.norm.numbers, others=0.123)
    )
    assert (
        other.scale_id
        != calibration.norm.scale_id
        == dataclasses.replace(calibration, norm=calibration.norm).scale_id
    )
    assert dataclasses.replace(calibration, norm=NoNorm()).scale_id == ""
