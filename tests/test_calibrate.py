"""Calibration from trials: fitted numbers against scikit-learn, depth of the table, and the operator's own clips."""
from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from train import logistic
from train.calibrate import SUPPORT, Trials, as_served, calibration_of, fused_trials, look_alikes, spliced, supported_rates, trials_of
from train.held_out import as_clips
from train.own_clips import tables_of
from train.tables import Table
from utils import metrics
from utils.errors import DatasetError, MediaCorruptError
from utils.types import EMBEDDING_SIZE, Modality

SIZE = 64


def table(people: int = 40, files: int = 5, noise: float = 0.9, conditions=("clean",), seed: int = 0) -> Table:
    """People as random directions, files as noisy versions of them; every further condition is noisier."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(people, SIZE))
    vectors, person, file, condition = [], [], [], []
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
    return Table(array, np.array(person), np.array(file), np.array(condition), names, tuple(conditions))


def trials(seed: int = 0, impostors: int = 20_000) -> Trials:
    rng = np.random.default_rng(seed)
    labels = np.repeat([1, 0], [500, impostors])
    scores = rng.normal(np.where(labels == 1, 0.35, 0.1), 0.1)
    return Trials(scores, labels, np.arange(len(labels)) // 10)


def test_logistic_fit_equals_scikit_learn():
    rng = np.random.default_rng(0)
    y = (rng.random(3000) < 0.2).astype(int)
    x = np.column_stack([rng.normal(y, 1.0), rng.normal(0.5 * y, 2.0) * 10])
    slopes, intercept = logistic.fit(x, y)
    oracle = LogisticRegression(C=1e6, class_weight="balanced", tol=1e-9, max_iter=2000).fit(x, y)
    np.testing.assert_allclose(slopes, oracle.coef_[0], rtol=2e-3)
    assert intercept == pytest.approx(oracle.intercept_[0], rel=2e-3)


def test_logistic_fit_stays_finite_where_classes_can_be_separated():
    slopes, intercept = logistic.fit([[0.0], [0.1], [0.9], [1.0]], [0, 0, 1, 1])
    assert np.isfinite([*slopes, intercept]).all()
    assert slopes[0] > 0


def test_calibrated_normal_scores_have_the_true_ratio():
    calibration = calibration_of(trials())
    true_slope = (0.35 - 0.1) / 0.1**2  # of two normal distributions of one spread
    assert calibration.slope == pytest.approx(true_slope, rel=0.1)
    assert -calibration.intercept / calibration.slope == pytest.approx(0.225, abs=0.01)


def test_threshold_keeps_the_stated_rate_on_fresh_impostors():
    calibration = calibration_of(trials(0))
    fresh = trials(1, 100_000)
    impostor = fresh.scores[fresh.labels == 0]
    for rate in (0.1, 0.01, 0.002):
        threshold, extrapolated = calibration.threshold(rate)
        assert not extrapolated
        assert rate / 1.6 < (impostor >= threshold).mean() < rate * 1.6


def test_the_table_goes_as_deep_as_pairs_of_people_support():
    part = trials()
    rates = supported_rates(part)
    threshold = np.quantile(part.scores[part.labels == 0], 1 - rates[-1])
    above = (part.labels == 0) & (part.scores >= threshold)
    assert len(np.unique(part.pair[above])) >= SUPPORT - 1
    one_pair = Trials(part.scores, part.labels, np.zeros(len(part.labels), np.int64))
    with pytest.raises(DatasetError, match="10 pairs"):
        supported_rates(one_pair)


def test_no_clip_is_compared_with_itself():
    people = table(people=3, files=4)
    single = trials_of(people, people)
    assert len(single.labels) == 12 * 11
    assert single.labels.sum() == 12 * 3
    assert single.scores.max() < 0.999
    assert len(np.unique(single.pair)) == 6


def test_look_alikes_are_the_nearest_people():
    """Four people on a quarter circle: with a share of a third, everybody keeps the one neighbour who is nearest."""
    angles = np.deg2rad([0, 10, 50, 90])
    vectors = np.zeros((8, EMBEDDING_SIZE), np.float32)
    vectors[:, 0], vectors[:, 1] = np.repeat(np.cos(angles), 2), np.repeat(np.sin(angles), 2)
    people = Table(vectors, np.repeat(np.arange(4), 2), np.arange(8), np.zeros(8, np.int64), tuple("abcd"), ("clean",))
    every = trials_of(people, people)
    kept = look_alikes(every, people, 1 / 3)
    assert kept.labels.sum() == every.labels.sum() == 8
    assert set(np.unique(kept.pair[kept.labels == 0])) == {1, 100_002, 200_003}


def test_look_alikes_raise_the_threshold():
    people = table(people=60)
    served, every = as_served(people, "clean", "voice"), trials_of(people, people)
    assert calibration_of(served).threshold(0.05)[0] > calibration_of(every).threshold(0.05)[0]


def test_fused_trials_pair_strangers_by_face_and_voice():
    faces, voices = table(30, seed=1), table(20, noise=1.5, seed=2)

    def fuse(face, voice):
        return np.concatenate([face, voice], axis=1) / np.sqrt(2)

    joined = fused_trials(faces, voices, fuse, joins=2)
    single = as_served(voices, "clean", "voice")
    assert metrics.eer(joined.scores, joined.labels).value <= metrics.eer(single.scores, single.labels).value
    pairs = np.unique(joined.pair[joined.labels == 0])
    assert 2 * 10 <= len(pairs) <= 2 * 20  # everybody's nearest, in both joins; two people may be each other's
    assert np.quantile(joined.scores[joined.labels == 1], 0.05) > np.quantile(joined.scores[joined.labels == 0], 0.95)


def test_own_calibration_keeps_the_tail_of_the_previous_one():
    previous = calibration_of(trials(0, 200_000))
    rng = np.random.default_rng(5)
    few = trials(1, 300)
    own = calibration_of(Trials(few.scores + 0.05, few.labels, rng.permutation(len(few.labels))))
    joined = spliced(own, previous)
    assert joined.slope == own.slope
    assert len(joined.impostor_fmr) == len(previous.impostor_fmr) > len(own.impostor_fmr)
    threshold, extrapolated = joined.threshold(previous.impostor_fmr[-1])
    assert not extrapolated
    assert threshold == pytest.approx(previous.threshold(previous.impostor_fmr[-1])[0] + 0.05, abs=0.06)


def test_own_clips_become_tables_and_unusable_ones_are_named(tmp_path):
    rng = np.random.default_rng(0)
    for person in range(6):
        (tmp_path / f"p{person}").mkdir()
        for clip in range(2):
            (tmp_path / f"p{person}" / f"{clip}.mp4").write_bytes(b"x")

    class Probe:
        def __init__(self, *modalities):
            self.vectors = {m: rng.normal(size=EMBEDDING_SIZE).astype(np.float32) for m in modalities}

    def analyse(path):
        if path.parent.name == "p5":
            raise MediaCorruptError("Broken.")
        return Probe(Modality.FACE) if path.parent.name == "p4" else Probe(Modality.FACE, Modality.VOICE, Modality.FUSED)

    said: list[str] = []
    tables = tables_of(tmp_path, analyse, said.append)
    assert set(tables) == {"face"}  # only four people have a voice
    assert len(tables["face"]) == 10
    assert len(said) == 2
    assert "p5" in said[0]
    with pytest.raises(DatasetError, match="5 people"):
        tables_of(tmp_path / "p0", analyse, said.append)


def test_a_clip_is_the_mean_of_several_photographs():
    photographs = table(people=3, files=5, conditions=("clean", "blur"))
    clips = as_clips(photographs, 2)
    assert len(clips) == 3 * 2 * 2  # two whole clips of each person, in both conditions; the fifth photograph is left over
    assert np.allclose(np.linalg.norm(clips.vectors, axis=1), 1, atol=1e-5)
    first = photographs.under("clean").vectors[:2].mean(axis=0)
    assert np.allclose(clips.under("clean").vectors[0], first / np.linalg.norm(first), atol=1e-5)
    assert len(np.unique(clips.file)) == 6
