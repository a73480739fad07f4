"""From a cosine to a statement: strength, log-likelihood ratio, probability, and the
threshold for a stated error rate.

A comparison's strength is its cosine, or where there is a cohort, its cosine set
    against what strangers reach (`scoring/norms.py`): strength = (cosine - level) /
    scale - surplus
with level and scale of the probe. Calibration is affine logistic regression on
strengths of held-out trials (Brümmer & du Preez, 2006, "Application-independent
evaluation of speaker detection"):
    llr(strength) = slope · strength + intercept        natural logarithm, at even prior
    odds.
The threshold for a false match rate (FMR) is read from the measured strengths of
impostors, kept as a table of quantiles. Below the smallest measured FMR the table is
continued along the straight line of log FMR over strength through its last decade, and
the answer says that it is extrapolated. The tail of a normal distribution falls faster
than that line, so the continuation errs towards the stricter threshold. Open set: with
N enrolled people FPIR = 1 − (1 − FMR)^N, so FMR = 1 − (1 − FPIR)^(1/N).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring.norms import CohortNorm
from utils.arrays import Float32Array, Float64Array


@dataclass(frozen=True)
class Calibration:
    """Calibration of one modality's strengths.

    `impostor_fmr` falls strictly, `impostor_score` rises: the share `impostor_fmr[i]`
    of the impostors in a gallery has the strength `impostor_score[i]` at least. `norm`
    makes strengths of cosines; without it they are the cosines. `cosine` is the
    calibration of bare cosines of the same encoder, for uses that have no cohort.
    """

    slope: float
    intercept: float
    impostor_fmr: tuple[float, ...]
    impostor_score: tuple[float, ...]
    norm: CohortNorm | None = field(default=None, compare=False)
    cosine: Calibration | None = None

    def __post_init__(self) -> None:
        fmr = np.asarray(self.impostor_fmr)
        score = np.asarray(self.impostor_score)
        if self.slope <= 0:
            raise ValueError(
                "slope must be positive: a higher score means more alike. Received:"
                f" slope={self.slope}"
            )
        if (
            len(fmr) != len(score)
            or len(fmr) < 2
            or not (np.diff(fmr) < 0).all()
            or not (np.diff(score) > 0).all()
        ):
            raise ValueError(
                "impostor_fmr must fall and impostor_score rise, two entries at least. "
                f"Received: {len(fmr)} rates, {len(score)} scores"
            )

    @property
    def scale_id(self) -> str:
        """Which strengths these are: those of two scales are never calibrated together.
        Empty = cosines.
        """
        return self.norm.scale_id if self.norm else ""

    def probe(
        self, vectors: Float32Array, seconds: npt.ArrayLike = 0.0
    ) -> tuple[Float64Array, Float64Array]:
        """Level and scale, (n,) each, of probes (n, size): 0 and 1 without a cohort.
        Arguments as `CohortNorm.probe`.
        """
        return (
            self.norm.probe(vectors, seconds)
            if self.norm
            else (np.zeros(len(vectors)), np.ones(len(vectors)))
        )

    def person(self, vectors: Float32Array) -> Float64Array:
        """What the level rises by (n,) for people (n, size): 0 without a cohort."""
        return self.norm.person(vectors) if self.norm else np.zeros(len(vectors))

    def surplus(self, others: npt.ArrayLike, count: int) -> float:
        """What the nearest others of a gallery take off a strength: 0 without a cohort.
        Arguments as `CohortNorm.surplus`.
        """
        return self.norm.numbers.others * self.norm.surplus(others, count) if self.norm else 0.0

    def llr(self, strength: npt.ArrayLike) -> Float64Array:
        """Natural log-likelihood ratio of `strength` (any shape)."""
        return self.slope * np.asarray(strength, dtype=np.float64) + self.intercept

    def probability(self, strength: npt.ArrayLike) -> Float64Array:
        """Probability, at even prior odds, that both sides are the same person."""
        # The logistic function, without overflow
        return 0.5 * (1.0 + np.tanh(self.llr(strength) / 2))

    def threshold(self, fmr: float) -> tuple[float, bool]:
        """Strength that impostors in a gallery reach at the rate `fmr` in (0, 1), and
        whether it lies beyond what was measured.
        """
        return _threshold(fmr, self.impostor_fmr, self.impostor_score)

    def pair_threshold(self, fmr: float) -> tuple[float, bool]:
        """The same for a comparison of two sides alone, without a gallery about them."""
        return (
            _threshold(fmr, self.norm.numbers.null_rate, self.norm.numbers.null_score)
            if self.norm
            else self.threshold(fmr)
        )

    def typical_cosine(self, fmr: float) -> float:
        """Cosine that an average probe, with `scoring.norms.REFERENCE_S` of speech,
        needs for `pair_threshold(fmr)`.
        """
        strength = self.pair_threshold(fmr)[0]
        level, scale = self.probe(self.norm.cohort) if self.norm else (np.zeros(1), np.ones(1))
        return min(float(level.mean() + scale.mean() * strength), 1.0)

    def to_dict(self) -> dict[str, Any]:
        """As stored in a card, all but the cohort."""
        data: dict[str, Any] = {
            "slope": self.slope,
            "intercept": self.intercept,
            "impostor_fmr": list(self.impostor_fmr),
            "impostor_score": list(self.impostor_score),
        }
        if self.norm:
            data["norm"] = self.norm.to_dict()
        if self.cosine:
            data["cosine"] = self.cosine.to_dict()
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], cohort: Float32Array | None = None) -> Calibration:
        """From a card, and its cohort where it has a norm. Raises ValueError without
        one then.
        """
        if "norm" in data and cohort is None:
            raise ValueError("A calibration with a norm needs its cohort. Received: none")
        norm = (
            CohortNorm.from_dict(data["norm"], cohort)
            if "norm" in data and cohort is not None
            else None
        )
        cosine = cls.from_dict(data["cosine"]) if "cosine" in data else None
        return cls(
            float(data["slope"]),
            float(data["intercept"]),
            tuple(data["impostor_fmr"]),
            tuple(data["impostor_score"]),
            norm,
            cosine,
        )


def _threshold(
    fmr: float, rates: tuple[float, ...], scores: tuple[float, ...]
) -> tuple[float, bool]:
    if not 0.0 < fmr < 1.0:
        raise ValueError(f"fmr must lie between 0 and 1. Received: fmr={fmr}")
    log_fmr = np.log(np.asarray(rates))
    score = np.asarray(scores)
    if fmr >= rates[-1]:
        return float(np.interp(-np.log(fmr), -log_fmr, score)), False
    # The last entry at ten times the rate
    decade = max(int(np.searchsorted(-log_fmr, -log_fmr[-1] - np.log(10), side="right")) - 1, 0)
    rise = (score[-1] - score[decade]) / (log_fmr[decade] - log_fmr[-1])
    return float(score[-1] + rise * (log_fmr[-1] - np.log(fmr))), True


def fmr_for_fpir(fpir: float, people: int) -> float:
    """False match rate per comparison that gives the false positive identification rate
    `fpir` with `people` enrolled.
    """
    return float(-np.expm1(np.log1p(-fpir) / max(people, 1)))
