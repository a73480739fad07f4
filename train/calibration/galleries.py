"""Galleries drawn at random from held-out people, and how strongly probes match them:
what thresholds are calibrated and measured on.

Strengths are those of serving (`scoring/norms.py`, `recognition/matching.py`), worked out
for all people of a gallery at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scoring.norms import OTHERS, CohortNorm, Norm
from train.data.tables import Codes, Table
from utils.arrays import BoolArray, Float32Array, Float64Array, unit

KINDS = (1, 2, 5)
"""Into how many groups of people who resemble each other galleries are divided: one is
everybody. A real gallery is seldom a fair choice.
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
class Drawn:
    """A gallery of N entries and its probes: bare strengths (p, N), before any surplus
    is taken off; whose probe (p,) and whose entry (N,) it is; `alone` (N,): the entry
    is its person's only one.
    """

    bare: Float64Array
    owner: Codes
    enrolled: Codes
    alone: BoolArray

    @property
    def strangers(self) -> BoolArray:
        """Probes (p,) of people who are not enrolled."""
        return ~np.isin(self.owner, self.enrolled)


class Arena:
    """A fold under one norm. Scores of each condition are worked out
    once.
    """

    def __init__(self, fold: Fold, norm: Norm) -> None:
        """`norm` gives the numbers; the cohort is that of the fold."""
        self.fold = fold
        self.norm = norm.with_cohort(fold.cohort)
        self.templates = fold.table.under(fold.clean)
        self._bare: dict[str, tuple[Table, Float64Array]] = {}

    def bare(self, condition: str) -> tuple[Table, Float64Array]:
        """All probes under a condition, and their bare strengths (p, t) with all
        templates.
        """
        if condition not in self._bare:
            probes = self.fold.table.under(condition)
            self._bare[condition] = (
                probes,
                bare_strengths(probes, self.templates.vectors, self.norm),
            )
        return self._bare[condition]

    def draw(
        self,
        size: int,
        rng: np.random.Generator,
        condition: str | None = None,
        members: Codes | None = None,
        strangers: int = 0,
    ) -> Drawn:
        """A gallery of `size` entries, one clean template each, of people chosen among
        `members` (None: everybody), and the probes of all members under `condition`
        (None: clean) but those made of the same files.

        Where there are fewer members than entries and `strangers` people who stay out,
        some people are entered more than once, with another file each time.
        """
        probes, bare = self.bare(condition or self.fold.clean)
        everybody = np.unique(self.templates.person) if members is None else members
        rows = self._entries(rng.permutation(everybody), size, len(everybody) - strangers, rng)
        enrolled = self.templates.person[rows]
        keep = np.isin(probes.person, everybody) & ~np.isin(probes.file, self.templates.file[rows])
        alone = np.bincount(enrolled, minlength=enrolled.max() + 1)[enrolled] == 1
        return Drawn(bare[keep][:, rows], probes.person[keep], enrolled, alone)

    def _entries(self, order: Codes, size: int, most: int, rng: np.random.Generator) -> Codes:
        files = [
            rng.permutation(np.flatnonzero(self.templates.person == person))
            for person in order[: min(size, most)]
        ]
        rounds = [[rows[i] for rows in files if i < len(rows)] for i in range(max(map(len, files)))]
        return np.array([row for turn in rounds for row in turn][:size])


def bare_strengths(probes: Table, templates: Float32Array, norm: Norm) -> Float64Array:
    """(p, t) of p probes with `templates` (t, size), without a gallery about them."""
    scores = (probes.vectors @ templates.T).astype(np.float64)
    level, scale = norm.probe(probes.vectors, probes.seconds)
    return (scores - level[:, None] - norm.person(templates)) / scale[:, None]


def surplus(bare: Float64Array, norm: CohortNorm) -> Float64Array:
    """(p, N): `CohortNorm.surplus` of each probe for each entry, by the nearest of the
    other entries.
    """
    count = bare.shape[1] - 1
    nearest = min(OTHERS, count)
    if not nearest:
        return np.zeros_like(bare)
    # One more than the nearest, as the entry itself may be among them
    top = -np.sort(-np.partition(bare, count - nearest, axis=1)[:, count - nearest :], axis=1)
    without = np.where(bare >= top[:, [nearest]], bare, top[:, [nearest]])
    return (top.sum(axis=1)[:, None] - without - norm.expected(count, nearest).sum()) / OTHERS


def strengths(bare: Float64Array, norm: Norm) -> Float64Array:
    """(p, N) as serving finds them in this gallery."""
    if isinstance(norm, CohortNorm):
        return bare - norm.numbers.others * surplus(bare, norm)
    return bare


def groups(table: Table, kinds: Sequence[int] = KINDS) -> dict[int, list[Codes]]:
    """People of a table divided into so many groups who resemble each other: by k-means
    of the directions of their mean embeddings.
    """
    from sklearn.cluster import KMeans  # a second to import

    clean = table.under(table.conditions[0])
    people = np.unique(clean.person)
    means = np.stack([clean.vectors[clean.person == person].mean(axis=0) for person in people])
    means -= means.mean(axis=0)
    means = unit(means)
    found = {}
    for kind in kinds:
        of = (
            KMeans(kind, n_init=4, random_state=0).fit_predict(means)
            if kind > 1
            else np.zeros(len(people), int)
        )
        found[kind] = [people[of == group] for group in range(kind)]
    return found
