"""A norm that looks at each embedding once. Measures ask about the same ones thousands of times."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from recognition.matching import Calibrations
from scoring.calibration import Calibration
from scoring.norms import CohortNorm
from utils.arrays import Float64Array


@dataclass(frozen=True, eq=False)
class RememberingNorm(CohortNorm):
    """A `CohortNorm` that keeps the features of every embedding."""

    features_by_row: dict[bytes, Float64Array] = field(default_factory=dict)

    def features(self, vectors: npt.ArrayLike) -> Float64Array:
        """Return `cohort_features` (n, 3) of `vectors` (n, size)."""
        rows = np.asarray(vectors, np.float32)
        names = [row.tobytes() for row in rows]
        missing = [number for number, name in enumerate(names) if name not in self.features_by_row]
        if missing:
            for number, row in zip(missing, super().features(rows[missing]), strict=True):
                self.features_by_row[names[number]] = row
        return np.stack([self.features_by_row[name] for name in names])


def with_memory(calibrations: Calibrations) -> Calibrations:
    """Return calibrations that say the same, with a norm that remembers."""
    return calibrations.map(_with_memory)


def _with_memory(calibration: Calibration) -> Calibration:
    norm = calibration.norm
    if not isinstance(norm, CohortNorm):
        return calibration
    return replace(calibration, norm=RememberingNorm(norm.cohort, norm.numbers))
