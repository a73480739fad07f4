"""Search: a probe against one snapshot of the gallery. Pure.

The cosine of a person is that of the probe and what stands for the person
(`gallery.vectors.represent`). It becomes a strength (`scoring/norms.py`) in two steps.
First it is set against a cohort of strangers, by an AS-norm that heeds how long the clip
speaks. Then it is set against the nearest other people of the gallery: people of one
place resemble each other, and need more to be told apart. Only a shortlist of the
nearest people takes part. Entries of one person are no other people to each other.

The fused search compares by both modalities where a person has both, and else by the one
that there is. Strengths of different modalities mean different things, so people are
ordered by the calibrated log-likelihood ratio.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from gallery.records.feed import PersonRef
from gallery.search.memory import Snapshot
from recognition.likeness import Entries, find_alike
from recognition.results import Match
from recognition.sides import Calibrations, Side, Sides
from scoring.calibration import Calibration, probability_of
from scoring.norms import OTHERS
from utils.arrays import BoolArray, Float64Array, IndexArray
from utils.modality import Modality

SHORTLIST = 50
"""Number of people, of the highest cosines, whose strengths are computed.

The enrolled side moves a level by little, so the best person is one of them.
"""
LOOKED_AT = 20
"""Number of people, of the highest strengths, among whom entries of one person are found."""


@dataclass(frozen=True)
class Candidate:
    """A person of the gallery compared with the probe, by one modality.

    `score` is a cosine in [-1, 1], and `score` = `level` + `scale` · `strength`. The
    log-likelihood ratio `llr` rises by `slope` with each strength. `entries` are others
    that look like the same person.
    """

    person: PersonRef
    modality: Modality
    score: float
    level: float
    scale: float
    strength: float
    slope: float
    llr: float
    entries: tuple[PersonRef, ...] = ()

    @property
    def probability(self) -> float:
        """Probability, at even prior odds, that both are one person."""
        return float(probability_of(self.llr))

    def is_same(self, person: PersonRef) -> bool:
        """Whether this is an entry of the same person."""
        return any(ref.key == person.key for ref in (self.person, *self.entries))

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


class Search:
    """A probe against a snapshot of the gallery.

    Each modality is searched once, when it is first asked for.
    """

    def __init__(self, snapshot: Snapshot, probe: Sides, calibrations: Calibrations) -> None:
        self._snapshot = snapshot
        self._probe = probe
        self._calibrations = calibrations
        self._searches: dict[Modality, _ModalitySearch] = {}

    @property
    def people(self) -> int:
        """Number of people who are searched."""
        return self._snapshot.people

    def rank(self, modality: Modality) -> tuple[Candidate, ...]:
        """Find the two best people of the gallery in one modality, best first.

        Of several entries of one person the best counts.

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
                candidates += search.candidates(search.foremost(search.nearest(rows)))
        ranked = sorted(candidates, key=lambda c: (-c.llr, c.person.key))
        others = [c for c in ranked if not ranked[0].is_same(c.person)]
        return (*ranked[:1], *others[:1])

    def _find_alike(self, rows: IndexArray) -> BoolArray:
        """Find which of n rows look like one person (n, n).

        Not those that are two people by the operator's word.
        """
        entries = Entries(self._snapshot.vectors, self._snapshot.has).part(rows)
        alike = find_alike(entries, self._calibrations, self.people)
        keys = self._snapshot.keys[rows].tolist()
        for one, other in np.argwhere(alike).tolist():
            if (keys[one], keys[other]) in self._snapshot.distinct:
                alike[one, other] = False
                alike[other, one] = False
        return alike

    def _by(self, modality: Modality) -> _ModalitySearch:
        if modality not in self._searches:
            self._searches[modality] = _ModalitySearch(
                self._snapshot,
                modality,
                self._probe[modality],
                calibration=self._calibrations[modality],
                find_alike=self._find_alike,
            )
        return self._searches[modality]


