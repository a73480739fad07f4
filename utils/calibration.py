"""From a cosine to a statement: log-likelihood ratio, probability, and the threshold for a stated error rate.

Calibration is affine logistic regression on held-out trials (Brümmer & du Preez, 2006, "Application-independent evaluation of speaker
detection"):
    llr(score) = slope · score + intercept        natural logarithm, at even prior odds.
The threshold for a false match rate (FMR) is read from the measured impostor scores, kept as a table of quantiles. Below the smallest
measured FMR the table is continued along the straight line of log FMR over score through its last decade, and the answer says that it is
extrapolated. The tail of a normal distribution falls faster than that line, so the continuation errs towards the stricter threshold.
Scores of short speech spread more, on both sides: a voice calibration may bring tables for a few lengths of speech, between which
`for_speech` interpolates on the logarithm of the length (a quality measure function in the sense of Mandasari et al. 2013).
Open set: with N enrolled people FPIR = 1 − (1 − FMR)^N, so FMR = 1 − (1 − FPIR)^(1/N).
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FULL_SPEECH_S = 3.5
"""Seconds of speech from which a longer probe is not told apart."""


@dataclass(frozen=True)
class Calibration:
    """Calibration of one modality's scores.

    `impostor_fmr` falls strictly, `impostor_score` rises: the share `impostor_fmr[i]` of impostor trials scored at least
    `impostor_score[i]`. `by_speech` holds calibrations for probes of so many seconds of speech, in rising order, each with the same
    `impostor_fmr`; longer speech than the longest has this calibration itself at `FULL_SPEECH_S` and above.
    """

    slope: float
    intercept: float
    impostor_fmr: tuple[float, ...]
    impostor_score: tuple[float, ...]
    by_speech: tuple[tuple[float, Calibration], ...] = ()

    def __post_init__(self) -> None:
        fmr, score = np.asarray(self.impostor_fmr), np.asarray(self.impostor_score)
        if self.slope <= 0:
            raise ValueError(f"slope must be positive: a higher score means more alike. Received: slope={self.slope}")
        if len(fmr) != len(score) or len(fmr) < 2 or not (np.diff(fmr) < 0).all() or not (np.diff(score) > 0).all():
            raise ValueError("impostor_fmr must fall and impostor_score rise, two entries at least. "
                             f"Received: {len(fmr)} rates, {len(score)} scores")
        lengths = [seconds for seconds, _ in self.by_speech]
        if any(part.impostor_fmr != self.impostor_fmr for _, part in self.by_speech) or lengths != sorted(set(lengths)) \
                or not all(0 < length < FULL_SPEECH_S for length in lengths):
            raise ValueError(f"by_speech must rise within (0, {FULL_SPEECH_S:g}) s and have the rates of the whole. Received: {lengths}")

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
        decade = max(int(np.searchsorted(-log_fmr, -log_fmr[-1] - np.log(10), side="right")) - 1, 0)  # the last entry at ten times the rate
        rise = (score[-1] - score[decade]) / (log_fmr[decade] - log_fmr[-1])
        return float(min(score[-1] + rise * (log_fmr[-1] - np.log(fmr)), 1.0)), True

    def for_speech(self, seconds: float) -> Calibration:
        """The calibration for a probe of so many seconds of speech; itself where there is no table by length."""
        if not self.by_speech or seconds >= FULL_SPEECH_S:
            return self
        known = [*self.by_speech, (FULL_SPEECH_S, self)]
        lengths = np.log([length for length, _ in known])
        place = float(np.interp(np.log(max(seconds, 1e-3)), lengths, np.arange(len(known))))
        low = min(int(place), len(known) - 2)
        return _mixed(known[low][1], known[low + 1][1], place - low)

    def to_dict(self) -> dict[str, Any]:
        """As stored in a card."""
        data: dict[str, Any] = {"slope": self.slope, "intercept": self.intercept,
                                "impostor_fmr": list(self.impostor_fmr), "impostor_score": list(self.impostor_score)}
        if self.by_speech:
            data["by_speech"] = [{"seconds": seconds, **part.to_dict()} for seconds, part in self.by_speech]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        """From a card."""
        parts = tuple((float(part["seconds"]), cls.from_dict(part)) for part in data.get("by_speech", ()))
        return cls(float(data["slope"]), float(data["intercept"]), tuple(data["impostor_fmr"]), tuple(data["impostor_score"]), parts)


def _mixed(first: Calibration, second: Calibration, part: float) -> Calibration:
    """Between two calibrations with the same `impostor_fmr`: `part` in [0, 1] of the way from the first to the second."""
    score = (1 - part) * np.asarray(first.impostor_score) + part * np.asarray(second.impostor_score)
    return Calibration((1 - part) * first.slope + part * second.slope, (1 - part) * first.intercept + part * second.intercept,
                       first.impostor_fmr, tuple(score.tolist()))


def fmr_for_fpir(fpir: float, people: int) -> float:
    """False match rate per comparison that gives the false positive identification rate `fpir` with `people` enrolled."""
    return float(-np.expm1(np.log1p(-fpir) / max(people, 1)))
