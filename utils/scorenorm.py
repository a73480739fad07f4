"""Score normalisation against a cohort: scores of different people and recordings brought to one scale.

Z-norm (Reynolds 1997) uses the scores of the enrolled side against the cohort; S-norm averages the Z-norms of both sides; adaptive S-norm
(AS-norm, Matějka et al. 2017) uses only the `top` cohort entries nearest to each side. A cohort is embeddings of people who are neither
enrolled nor tested. The results are no cosines any more: about 0 for impostors, in units of standard deviations.
"""
from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
MIN_SPREAD = 1e-6  # a cohort whose scores are all equal must not divide by zero


def cohort_scores(embeddings: npt.ArrayLike, cohort: npt.ArrayLike) -> Float:
    """Cosines (n, m) of unit `embeddings` (n, d) with a unit `cohort` (m, d)."""
    return np.asarray(embeddings, np.float64) @ np.asarray(cohort, np.float64).T


def statistics(scores: npt.ArrayLike, top: int | None = None) -> tuple[Float, Float]:
    """Mean and standard deviation (n,), (n,) of cohort scores (n, m): of all, or of the `top` highest of each row.

    Raises:
        ValueError: fewer than two cohort scores, or `top` below two.
    """
    values = np.asarray(scores, np.float64)
    if values.ndim != 2 or values.shape[1] < 2 or (top is not None and top < 2):
        raise ValueError(f"Cohort scores must be (n, m) with m >= 2, and top >= 2. Received: shape={values.shape}, top={top}")
    if top is not None and top < values.shape[1]:
        values = np.partition(values, -top, axis=1)[:, -top:]
    return values.mean(axis=1), np.maximum(values.std(axis=1), MIN_SPREAD)


def z_norm(scores: npt.ArrayLike, enrolled: tuple[Float, Float]) -> Float:
    """Z-norm of `scores` (n,); `enrolled` = mean and deviation (n,) of the enrolled side's cohort scores."""
    mean, deviation = enrolled
    return (np.asarray(scores, np.float64) - mean) / deviation


def s_norm(scores: npt.ArrayLike, enrolled: tuple[Float, Float], probe: tuple[Float, Float]) -> Float:
    """Mean of both sides' Z-norms; with statistics of the `top` cohort entries this is AS-norm."""
    return (z_norm(scores, enrolled) + z_norm(scores, probe)) / 2
