"""People who are mixed of two: their own templates disagree. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from gallery.vectors import Templates, unit
from recognition.likeness import AGAINST, compare_rows
from recognition.sides import Calibrations
from scoring.calibration import Calibration
from utils.modality import SINGLE, Modality


def find_mixed(templates: Mapping[Modality, Templates], calibrations: Calibrations) -> set[int]:
    """Find the people of whom a template speaks clearly against the mean of the others."""
    mixed = set[int]()
    for modality in SINGLE:
        if modality in templates:
            mixed.update(_find_odd(templates[modality], calibrations[modality]))
    return mixed


def _find_odd(templates: Templates, calibration: Calibration) -> Iterator[int]:
    _, first, counts = np.unique(templates.owners, return_index=True, return_counts=True)
    if not len(first):
        return
    sums = np.add.reduceat(templates.vectors, first, axis=0)
    several = np.repeat(counts > 1, counts)
    others = np.repeat(sums, counts, axis=0)[several] - templates.vectors[several]
    if not len(others):
        return
    llrs = compare_rows(templates.vectors[several], unit(others), calibration)
    yield from templates.owners[several][llrs < AGAINST].tolist()
