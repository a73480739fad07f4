"""Score normalisation as it serves: scores of all people and recordings on one scale.

`CohortNorm` is what serves, `NoNorm` stands where there is no cohort. `CohortNorm` is
AS-norm (`scoring/as_norm.py`) with four differences, for the stated error rates of
identification:

- How far the adaptive mean and deviation of the probe predict the scores of impostors is
  measured (`train/calibration/norm_fit.py`), not assumed. Blurred faces and short speech
  score lower and closer together, and both statistics show that only in part.
- The seconds of speech in the probe are one more measure of its quality (a quality
  measure function: Thienpondt et al. 2021, "The IDLab VoxSRC-20 submission").
- The probe's side alone sets the scale, as in T-norm, because rates of identification
  are rates of probes. The enrolled side moves the level.
- The other people of the gallery are a cohort that follows the place. Where they score
  higher than strangers from elsewhere would (one studio, one microphone, one family),
  the score that a name needs rises with them (`surplus`).
- Few others tell little of their place. Strangers there count as those of the places
  that were measured, and the more others there are, the less (`Coefficients.place`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring.as_norm import statistics
from scoring.impostor_table import ImpostorTable
from utils.arrays import Float32Array, Float64Array

# Share of the cohort that is nearest: its scores tell how near strangers come.
NEAREST_SHARE = 0.1
# Seconds of speech at which the duration moves nothing. An unknown duration counts as
# this one.
REFERENCE_S = 3.0
# Durations beyond these count as these: one in a hundred of those calibrated on is
# longer.
SPEECH_S = (0.5, 6.0)
# Nearest other people of the gallery whose scores are compared with those expected.
OTHERS = 5
# Other people whose surplus counts as much as what was measured in other places.
PRIOR_PEOPLE = 6
# Names of the columns of the table of impostors in a card.
COLUMNS = ("null_rate", "null_score")

Weights = tuple[float, float, float, float]


@dataclass(frozen=True)
class NoNorm:
    """The norm of a calibration without a cohort: strengths are cosines."""

    scale_id = ""
    pair_impostors: ImpostorTable | None = None

    def with_cohort(self, cohort: Float32Array) -> NoNorm:
        """Return this norm, which has no cohort."""
        del cohort
        return self

    def probe(
        self, vectors: npt.ArrayLike, seconds: npt.ArrayLike = 0.0
    ) -> tuple[Float64Array, Float64Array]:
        """Return level 0 and scale 1, (n,) each, of probes (n, size)."""
        del seconds
        count = len(np.asarray(vectors))
        return np.zeros(count), np.ones(count)

    def person(self, vectors: npt.ArrayLike) -> Float64Array:
        """Return how far people (n, size) raise the level: 0 (n,)."""
        return np.zeros(len(np.asarray(vectors)))

    def search(
        self, probe: Float32Array, seconds: float, people: Float32Array
    ) -> tuple[float, float, Float64Array]:
        """Return level 0 and scale 1 of a probe, and what people (n, size) add: 0 (n,)."""
        del probe, seconds
        return 0.0, 1.0, self.person(people)

    def entry(self, vectors: npt.ArrayLike) -> tuple[Float64Array, Float64Array]:
        """Return level 0 and scale 1, (n,) each, of people (n, size)."""
        return self.probe(vectors)

    def deduction(self, others: npt.ArrayLike = (), count: int = 0) -> float:
        """Return what the other people of a gallery take off a strength: nothing."""
        del others, count
        return 0.0

    def average(self) -> tuple[float, float]:
        """Return level and scale of an average probe."""
        return 0.0, 1.0


@dataclass(frozen=True, kw_only=True)
class Coefficients:
    """Numbers of a `CohortNorm`.

    All are on the scale of cosines but `impostors` and `others`. With mean m and
    deviation d of a probe's `NEAREST_SHARE` highest cohort scores and its
    `duration_feature` t:

    - its level is (1, m, d, t) · `level`
    - its scale is (1, m, d, t) · `scale`, `least_scale` at least

    The weights of t are 0 for faces. `person` · (m' - `person_mean`) is added to the
    level for a person whose own nearest cohort scores have the mean m'. `impostors`
    holds strengths of impostors without a gallery, from a rate near 1 on. `others` in
    [0, 1] is the weight of the surplus. `place` is how much more strangers of one place
    resemble each other than strangers from anywhere do, as a strength. None: it was not
    measured, and the surplus alone counts.
    """

    level: Weights
    scale: Weights
    least_scale: float
    person: float
    person_mean: float
    others: float
    impostors: ImpostorTable
    place: float | None = None

    def __post_init__(self) -> None:
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

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as a card stores them.

        The weights of the seconds of speech are left out where they are 0.
        """
        weights = 3 if self.level[3] == self.scale[3] == 0 else 4
        return {
            "level": list(self.level[:weights]),
            "scale": list(self.scale[:weights]),
            "least_scale": self.least_scale,
            "person": self.person,
            "person_mean": self.person_mean,
            "others": self.others,
            **({} if self.place is None else {"place": self.place}),
            **self.impostors.to_dict(*COLUMNS),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Coefficients:
        """Read what `to_dict` returned, from a card."""
        return cls(
            level=_four(data["level"]),
            scale=_four(data["scale"]),
            least_scale=data["least_scale"],
            person=data["person"],
            person_mean=data["person_mean"],
            others=data["others"],
            place=data.get("place"),
            impostors=ImpostorTable.from_dict(data, *COLUMNS),
        )


def _four(weights: list[float]) -> Any:
    return (*weights, 0.0) if len(weights) == 3 else tuple(weights)


@dataclass(frozen=True, eq=False)
class CohortNorm:
    """Strength of a comparison: (cosine - level) / scale - deduction.

    `cohort` is (n, size) float32 of unit length. About one unit of strength is a decade
    of the false match rate: the larger, the rarer among impostors.
    """

    cohort: Float32Array
    numbers: Coefficients

    @property
    def pair_impostors(self) -> ImpostorTable:
        """Strengths of impostors in comparisons without a gallery."""
        return self.numbers.impostors

    def with_cohort(self, cohort: Float32Array) -> CohortNorm:
        """Return the norm of the same numbers for another cohort (n, size)."""
        return CohortNorm(cohort, self.numbers)

    def probe(
        self, vectors: npt.ArrayLike, seconds: npt.ArrayLike = 0.0
    ) -> tuple[Float64Array, Float64Array]:
        """Work out level and scale of probes.

        Args:
            vectors: Probes (n, size) of unit length.
            seconds: Seconds of speech, (n,) or one for all. 0: unknown, or no speech.

        Returns:
            Levels (n,) and scales (n,).
        """
        return self._level_and_scale(self.features(vectors), seconds)

    def person(self, vectors: npt.ArrayLike) -> Float64Array:
        """Return how far people raise the level (n,).

        `vectors` (n, size) of unit length represent the people.
        """
        return self._raise(self.people_features(vectors))

    def search(
        self, probe: Float32Array, seconds: float, people: Float32Array
    ) -> tuple[float, float, Float64Array]:
        """Work out level and scale of a probe (size,), and what people (n, size) add (n,)."""
        own, features = self.search_features(probe[None], people)
        level, scale = self._level_and_scale(own, seconds)
        return float(level[0]), float(scale[0]), self._raise(features)

    def entry(self, vectors: npt.ArrayLike) -> tuple[Float64Array, Float64Array]:
        """Work out level and scale of people, as probe and as person together.

        `vectors` as of `person`. Returns levels (n,) and scales (n,).
        """
        features = self.people_features(vectors)
        level, scale = self._level_and_scale(features, 0.0)
        return level + self._raise(features), scale

    def people_features(self, vectors: npt.ArrayLike) -> Float64Array:
        """Return `features` (n, 3) of people, who may be known."""
        return self.features(vectors)

    def search_features(
        self, probe: Float32Array, people: Float32Array
    ) -> tuple[Float64Array, Float64Array]:
        """Return `features` of a probe (1, size), and of people (n, size) who may be known."""
        return self.features(probe), self.people_features(people)

    def _raise(self, features: Float64Array) -> Float64Array:
        return self.numbers.person * (features[:, 1] - self.numbers.person_mean)

    def _level_and_scale(
        self, features: Float64Array, seconds: npt.ArrayLike
    ) -> tuple[Float64Array, Float64Array]:
        weighed = np.column_stack([features, duration_feature(seconds, len(features))])
        return weighed @ self.numbers.level, np.maximum(
            weighed @ self.numbers.scale, self.numbers.least_scale
        )

    def features(self, vectors: npt.ArrayLike) -> Float64Array:
        """Return `cohort_features` (n, 3) of `vectors` (n, size)."""
        return cohort_features(vectors, self.cohort)

    def deduction(self, others: npt.ArrayLike = (), count: int = 0) -> float:
        """Return what the place takes off a strength. Arguments as `surplus`."""
        return float(self.weigh_place(self.surplus(others, count), count))

    def weigh_place(self, surplus: npt.ArrayLike, count: int) -> Float64Array:
        """Return what `count` other people with this surplus (any shape) take off.

        `place` counts as much as the surplus of `PRIOR_PEOPLE` others does. Without
        `place`, fewer than `OTHERS` count for less.
        """
        seen = self.numbers.others * np.asarray(surplus, np.float64)
        if self.numbers.place is None:
            return seen * min(count, OTHERS) / OTHERS
        prior = PRIOR_PEOPLE / (PRIOR_PEOPLE + count)
        return prior * self.numbers.place + (1 - prior) * seen

    def surplus(self, others: npt.ArrayLike, count: int) -> float:
        """Return how much higher other people score than as many impostors would.

        Args:
            others: Strengths of the nearest other people, before anything is taken off,
                in any order.
            count: How many other people there are.

        Returns:
            Mean over the `OTHERS` highest, 0 without others.
        """
        top = np.sort(np.asarray(others, np.float64))[::-1][: min(OTHERS, count)]
        return float((top - self.expect(count, len(top))).mean()) if len(top) else 0.0

    def expect(self, count: int, nearest: int) -> Float64Array:
        """Return the strengths (nearest,) of the highest of `count` impostors.

        The highest comes first.
        """
        rates = np.clip((np.arange(1, nearest + 1) - 0.4) / (count + 0.2), 0.0, 1.0)
        return self.numbers.impostors.scores_at(rates)

    def average(self) -> tuple[float, float]:
        """Return level and scale of an average probe: their means over the cohort."""
        level, scale = self.probe(self.cohort)
        return float(level.mean()), float(scale.mean())

    @property
    def scale_id(self) -> str:
        """Name of the scale of the strengths, 16 hex digits.

        Other numbers make another scale, and another cohort always has other numbers.
        """
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as a card stores them, without the cohort."""
        return self.numbers.to_dict()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], cohort: Float32Array) -> CohortNorm:
        """Read the numbers from a card, and join them with their cohort (m, size)."""
        return cls(cohort, Coefficients.from_dict(data))


Norm = CohortNorm | NoNorm


def cohort_features(vectors: npt.ArrayLike, cohort: npt.ArrayLike) -> Float64Array:
    """Return one, mean and deviation of the nearest cohort scores.

    `vectors` (n, size) and `cohort` (m, size) of unit length give (n, 3).
    """
    return features_of(np.asarray(vectors, np.float32) @ np.asarray(cohort, np.float32).T)


def features_of(scores: Float32Array) -> Float64Array:
    """Return `cohort_features` (n, 3) of cosines (n, m) with the cohort."""
    mean, deviation = statistics(scores, max(3, round(NEAREST_SHARE * scores.shape[1])))
    return np.column_stack([np.ones(len(mean)), mean, deviation])


def duration_feature(seconds: npt.ArrayLike, count: int) -> Float64Array:
    """Return the logarithm (count,) of `seconds` of speech over `REFERENCE_S`.

    `seconds` is (count,) or one for all. The result is 0 where they are 0: unknown.
    """
    values = np.broadcast_to(np.asarray(seconds, np.float64), count)
    return np.where(values > 0, np.log(np.clip(values, *SPEECH_S) / REFERENCE_S), 0.0)