class _ModalitySearch:
    """Cosines of everybody in one modality, and strengths of those who are asked for."""

    def __init__(
        self,
        snapshot: Snapshot,
        modality: Modality,
        side: Side,
        *,
        calibration: Calibration,
        find_alike: Callable[[IndexArray], BoolArray],
    ) -> None:
        self._snapshot = snapshot
        self._modality = modality
        self._calibration = calibration
        self._vectors = snapshot.vectors[modality]
        has = snapshot.has[modality]
        cosines = np.clip(self._vectors @ side.vector, -1.0, 1.0)
        self._cosines = np.where(has, cosines, -np.inf)
        self._line = calibration.line(side.quality)
        self._deductions: dict[tuple[bytes, int], float] = {}
        self._count = snapshot.count(modality)
        shortlist = self.nearest(has)
        self._level, self._scale, raises = calibration.norm.search(
            side.vector, side.speech_s, self._vectors[shortlist]
        )
        self._raises = dict(zip(shortlist.tolist(), raises.tolist(), strict=True))
        strengths = self._strengths(shortlist)
        order = np.argsort(-strengths)
        self._top_rows = shortlist[order]
        self._top = strengths[order]
        # Others than those who come near the probe leave no surplus
        near = self._top_rows[:LOOKED_AT][self._top[:LOOKED_AT] > 0]
        self._alike = find_alike(near) if len(near) > 1 else np.ones((len(near), len(near)), bool)

    def nearest(self, rows: BoolArray) -> IndexArray:
        """The `SHORTLIST` rows of the highest cosines where `rows` is true."""
        cosines = np.where(rows, self._cosines, -np.inf)
        if len(cosines) <= SHORTLIST:
            return np.flatnonzero(rows)
        first = np.argpartition(-cosines, SHORTLIST - 1)[:SHORTLIST]
        return first[rows[first]]

    def foremost(self, rows: IndexArray) -> IndexArray:
        """Those of `rows` who may come first, or first of the others than that person.

        The other people take no less off whoever comes behind. So two are enough of those
        who have one entry.
        """
        several = self._top_rows[: len(self._alike)][self._alike.sum(axis=1) > 1]
        apart = np.isin(rows, several)
        rest = rows[~apart]
        order = np.lexsort((self._snapshot.keys[rest], -self._strengths(rest)))
        return np.concatenate([rows[apart], rest[order[:2]]])

    def candidates(self, rows: IndexArray) -> list[Candidate]:
        """Compare the people in `rows` with the probe."""
        levels = self._levels(rows)
        return [
            self._candidate(int(row), float(level)) for row, level in zip(rows, levels, strict=True)
        ]

    def _levels(self, rows: IndexArray) -> Float64Array:
        """Levels (n,) of the people in `rows`. Each is worked out once."""
        wanted = rows.tolist()
        missing = [row for row in wanted if row not in self._raises]
        if missing:
            raises = self._calibration.norm.person(self._vectors[missing])
            self._raises.update(zip(missing, raises.tolist(), strict=True))
        return self._level + np.array([self._raises[row] for row in wanted], np.float64)

    def _strengths(self, rows: IndexArray) -> Float64Array:
        """Strengths (n,) of the people in `rows`, before the others take anything off."""
        strengths: Float64Array = (self._cosines[rows] - self._levels(rows)) / self._scale
        return strengths

    def _candidate(self, row: int, level: float) -> Candidate:
        same = self._same_as(row)
        level = level + self._scale * self._deduction(same)
        score = float(self._cosines[row])
        strength = (score - level) / self._scale
        slope, intercept = self._line
        return Candidate(
            person=self._ref(row),
            modality=self._modality,
            score=score,
            level=level,
            scale=self._scale,
            strength=strength,
            slope=slope,
            llr=slope * strength + intercept,
            entries=tuple(self._ref(other) for other in self._top_rows[same] if other != row),
        )

    def _deduction(self, same: BoolArray) -> float:
        """What the other people take off. Most have the same others: it is worked out once."""
        others = self._top[~same][:OTHERS]
        count = self._count - max(int(same.sum()), 1)
        key = (others.tobytes(), count)
        if key not in self._deductions:
            self._deductions[key] = self._calibration.norm.deduction(others, count)
        return self._deductions[key]

    def _same_as(self, row: int) -> BoolArray:
        """Which of the top rows are entries of the person of this row, itself included."""
        same: BoolArray = np.asarray(self._top_rows == row)
        near = len(self._alike)
        for alike in self._alike[same[:near]]:
            same[:near] |= alike
        return same

    def _ref(self, row: int) -> PersonRef:
        return self._snapshot.refs[int(self._snapshot.keys[row])]
