"""Search: a probe against one snapshot of the gallery. Pure.

The cosine of a person is that of the probe and what stands for the person
(`gallery.vectors.represent`). It becomes a strength (`scoring/norms.py`) in two steps.
First it is set against a cohort of strangers, by an AS-norm that heeds how long the clip
speaks. Then it is set against the nearest other people of the gallery: people of one
place resemble each other, and need more to be told apart. Only a shortlist of the
nearest people takes part.

The fused search compares by both modalities where a person has both, and else by the one
that there is. Strengths of different modalities mean different things, so people are
ordered by the calibrated log-likelihood ratio.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gallery.records.feed import PersonRef
from gallery.search.memory import Snapshot
from recognition.results import Match
from scoring.calibration import Calibration
from scoring.norms import OTHERS
from utils.arrays import BoolArray, Float32Array, Float64Array, IndexArray
from utils.modality import Modality, PerModality

Calibrations = PerModality[Calibration]
ProbeVectors = Mapping[Modality, Float32Array]
"""Embeddings (512,) of one clip by modality.

With face and voice there is the fused one too, of the fusion's size.
"""

SHORTLIST = 50
"""Number of people, of the highest cosines, whose strengths are computed.

The enrolled side moves a level by little, so the best person is one of them.
"""
_BEST = 2


@dataclass(frozen=True)
class Candidate:
    """A person of the gallery compared with the probe, by one modality.

    `score` is a cosine in [-1, 1], and `score` = `level` + `scale` · `strength`.
    """

    person: PersonRef
    modality: Modality
    score: float
    level: float
    scale: float
    strength: float
    llr: float
    probability: float

    @property
    def match(self) -> Match:
        """The person and the scores, as an answer has them."""
        return Match(
            person_id=self.person.person_id,
            name=self.person.name,
            score=self.score,
            probability=self.probability,
            strength=self.strength,
        )

    def score_at(self, strength: float) -> float:
        """Cosine with which this person would have `strength`.

        1 where no cosine is high enough.
        """
        return min(self.level + self.scale * strength, 1.0)


@dataclass(frozen=True)
class Comparison:
    """Two sides compared without a gallery around them. Fields as of `Candidate`."""

    score: float
    level: float
    scale: float
    strength: float


def compare(
    probe: Float32Array,
    reference: Float32Array,
    calibration: Calibration,
    *,
    speech_s: float,
    reference_s: float | None = None,
) -> Comparison:
    """Compare two embeddings (size,) of one modality.

    Args:
        probe: embedding of a clip.
        reference: what stands for a person, however long that person spoke. With
            `reference_s` it is of another clip: then both are probes, level and scale
            are the means of both, and the order of the two does not matter.
        calibration: of their modality.
        speech_s, reference_s: seconds of speech in the clips; 0 = none, or unknown.
    """
    score = float(np.clip(probe @ reference, -1.0, 1.0))
    level, scale = _level_and_scale(probe, reference, calibration, speech_s)
    if reference_s is not None:
        other_level, other_scale = _level_and_scale(reference, probe, calibration, reference_s)
        level = (level + other_level) / 2
        scale = (scale + other_scale) / 2
    return Comparison(score=score, level=level, scale=scale, strength=(score - level) / scale)


def _level_and_scale(
    probe: Float32Array, person: Float32Array, calibration: Calibration, speech_s: float
) -> tuple[float, float]:
    levels, scales = calibration.norm.probe(probe[None], speech_s)
    return float(levels[0] + calibration.norm.person(person[None])[0]), float(scales[0])


class Search:
    """A probe against a snapshot of the gallery.

    Each modality is searched once, when it is first asked for. `speech_s`: seconds of
    speech in the probe; 0 = none, or unknown.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        probe: ProbeVectors,
        calibrations: Calibrations,
        *,
        speech_s: float,
    ) -> None:
        self._snapshot = snapshot
        self._probe = probe
        self._calibrations = calibrations
        self._speech_s = speech_s
        self._searches: dict[Modality, _ModalitySearch] = {}

    def rank(self, modality: Modality) -> tuple[Candidate, ...]:
        """Find the two best people of the gallery in one modality, best first.

        FUSED, for a probe with face and voice, compares each person by what is stored
        of that person.
        """
        has = self._snapshot.has
        if modality != Modality.FUSED:
            return self._best_of({modality: has[modality]})
        both = has[Modality.FUSED]
        return self._best_of(
            {
                Modality.FUSED: both,
                Modality.FACE: has[Modality.FACE] & ~both,
                Modality.VOICE: has[Modality.VOICE] & ~both,
            }
        )

    def llr_of(self, person: PersonRef, modality: Modality) -> float | None:
        """Log-likelihood ratio of one person of the snapshot in one modality.

        None = the probe lacks it, or nothing is stored to compare it with.
        """
        row = int(np.flatnonzero(self._snapshot.keys == person.key)[0])
        if modality not in self._probe or not self._snapshot.has[modality][row]:
            return None
        return self._by(modality).candidates(np.array([row]))[0].llr

    def _best_of(self, rows_by: Mapping[Modality, BoolArray]) -> tuple[Candidate, ...]:
        candidates: list[Candidate] = []
        for modality, rows in rows_by.items():
            if rows.any():
                search = self._by(modality)
                candidates += search.candidates(search.nearest(rows))
        return tuple(sorted(candidates, key=lambda c: (-c.llr, c.person.key))[:_BEST])

    def _by(self, modality: Modality) -> _ModalitySearch:
        if modality not in self._searches:
            self._searches[modality] = _ModalitySearch(
                self._snapshot,
                modality,
                self._probe[modality],
                calibration=self._calibrations[modality],
                speech_s=self._speech_s,
            )
        return self._searches[modality]


