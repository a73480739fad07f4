"""Search: a probe against one snapshot of the gallery. Pure.

A person's score in a modality is the mean cosine of the probe to the person's templates (`gallery.vectors.represent`). The fused search
compares by both where a person has both, and by the one modality that there is otherwise; cosines of different modalities have different
meanings, so it orders people by the calibrated log-likelihood ratio.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gallery.feed import PersonRef
from gallery.index import BoolArray, Snapshot
from utils.calibration import Calibration
from utils.types import FloatArray, Match, Modality

Calibrations = Mapping[Modality, Calibration]
Probe = Mapping[Modality, FloatArray]
"""Embeddings (512,) of one clip; with face and voice there is the fused one too, of the fusion's size."""

_BEST = 2


@dataclass(frozen=True)
class Candidate:
    """A person who was compared, in the modality in which it was done. `score` = mean cosine in [-1, 1]."""

    person: PersonRef
    modality: Modality
    score: float
    llr: float
    probability: float

    @property
    def match(self) -> Match:
        """As it is answered."""
        return Match(self.person.person_id, self.person.name, self.score, self.probability)


def rank(snapshot: Snapshot, probe: Probe, modality: Modality, calibrations: Calibrations) -> tuple[Candidate, ...]:
    """The two best people of the gallery in one modality, best first; FUSED, for a probe with face and voice, compares each person by
    what is stored of them."""
    if modality != Modality.FUSED:
        return _best_of(snapshot, probe, {modality: snapshot.has[modality]}, calibrations)
    both = snapshot.has[Modality.FUSED]
    where = {Modality.FUSED: both, Modality.FACE: snapshot.has[Modality.FACE] & ~both, Modality.VOICE: snapshot.has[Modality.VOICE] & ~both}
    return _best_of(snapshot, probe, where, calibrations)


def llr_of(snapshot: Snapshot, probe: Probe, person: PersonRef, modality: Modality, calibrations: Calibrations) -> float | None:
    """Log-likelihood ratio of one person of the snapshot in one modality; None = not in the probe, or nothing stored to compare it with."""
    row = int(np.flatnonzero(snapshot.keys == person.key)[0])
    if modality not in probe or not snapshot.has[modality][row]:
        return None
    return float(calibrations[modality].llr(snapshot.vectors[modality][row] @ probe[modality]))


def _best_of(snapshot: Snapshot, probe: Probe, where: Mapping[Modality, BoolArray], calibrations: Calibrations) -> tuple[Candidate, ...]:
    found = [c for m, rows in where.items() if rows.any() for c in _best(snapshot, probe[m], m, rows, calibrations[m])]
    return tuple(sorted(found, key=lambda c: (-c.llr, c.person.key))[:_BEST])


def _best(snapshot: Snapshot, vector: FloatArray, modality: Modality, rows: BoolArray, calibration: Calibration) -> list[Candidate]:
    scores = np.where(rows, np.clip(snapshot.vectors[modality] @ vector, -1.0, 1.0), -np.inf)
    first = np.argpartition(-scores, _BEST - 1)[:_BEST] if len(scores) > _BEST else np.arange(len(scores))
    return [_candidate(snapshot, int(row), modality, float(scores[row]), calibration) for row in first if rows[row]]


def _candidate(snapshot: Snapshot, row: int, modality: Modality, score: float, calibration: Calibration) -> Candidate:
    person = snapshot.refs[int(snapshot.keys[row])]
    return Candidate(person, modality, score, float(calibration.llr(score)), float(calibration.probability(score)))
