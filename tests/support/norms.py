"""A calibration of strengths against a cohort, for the stand-ins of the networks."""

from __future__ import annotations

import numpy as np

from scoring.calibration import Calibration
from scoring.impostor_table import ImpostorTable
from scoring.norms import Coefficients, CohortNorm
from tests.support.gallery_parts import direction
from utils.modality import PerModality

COHORT = np.stack([direction("cohort", i) for i in range(60)])
NUMBERS = Coefficients(
    level=(0.01, 0.9, 0.2, 0.03),
    scale=(0.02, 0.1, 0.8, 0.01),
    least_scale=0.005,
    person=0.4,
    person_mean=0.05,
    others=0.8,
    impostors=ImpostorTable((0.9, 0.5, 0.1, 0.01, 1e-3), (-2.0, -1.0, 0.0, 1.0, 2.0)),
)
NORM = CohortNorm(COHORT, NUMBERS)
NORMED = Calibration(
    slope=2.0,
    intercept=-4.0,
    impostors=ImpostorTable((0.5, 0.1, 0.01), (-1.0, 0.0, 1.0)),
    norm=NORM,
)
NORMED_EVERYWHERE = PerModality(fused=NORMED, face=NORMED, voice=NORMED)