class _ModalitySearch:
    """Cosines of everybody in one modality, and strengths of those who are asked for."""

    def __init__(
        self,
        snapshot: Snapshot,
        modality: Modality,
        vector: Float32Array,
        *,
        calibration: Calibration,
        speech_s: float,
    ) -> None:
        self._snapshot = snapshot
        self._modality = modality
        self._calibration = calibration
        self._vectors = snapshot.vectors[modality]
        has = snapshot.has[modality]
        self._cosines = np.where(has, np.clip(self._vectors @ vector, -1.0, 1.0), -np.inf)
        level, scale = calibration.norm.probe(vector[None], speech_s)
        self._level = float(level[0])
        self._scale = float(scale[0])
        self._count = snapshot.count(modality)
        shortlist = self.nearest(has)
        strengths = (self._cosines[shortlist] - self._levels(shortlist)) / self._scale
        order = np.argsort(-strengths)[: OTHERS + 1]
        self._top_rows = shortlist[order]
        self._top = strengths[order]

    def nearest(self, rows: BoolArray) -> IndexArray:
        """The `SHORTLIST` rows of the highest cosines where `rows` is true."""
        cosines = np.where(rows, self._cosines, -np.inf)
        if len(cosines) <= SHORTLIST:
            return np.flatnonzero(rows)
        first = np.argpartition(-cosines, SHORTLIST - 1)[:SHORTLIST]
        return first[rows[first]]

    def candidates(self, rows: IndexArray) -> list[Candidate]:
        """Compare the people in `rows` with the probe."""
        levels = self._levels(rows)
        return [
            self._candidate(int(row), float(level)) for row, level in zip(rows, levels, strict=True)
        ]

    def _levels(self, rows: IndexArray) -> Float64Array:
        return self._level + self._calibration.norm.person(self._vectors[rows])

    def _candidate(self, row: int, level: float) -> Candidate:
        deduction = self._calibration.norm.deduction(
            self._top[self._top_rows != row][:OTHERS], self._count - 1
        )
        level = level + self._scale * deduction
        score = float(self._cosines[row])
        strength = (score - level) / self._scale
        llr = float(self._calibration.llr(strength))
        probability = float(self._calibration.probability(strength))
        person = self._snapshot.refs[int(self._snapshot.keys[row])]
        return Candidate(
            person=person,
            modality=self._modality,
            score=score,
            level=level,
            scale=self._scale,
            strength=strength,
            llr=llr,
            probability=probability,
        )
