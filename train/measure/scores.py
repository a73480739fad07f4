"""Scores of trials: cosines, and their normalisation against a cohort."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scoring import as_norm
from train.data.protocols import Trials
from utils.arrays import Float32Array, Float64Array

NORMS = ("none", "z", "as")
Vectors = Mapping[str, Float32Array]
"""Embeddings (512,) of unit length by path."""


def score(trials: Trials, vectors: Vectors) -> Float64Array:
    """Cosine (n,) of each trial."""
    left = np.stack([vectors[file] for file in trials.left])
    right = np.stack([vectors[file] for file in trials.right])
    return np.einsum("ij,ij->i", left, right, dtype=np.float64)


def normalise(
    trials: Trials, vectors: Vectors, cohort: Float32Array, *, kind: str, top: int
) -> Float64Array:
    """Score trials and normalise the scores, (n,).

    Args:
        trials: The trials.
        vectors: Embeddings of their files.
        cohort: (m, 512) embeddings of other people.
        kind: "z" for Z-norm (by the left, enrolled side), "as" for AS-norm, "none" for
            cosines.
        top: Nearest cohort entries that AS-norm uses.
    """
    scores = score(trials, vectors)
    if kind == "none":
        return scores
    files = list(vectors)
    row = {file: number for number, file in enumerate(files)}
    against = as_norm.cohort_scores(np.stack([vectors[file] for file in files]), cohort)
    mean, deviation = as_norm.statistics(against, None if kind == "z" else top)
    left = [row[file] for file in trials.left]
    if kind == "z":
        return as_norm.z_norm(scores, (mean[left], deviation[left]))
    right = [row[file] for file in trials.right]
    return as_norm.s_norm(scores, (mean[left], deviation[left]), (mean[right], deviation[right]))
