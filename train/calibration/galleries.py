"""Galleries drawn at random from held-out people, and how strongly probes match them.

Thresholds are calibrated and measured on them. Strengths are those of the service
(`scoring/norms.py`, `recognition/matching.py`), computed for all people of a gallery at
once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scoring.norms import OTHERS, CohortNorm, Norm
from train.data.tables import Codes, Table
from utils.arrays import BoolArray, Float32Array, Float64Array, unit

KINDS = (1, 2, 5)
"""Numbers of groups of similar people that galleries are drawn within.

One group is everybody. A real gallery is seldom a fair sample.
"""


@dataclass(frozen=True)
class Fold:
    """People to measure, and a cohort (n, size) of other people."""

    table: Table
    cohort: Float32Array

    @property
    def clean(self) -> str:
        """The condition of templates: the first of the table."""
        return self.table.conditions[0]


@dataclass(frozen=True)
class Gallery:
    """A gallery of N entries and its p probes.

    Attributes:
        bare: (p, N) bare strengths, before any surplus is taken off.
        owner: (p,) whose probe it is.
        enrolled: (N,) whose entry it is.
        alone: (N,) whether the entry is its person's only one.
        quality: (p, k) qualities of the probes, as of `Table`.
    """

    bare: Float64Array
    owner: Codes
    enrolled: Codes
    alone: BoolArray
    quality: Float32Array

    @property
    def strangers(self) -> BoolArray:
        """Probes (p,) of people who are not enrolled."""
        return ~np.isin(self.owner, self.enrolled)


class Arena:
    """A fold under one norm, which galleries are drawn from.

    Scores of each condition are computed once.
    """

    def __init__(self, fold: Fold, norm: Norm) -> None:
        """`norm` gives the numbers. The cohort is that of the fold."""
        self.fold = fold
        self.norm = norm.with_cohort(fold.cohort)
        self.templates = fold.table.under(fold.clean)
        self._bare: dict[str, tuple[Table, Float64Array]] = {}

    def bare(self, condition: str) -> tuple[Table, Float64Array]:
        """All probes under a condition, and their bare strengths (p, t).

        They are compared with all t templates.
        """
        if condition not in self._bare:
            probes = self.fold.table.under(condition)
            scores = bare_strengths(probes, self.templates.vectors, self.norm)
            self._bare[condition] = (probes, scores)
        return self._bare[condition]

    def draw(
        self,
        size: int,
        rng: np.random.Generator,
        *,
        condition: str | None = None,
        members: Codes | None = None,
        strangers: int = 0,
    ) -> Gallery:
        """Draw a gallery of `size` entries, one clean template each.

        The probes are those of all members but the ones made of the same files. Where
        there are fewer members than entries and strangers, some people are entered more
        than once, with another file each time.

        Args:
            size: Entries.
            rng: Source of all chance.
            condition: Condition of the probes, None for clean.
            members: People to choose from, None for everybody.
            strangers: People who stay out, at least.
        """
        probes, bare = self.bare(condition or self.fold.clean)
        everybody = np.unique(self.templates.person) if members is None else members
        rows = self._entries(rng.permutation(everybody), size, len(everybody) - strangers, rng)
        enrolled = self.templates.person[rows]
        keep = np.isin(probes.person, everybody) & ~np.isin(probes.file, self.templates.file[rows])
        alone = np.bincount(enrolled, minlength=enrolled.max() + 1)[enrolled] == 1
        return Gallery(
            bare=bare[keep][:, rows],
            owner=probes.person[keep],
            enrolled=enrolled,
            alone=alone,
            quality=probes.quality[keep],
        )

    def _entries(self, order: Codes, size: int, most: int, rng: np.random.Generator) -> Codes:
        """Rows of the entries: one file of each person, then another of each, and so on."""
        files = [
            rng.permutation(np.flatnonzero(self.templates.person == person))
            for person in order[: min(size, most)]
        ]
        rows: list[int] = []
        for turn in range(max(map(len, files))):
            rows += [own[turn] for own in files if turn < len(own)]
        return np.array(rows[:size])


def bare_strengths(probes: Table, templates: Float32Array, norm: Norm) -> Float64Array:
    """(p, t) strengths of p probes with `templates` (t, size), outside of a gallery."""
    scores = (probes.vectors @ templates.T).astype(np.float64)
    level, scale = norm.probe(probes.vectors, probes.seconds)
    return (scores - level[:, None] - norm.person(templates)) / scale[:, None]


def surplus(bare: Float64Array, norm: CohortNorm) -> Float64Array:
    """(p, N) `CohortNorm.surplus` of each probe for each entry.

    It follows from the nearest of the other entries.
    """
    count = bare.shape[1] - 1
    nearest = min(OTHERS, count)
    if not nearest:
        return np.zeros_like(bare)
    # One more than the nearest, as the entry itself may be among them.
    top = -np.sort(-np.partition(bare, count - nearest, axis=1)[:, count - nearest :], axis=1)
    without = np.where(bare >= top[:, [nearest]], bare, top[:, [nearest]])
    return (top.sum(axis=1)[:, None] - without - norm.expect(count, nearest).sum()) / nearest


def strengths(bare: Float64Array, norm: Norm) -> Float64Array:
    """(p, N) strengths as the service finds them in this gallery."""
    if isinstance(norm, CohortNorm):
        return bare - norm.weigh_place(surplus(bare, norm), bare.shape[1] - 1)
    return bare


def best_entries(bare: Float64Array) -> tuple[Codes, Codes]:
    """The numbers of all probes, and of the strongest entry of each."""
    return np.arange(len(bare)), bare.argmax(axis=1)


def groups(table: Table, kinds: Sequence[int] = KINDS) -> dict[int, list[Codes]]:
    """Divide the people of a table into groups who resemble each other.

    They are found by k-means of the directions of mean embeddings.

    Args:
        table: The people.
        kinds: Numbers of groups.

    Returns:
        The groups, by their number.
    """
    # A second to import.
    from sklearn.cluster import KMeans

    clean = table.under(table.conditions[0])
    people = np.unique(clean.person)
    means = np.stack([clean.vectors[clean.person == person].mean(axis=0) for person in people])
    means -= means.mean(axis=0)
    means = unit(means)
    parts: dict[int, list[Codes]] = {}
    for kind in kinds:
        if kind == 1:
            parts[kind] = [people]
        else:
            group = KMeans(kind, n_init=4, random_state=0).fit_predict(means)
            parts[kind] = [people[group == number] for number in range(kind)]
    return parts
