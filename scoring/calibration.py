"""From a cosine to a strength, a log-likelihood ratio, a probability and a threshold.

The strength of a comparison is its cosine or, with a cohort, its cosine set against what
strangers reach (`scoring/norms.py`):

    strength = (cosine - level) / scale - deduction

with level and scale of the probe. Calibration is affine logistic regression on
strengths of held-out trials (Brümmer & du Preez, 2006, "Application-independent
evaluation of speaker detection"):

    llr(strength) = slope · strength + intercept        natural logarithm, at even prior
                                                        odds

Both numbers shrink with the quality of the probe (`Calibration.line`): a blurred face or
a second of speech says less, for somebody as against them.

The threshold for a false match rate (FMR) is read from the measured strengths of
impostors (`scoring/impostor_table.py`). Open set: with N enrolled people
FPIR = 1 − (1 − FMR)^N, so FMR = 1 − (1 − FPIR)^(1/N).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring.impostor_table import ImpostorTable
from scoring.norms import CohortNorm, NoNorm, Norm
from utils.arrays import Float32Array, Float64Array

# Names of the columns of the table of impostors in a card.
COLUMNS = ("impostor_fmr", "impostor_score")
# A slope keeps this share of itself, however poor the probe is.
LEAST_SLOPE = 0.02
Quality = Sequence[float]
"""Scores in [0, 1] of the qualities of a probe: of face, of speech, or of both.

Empty: unknown, which counts as good.
"""


def probability_of(llr: npt.ArrayLike) -> Float64Array:
    """Return the probability, at even prior odds, of log-likelihood ratios (any shape)."""
    # The logistic function, written so that it cannot overflow.
    return 0.5 * (1.0 + np.tanh(np.asarray(llr, np.float64) / 2))


@dataclass(frozen=True)
class Calibration:
    """Calibration of the strengths of one modality.

    `impostors` holds the strengths of impostors in a gallery. `norm` turns cosines into
    strengths. `cosine` is the calibration of bare cosines of the same encoder, for uses
    that have no cohort. `before` is the one that this was fitted to own people from: a
    few people say little of one clip (`of_one_clip`). `slope_lost` and `intercept_lost`
    say what slope and intercept lose where a quality is 0 instead of 1, a number for each
    quality of a probe.
    """

    slope: float
    intercept: float
    impostors: ImpostorTable
    norm: Norm = field(default=NoNorm(), compare=False)
    cosine: Calibration | None = None
    before: Calibration | None = None
    slope_lost: tuple[float, ...] = ()
    intercept_lost: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.slope <= 0:
            raise ValueError(
                "slope must be positive: a higher score means more alike. Received:"
                f" slope={self.slope}"
            )

    @property
    def scale_id(self) -> str:
        """Name of the scale of the strengths, empty for cosines.

        Strengths of two scales are never calibrated together.
        """
        return self.norm.scale_id

    @property
    def of_one_clip(self) -> Calibration:
        """The calibration of parts of one clip, which are of one or two people wherever it is."""
        return self.before or self

    def line(self, quality: Quality = ()) -> tuple[float, float]:
        """Return slope and intercept of the ratio for a probe of this quality."""
        missing = 1.0 - np.asarray(quality, np.float64)
        if not len(missing) or not self.slope_lost:
            return self.slope, self.intercept
        slope = self.slope - float(missing @ self.slope_lost)
        intercept = self.intercept - float(missing @ self.intercept_lost)
        return max(slope, LEAST_SLOPE * self.slope), intercept

    def llr(self, strength: npt.ArrayLike, quality: Quality = ()) -> Float64Array:
        """Return the natural log-likelihood ratio of `strength` (any shape)."""
        slope, intercept = self.line(quality)
        return slope * np.asarray(strength, dtype=np.float64) + intercept

    def threshold(self, fmr: float) -> tuple[float, bool]:
        """Find the strength that impostors in a gallery reach at the rate `fmr`.

        Returns:
            The strength, and whether it lies beyond what was measured.
        """
        return self.impostors.threshold(fmr)

    def pair_threshold(self, fmr: float) -> tuple[float, bool]:
        """Find the threshold for a comparison of two sides without a gallery."""
        return (self.norm.pair_impostors or self.impostors).threshold(fmr)

    def typical_cosine(self, fmr: float) -> float:
        """Find the cosine that an average probe needs for `pair_threshold(fmr)`.

        The average probe has `scoring.norms.REFERENCE_S` seconds of speech.
        """
        strength, _ = self.pair_threshold(fmr)
        level, scale = self.norm.average()
        return min(level + scale * strength, 1.0)

    def to_dict(self) -> dict[str, Any]:
        """Return what a card stores: all but the cohort."""
        data = {
            "slope": self.slope,
            "intercept": self.intercept,
            **self.impostors.to_dict(*COLUMNS),
        }
        if self.slope_lost:
            data["slope_lost"] = list(self.slope_lost)
            data["intercept_lost"] = list(self.intercept_lost)
        if isinstance(self.norm, CohortNorm):
            data["norm"] = self.norm.to_dict()
        if self.cosine:
            data["cosine"] = self.cosine.to_dict()
        if self.before:
            data["before"] = self.before.to_dict()
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], cohort: Float32Array | None = None) -> Calibration:
        """Read a calibration from a card.

        Args:
            data: What `to_dict` returned.
            cohort: The cohort of its norm, (n, size) float32 of unit length.

        Raises:
            ValueError: A value is wrong, or the cohort is missing.
        """
        return cls(
            slope=float(data["slope"]),
            intercept=float(data["intercept"]),
            impostors=ImpostorTable.from_dict(data, *COLUMNS),
            norm=_read_norm(data, cohort),
            cosine=cls.from_dict(data["cosine"]) if "cosine" in data else None,
            before=cls.from_dict(data["before"], cohort) if "before" in data else None,
            slope_lost=tuple(data.get("slope_lost", ())),
            intercept_lost=tuple(data.get("intercept_lost", ())),
        )


def _read_norm(data: Mapping[str, Any], cohort: Float32Array | None) -> Norm:
    if "norm" not in data:
        return NoNorm()
    if cohort is None:
        raise ValueError("A calibration with a norm needs its cohort, and there is none.")
    return CohortNorm.from_dict(data["norm"], cohort)


def fmr_for_fpir(fpir: float, people: int) -> float:
    """Convert a false positive identification rate into a false match rate.

    Args:
        fpir: Share of strangers that are accepted as somebody, in (0, 1).
        people: How many people are enrolled.

    Returns:
        False match rate per comparison.
    """
    return float(-np.expm1(np.log1p(-fpir) / max(people, 1)))
