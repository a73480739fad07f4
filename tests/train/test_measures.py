"""Figures of trials: normalisation, verification, identification and reliability."""

from __future__ import annotations

import numpy as np
import pytest

from scoring import metrics
from tests.support.reports import assert_intervals
from train import plots
from train.data.protocols import Trials
from train.measure.identification import identification
from train.measure.scores import normalise, score
from train.measure.verification import verification
from utils.errors import DatasetError


def test_trials_with_a_picture_without_a_face_are_left_out() -> None:
    trials = Trials(
        np.array([1, 0, 0]), ("a/1", "a/1", "b/1"), ("a/2", "b/1", "c/1"), np.array([1, 1, 2])
    )
    remaining = trials.without({"c/1"})
    assert remaining.labels.tolist() == [1, 0]
    assert remaining.folds.tolist() == [1, 1]


def embeddings(people: int, files: int, offset: float, seed: int = 0) -> dict[str, np.ndarray]:
    """Unit vectors of people who differ by direction and by how near they are to everybody.

    `offset` is how much they differ by the latter.
    """
    rng = np.random.default_rng(seed)
    common = rng.normal(size=64)
    result = {}
    for person in range(people):
        centre = rng.normal(size=64) + offset * rng.random() * common
        for file in range(files):
            vector = centre + rng.normal(size=64)
            result[f"p{person}/{file}"] = (vector / np.linalg.norm(vector)).astype(np.float32)
    return result


def all_trials(vectors: dict[str, np.ndarray]) -> Trials:
    names = sorted(vectors)
    pairs: list[tuple[str, str]] = []
    for i, a in enumerate(names):
        pairs += [(a, b) for b in names[:i]]
    labels = np.array([int(a.split("/")[0] == b.split("/")[0]) for a, b in pairs])
    return Trials(labels, tuple(a for a, _ in pairs), tuple(b for _, b in pairs))


def test_normalisation_helps_where_some_people_are_near_to_everybody() -> None:
    vectors = embeddings(30, 3, offset=3.0)
    # The same seed: the same common direction
    cohort = np.stack(list(embeddings(100, 1, offset=3.0).values()))
    trials = all_trials(vectors)
    raw = score(trials, vectors)
    plain = metrics.eer(raw, trials.labels).value
    for kind in ("z", "as"):
        scores = normalise(trials, vectors, cohort, kind=kind, top=50)
        assert metrics.eer(scores, trials.labels).value < plain
    by_as = normalise(trials, vectors, cohort, kind="as", top=50)
    swapped = Trials(trials.labels, trials.right, trials.left)
    np.testing.assert_allclose(by_as, normalise(swapped, vectors, cohort, kind="as", top=50))


def test_normalisations_are_compared_in_one_table() -> None:
    from train.measure.norms import compare_norms

    vectors = embeddings(30, 3, offset=3.0)
    cohort = np.stack(list(embeddings(100, 1, offset=3.0).values()))
    rows = [
        line.split("|")
        for line in compare_norms(
            {"list": all_trials(vectors)}, vectors, cohort, top=50
        ).splitlines()
        if "|" in line
    ]
    plain, z, adaptive = (float(cell) for cell in rows[2][2:5])
    assert max(z, adaptive) < plain


def test_identification_counts_people_without_second_file_as_strangers() -> None:
    vectors = embeddings(20, 3, offset=0.0) | {
        f"q{i}/0": v for i, v in enumerate(embeddings(5, 1, 0.0, seed=9).values())
    }
    result = identification(vectors, {name: name.split("/")[0] for name in vectors}, size=15)
    assert (result["people"], result["strangers"], result["probes"], result["stranger_probes"]) == (
        15,
        10,
        30,
        20,
    )
    assert result["rank1"] > 0.9
    with pytest.raises(DatasetError, match="21"):
        identification(vectors, {name: name.split("/")[0] for name in vectors}, size=21)


def test_every_figure_has_value_threshold_and_interval() -> None:
    vectors = embeddings(15, 3, offset=0.0)
    trials = all_trials(vectors)
    figures = verification(score(trials, vectors), trials, replicates=40)
    for figure in figures.values():
        assert {"value", "threshold", "interval_95"} <= set(figure)
    report = identification(
        vectors, {name: name.split("/")[0] for name in vectors}, size=10, replicates=40
    )
    assert_intervals({"verification": figures, "identification": [report]})
    low, high = report["rank1_interval_95"]
    assert report["rank1"] == 1.0 or low < high


def test_the_interval_of_rank_1_is_over_people_and_narrower_with_more_of_them() -> None:
    """Half the people are never found.

    Over few of them the rate is uncertain however many files each has.
    """

    def width(people: int) -> float:
        vectors = embeddings(people + 1, 6, offset=0.0)
        for person in range(0, people, 2):  # all but the enrolled file are those of the next person
            vectors |= {
                f"p{person}/{file}": vectors[f"p{person + 1}/{file}"] for file in range(1, 6)
            }
        low, high = identification(
            vectors, {name: name.split("/")[0] for name in vectors}, people, 100
        )["rank1_interval_95"]
        return high - low

    assert width(8) > 1.5 * width(60) > 0


def test_reliability_is_exact_for_true_ratios() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200_000)
    # Of two normal distributions: ratio = mean / variance · x
    llr = rng.normal(np.where(labels == 1, 2.0, -2.0), 2.0)
    stated, measured = plots.reliability(llr, labels)
    np.testing.assert_allclose(stated, measured, atol=0.02)
