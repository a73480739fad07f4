"""Score normalisation against a cohort: scores of different people and recordings
brought to one scale.

Z-norm (Reynolds 1997) uses the scores of the enrolled side against the cohort; S-norm
averages the Z-norms of both sides; adaptive S-norm (AS-norm, Matějka et al. 2017) uses
only the `top` cohort entries nearest to each side. A cohort is embeddings of people who
are neither enrolled nor tested. The results are no cosines any more: about 0 for
impostors, in units of standard deviations.

`CohortNorm` is what serves. It is AS-norm with four differences, for the stated error
rates of identification:
- How far the adaptive mean and deviation of the probe tell what impostors will score is
  measured (`train/calibration/norm_fit.py`), not assumed: blurred faces and short speech score
  lower and closer together, and both statistics say so only in part.
- The seconds of speech in the probe are one more measure of its quality (a quality
  measure function: Thienpondt et al. 2021, "The IDLab VoxSRC-20 submission"), beside
  those two.
- The probe's side alone sets the scale, as in T-norm, because rates of identification
  are rates of probes; the enrolled side moves the level.
- The people of the gallery themselves are a cohort that follows the place: where the
  others there score higher than strangers from elsewhere would (one studio, one
  microphone, one family), the score that a name needs rises with them (`surplus`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from utils.arrays import Float32Array, Float64Array

MIN_SPREAD = 1e-6  # a cohort whose scores are all equal must not divide by zero
NEAREST_SHARE = 0.1  # of the cohort: the nearest, whose scores tell how near strangers come
# Of speech, at which the duration moves nothing; and what an unknown one is taken for
REFERENCE_S = 3.0
# Durations beyond are taken for these: one in a hundred of those calibrated on is
# longer
SPEECH_S = (0.5, 6.0)
OTHERS = 5  # nearest other people of the gallery whose scores are compared with those expected


def cohort_scores(embeddings: npt.ArrayLike, cohort: npt.ArrayLike) -> Float64Array:
    """Cosines (n, m) of unit `embeddings` (n, d) with a unit `cohort` (m, d)."""
    return np.asarray(embeddings, np.float64) @ np.asarray(cohort, np.float64).T


def statistics(scores: npt.ArrayLike, top: int | None = None) -> tuple[Float64Array, Float64Array]:
    """Mean and standard deviation (n,), (n,) of cohort scores (n, m): of all, or of the
    `top` highest of each row.

    Raises:
        ValueError: fewer than two cohort scores, or `top` below two.
    """
    values = np.asarray(scores, np.float64)
    if values.ndim != 2 or values.shape[1] < 2 or (top is not None and top < 2):
        raise ValueError(
            "Cohort scores must be (n, m) with m >= 2, and top >= 2. Received:"
            f" shape={values.shape}, top={top}"
        )
    if top is not None and top < values.shape[1]:
        values = np.partition(values, -top, axis=1)[:, -top:]
    return values.mean(axis=1), np.maximum(values.std(axis=1), MIN_SPREAD)


def z_norm(scores: npt.ArrayLike, enrolled: tuple[Float64Array, Float64Array]) -> Float64Array:
    """Z-norm of `scores` (n,); `enrolled` = mean and deviation (n,) of the enrolled
    side's cohort scores.
    """
    mean, deviation = enrolled
    return (np.asarray(scores, np.float64) - mean) / deviation


def s_norm(
    scores: npt.ArrayLike,
    enrolled: tuple[Float64Array, Float64Array],
    probe: tuple[Float64Array, Float64Array],
) -> Float64Array:
    """Mean of both sides' Z-norms; with statistics of the `top` cohort entries this is
    AS-norm.
    """
    return (z_norm(scores, enrolled) + z_norm(scores, probe)) / 2


@dataclass(frozen=True)
class Coefficients:
    """Numbers of a `CohortNorm`, all on the scale of cosines but `null_*` and `others`.

    With mean m and deviation d of a probe's `NEAREST_SHARE` highest cohort scores and
    its `duration_feature` t, its level is (1, m, d, t) · `level` and its scale (1, m,
    d, t) · `scale`, `least_scale` at least; the weights of t are 0 for faces. `person`
    · (m' - `person_mean`) is added to the level for a person whose own nearest cohort
    scores have the mean m'. `null_score[i]` is what a share `null_rate[i]` (falling
    from near 1) of impostors reaches, as strength without a gallery; `others` in [0, 1]
    is the weight of the surplus.
    """

    level: tuple[float, float, float, float]
    scale: tuple[float, float, float, float]
    least_scale: float
    person: float
    person_mean: float
    others: float
    null_rate: tuple[float, ...]
    null_score: tuple[float, ...]

    def __post_init__(self) -> None:
        rate = np.asarray(self.null_rate)
        score = np.asarray(self.null_score)
        if (
            len(rate) != len(score)
            or len(rate) < 2
            or not (np.diff(rate) < 0).all()
            or not (np.diff(score) > 0).all()
        ):
            raise ValueError(
                f"null_rate must fall and null_score rise. Received: {len(rate)} rates,"
                f" {len(score)} scores"
            )
        if len(self.level) != 4 or len(self.scale) != 4:
            raise ValueError(
                f"level and scale must have 4 numbers. Received: {len(self.level)},"
                f" {len(self.scale)}"
            )
        if self.least_scale <= 0 or not 0 <= self.others <= 1:
            raise ValueError(
                "least_scale must be positive and others lie in [0, 1]. "
                f"Received: least_scale={self.least_scale}, others={self.others}"
            )


@dataclass(frozen=True, eq=False)
class CohortNorm:
    """Strength of a comparison instead of its cosine: (cosine - level) / scale - others
    · surplus. `cohort` (n, size) float32 of unit length.

    About one unit of strength a decade of the false match rate; the larger, the rarer
    among impostors.
    """

    cohort: Float32Array
    numbers: Coefficients

    def probe(
        self, vectors: npt.ArrayLike, seconds: npt.ArrayLike = 0.0
    ) -> tuple[Float64Array, Float64Array]:
        """Level and scale, (n,) each, of probes (n, size) with `seconds` of speech,
        (n,) or one for all; 0 = unknown, or no speech.
        """
        features = np.column_stack(
            [
                cohort_features(vectors, self.cohort),
                duration_feature(seconds, len(np.asarray(vectors))),
            ]
        )
        return features @ self.numbers.level, np.maximum(
            features @ self.numbers.scale, self.numbers.least_scale
        )

    def person(self, vectors: npt.ArrayLike) -> Float64Array:
        """What the level rises by (n,) for people who are represented by `vectors` (n,
        size).
        """
        return self.numbers.person * (
            cohort_features(vectors, self.cohort)[:, 1] - self.numbers.person_mean
        )

    def surplus(self, others: npt.ArrayLike, count: int) -> float:
        """How much higher the nearest of `count` other people score, before the surplus
        is taken off, than that many impostors are expected to: the mean over the
        `OTHERS` highest of `others` (any number, in any order). Fewer count for less,
        none for nothing.
        """
        top = np.sort(np.asarray(others, np.float64))[::-1][: min(OTHERS, count)]
        return float((top - self.expected(count, len(top))).sum() / OTHERS) if len(top) else 0.0

    def expected(self, count: int, nearest: int) -> Float64Array:
        """Strengths (nearest,) of the highest of `count` impostors, highest first."""
        rates = np.clip((np.arange(1, nearest + 1) - 0.4) / (count + 0.2), 0.0, 1.0)
        return _extended(
            rates, np.asarray(self.numbers.null_rate), np.asarray(self.numbers.null_score)
        )

    @property
    def scale_id(self) -> str:
        """Names the scale of the strengths: other numbers, which another cohort always
        has, make others (16 hex digits).
        """
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """The numbers, as stored in a card, the last of `level` and `scale` only where
        the seconds of speech count; the cohort lies in a file of its own.
        """
        data = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in vars(self.numbers).items()
        }
        if data["level"][3] == data["scale"][3] == 0:
            data["level"] = data["level"][:3]
            data["scale"] = data["scale"][:3]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], cohort: Float32Array) -> CohortNorm:
        """From a card and its cohort."""
        # JSON has no tuples
        values = {name: data[name] for name in Coefficients.__dataclass_fields__}
        numbers: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
        for name in ("level", "scale"):
            if len(numbers[name]) == 3:
                numbers[name] += (0.0,)
        return cls(cohort, Coefficients(**numbers))


def cohort_features(vectors: npt.ArrayLike, cohort: npt.ArrayLike) -> Float64Array:
    """(n, 3): one, and mean and deviation of the nearest cohort scores of each of
    `vectors` (n, size).
    """
    scores = np.asarray(vectors, np.float32) @ np.asarray(cohort, np.float32).T
    mean, deviation = statistics(scores, max(3, round(NEAREST_SHARE * scores.shape[1])))
    return np.column_stack([np.ones(len(mean)), mean, deviation])


def duration_feature(seconds: npt.ArrayLike, count: int) -> Float64Array:
    """(count,) logarithm of `seconds` of speech, (count,) or one for all, over
    `REFERENCE_S`; 0 where they are 0, which is unknown.
    """
    values = np.broadcast_to(np.asarray(seconds, np.float64), count)
    return np.where(values > 0, np.log(np.clip(values, *SPEECH_S) / REFERENCE_S), 0.0)


def _extended(rates: Float64Array, known: Float64Array, scores: Float64Array) -> Float64Array:
    """Scores at `rates`, on the logarithm of the rate; beyond the table along its last
    decade.
    """
    place = -np.log(np.maximum(rates, 1e-12))
    log_known = -np.log(known)
    decade = max(int(np.searchsorted(log_known, log_known[-1] - np.log(10), side="right")) - 1, 0)
    rise = (scores[-1] - scores[decade]) / (log_known[-1] - log_known[decade])
    return np.interp(place, log_known, scores) + rise * np.maximum(place - log_known[-1], 0.0)
