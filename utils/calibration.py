"""From a cosine to a statement: log-likelihood ratio, probability, and the threshold for a stated error rate.

Calibration is affine logistic regression on held-out trials (Brümmer & du Preez, 2006, "Application-independent evaluation of speaker
detection"):
    llr(score) = slope · score + intercept        natural logarithm, at even prior odds.
The threshold for a false match rate (FMR) is read from the measured impostor scores, kept as a table of quantiles. Below the smallest
measured FMR the table is continued along the straight line of log FMR over score through its two smallest entries, and the answer says
that it is extrapolated.
Open set: with N enrolled people FPIR = 1 − (1 − FMR)^N, so FMR = 1 − (1 − FPIR)^(1/N).
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Calibration:
    """Calibration of one modality's scores.

    `impostor_fmr` falls strictly, `impostor_score` rises: the share `impostor_fmr[i]` of impostor trials scored at least
    `impostor_score[i]`.
    """

    slope: float
    intercept: float
    impostor_fmr: tuple[float, ...]
    impostor_score: tuple[float, ...]

    def __post_init__(self) -> None:
        fmr, score = np.asarray(self.impostor_fmr), np.asarray(self.impostor_score)
        if self.slope <= 0:
            raise ValueError(f"slope must be positive: a higher score means more alike. Received: slope={self.slope}")
        if len(fmr) != len(score) or len(fmr) < 2 or not (np.diff(fmr) < 0).all() or not (np.diff(score) > 0).all():
            raise ValueError("impostor_fmr must fall and impostor_score rise, two entries at least. "
                             f"Received: {len(fmr)} rates, {len(score)} scores")

    def llr(self, score: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Natural log-likelihood ratio of `score` (any shape)."""
        return self.slope * np.asarray(score, dtype=np.float64) + self.intercept

    def probability(self, score: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Probability, at even prior odds, that both sides are the same person."""
        return 1.0 / (1.0 + np.exp(-self.llr(score)))

    def threshold(self, fmr: float) -> tuple[float, bool]:
        """Score that impostors reach at the rate `fmr` in (0, 1), and whether it lies beyond what was measured."""
        if not 0.0 < fmr < 1.0:
            raise ValueError(f"fmr must lie between 0 and 1. Received: fmr={fmr}")
        log_fmr = np.log(np.asarray(self.impostor_fmr))
        score = np.asarray(self.impostor_score)
        if fmr >= self.impostor_fmr[-1]:
            return float(np.interp(-np.log(fmr), -log_fmr, score)), False
        rise = (score[-1] - score[-2]) / (log_fmr[-2] - log_fmr[-1])
        return float(min(score[-1] + rise * (log_fmr[-1] - np.log(fmr)), 1.0)), True

    def to_dict(self) -> dict[str, Any]:
        """As stored in a card."""
        return {"slope": self.slope, "intercept": self.intercept,
                "impostor_fmr": list(self.impostor_fmr), "impostor_score": list(self.impostor_score)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        """From a card."""
        return cls(float(data["slope"]), float(data["intercept"]), tuple(data["impostor_fmr"]), tuple(data["impostor_score"]))


def fmr_for_fpir(fpir: float, people: int) -> float:
    """False match rate per comparison that gives the false positive identification rate `fpir` with `people` enrolled."""
    return float(-np.expm1(np.log1p(-fpir) / max(people, 1)))
