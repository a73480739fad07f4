"""Score normalisation as it is published: Z-norm, S-norm and adaptive S-norm.

A cohort is embeddings of people who are neither enrolled nor tested. Z-norm (Reynolds
1997) sets a score against those of the enrolled side with the cohort. S-norm averages
the Z-norms of both sides. Adaptive S-norm (AS-norm, Matějka et al. 2017) uses only the
`top` cohort entries nearest to each side. The results are no cosines any more: about 0
for impostors, in units of standard deviations.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from utils.arrays import Float64Array

# A cohort whose scores are all equal must not divide by zero.
MIN_SPREAD = 1e-6


def cohort_scores(embeddings: npt.ArrayLike, cohort: npt.ArrayLike) -> Float64Array:
    """Return cosines (n, m) of unit `embeddings` (n, d) with a unit `cohort` (m, d)."""
    return np.asarray(embeddings, np.float64) @ np.asarray(cohort, np.float64).T


def statistics(scores: npt.ArrayLike, top: int | None = None) -> tuple[Float64Array, Float64Array]:
    """Return mean and standard deviation of the cohort scores of each row.

    Args:
        scores: (n, m) cohort scores of n embeddings.
        top: How many of the highest of each row count. None: all.

    Returns:
        Means (n,) and deviations (n,), the latter `MIN_SPREAD` at least.

    Raises:
        ValueError: There are fewer than two cohort scores, or `top` is below two.
    """
    values = np.asarray(scores)
    if values.ndim != 2 or values.shape[1] < 2 or (top is not None and top < 2):
        raise ValueError(
            "Cohort scores must be (n, m) with m >= 2, and top >= 2. Received:"
            f" shape={values.shape}, top={top}"
        )
    if top is not None and top < values.shape[1]:
        values = np.partition(values, -top, axis=1)[:, -top:]
    values = values.astype(np.float64)
    return values.mean(axis=1), np.maximum(values.std(axis=1), MIN_SPREAD)


def z_norm(scores: npt.ArrayLike, enrolled: tuple[Float64Array, Float64Array]) -> Float64Array:
    """Return the Z-norm of `scores` (n,) or (probes, n).

    `enrolled` holds mean and deviation (n,) of the enrolled side's cohort scores.
    """
    mean, deviation = enrolled
    return (np.asarray(scores, np.float64) - mean) / deviation


def s_norm(
    scores: npt.ArrayLike,
    enrolled: tuple[Float64Array, Float64Array],
    probe: tuple[Float64Array, Float64Array],
) -> Float64Array:
    """Return the mean of the Z-norms of both sides, in the shape of `scores`.

    With statistics of the `top` cohort entries this is AS-norm.
    """
    return (z_norm(scores, enrolled) + z_norm(scores, probe)) / 2
