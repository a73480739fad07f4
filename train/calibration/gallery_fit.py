"""Calibrations from trials: of strengths in galleries drawn at random, and of bare
cosines of pairs of clips.

A threshold is to let a stated share of strangers pass in a gallery of N people, so it
is measured in galleries: the best strength of each stranger, for several N. A share q
of strangers above a strength is a false match rate of 1 - (1 - q)^(1/N) there, and all
N together make one table; what people of one gallery have in common is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from scoring import logistic
from scoring.calibration import Calibration
from scoring.impostor_table import ImpostorTable, rates_down_to
from scoring.norms import Norm
from train.calibration.galleries import Arena, Drawn, strengths
from train.calibration.norm_fit import rising
from train.data.tables import Table
from utils.arrays import Float64Array
from utils.errors import DatasetError

SUPPORT = 10  # different pairs of people that an entry of a table must rest on
SIZES = (1, 3, 6, 12, 25, 50, 100)
TRIAL_SIZE = 25  # people in the galleries that log-likelihood ratios are fitted on, at most
# A quarter of the draws moves a threshold by 0.03 of a strength from seed to seed
DRAWS = 48
SEED = 1
# Of strangers above a strength, from which a table reads: beyond, 1 - (1 - q)^(1/N) is
# mostly chance
MOST_SHARE = 0.6
PAIR_BASE = 100_000  # more people than any table has
RATES = rates_down_to(6e-8)


@dataclass(frozen=True)
class Trials:
    """Scores (n,) and labels (n,) of comparisons, and for each the number of its pair
    of people (n,).
    """

    scores: Float64Array
    labels: npt.NDArray[np.int64]
    pair: npt.NDArray[np.int64]

    @property
    def targets(self) -> int:
        """How many people there are target trials of."""
        return len(np.unique(self.pair[self.labels == 1]))


@dataclass(frozen=True)
class Best:
    """Of each stranger (n,) in galleries of `size` people: the best strength, and the
    number of the pair of people.
    """

    size: int
    strength: Float64Array
    pair: npt.NDArray[np.int64]


def calibration_in_galleries(arenas: Sequence[Arena], norm: Norm) -> Calibration:
    """Calibration of strengths for `norm`, from the people of `arenas`.

    Raises:
        DatasetError: too few people.
    """
    impostors = gallery_table(best_strengths(arenas))
    return replace(of_trials(gallery_trials(arenas), impostors), norm=norm)


def best_strengths(arenas: Sequence[Arena]) -> list[Best]:
    """Best strengths of clean probes of strangers, by size of gallery, as far as a
    fifth of the people and three stay out.
    """
    found = []
    for size in SIZES:
        drawn = [
            (arena.draw(size, np.random.default_rng([SEED, size, number])), arena.norm)
            for arena in arenas
            for number in range(DRAWS)
            if _room(arena) >= size
        ]
        if drawn:
            strength, pair = zip(*(_best(one, norm) for one, norm in drawn), strict=True)
            found.append(Best(size, np.concatenate(strength), np.concatenate(pair)))
    return found


def _room(arena: Arena) -> int:
    people = len(np.unique(arena.templates.person))
    return people - max(people // 5, 3)


def _best(drawn: Drawn, norm: Norm) -> tuple[Float64Array, npt.NDArray[np.int64]]:
    stranger = drawn.strangers
    bare = drawn.bare[stranger]
    rows = np.arange(len(bare)), bare.argmax(axis=1)
    return strengths(bare, norm)[rows], _pair(drawn.owner[stranger], drawn.enrolled[rows[1]])


def _pair(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.minimum(first, second) * PAIR_BASE + np.maximum(first, second)


def gallery_table(measured: Sequence[Best]) -> ImpostorTable:
    """False match rates and the strengths that reach them, as deep as `SUPPORT` pairs
    of people support: means over sizes of galleries.

    Raises:
        DatasetError: fewer than two rates are supported.
    """
    found = [
        (rate, np.mean(at))
        for rate in RATES
        if (at := [s for best in measured if (s := _strength_at(best, rate)) is not None])
    ]
    if len(found) < 2:
        raise DatasetError(
            f"Calibration needs more people: {SUPPORT} pairs of different people must resemble each"
            f" other. Received: people for galleries of {[best.size for best in measured]}"
        )
    rates, scores = zip(*found, strict=True)
    return ImpostorTable(tuple(float(rate) for rate in rates), rising(np.array(scores)))


def _strength_at(best: Best, rate: float) -> float | None:
    share = -np.expm1(best.size * np.log1p(-rate))
    if share > MOST_SHARE:
        return None
    strength = float(np.quantile(best.strength, 1 - share))
    return strength if len(np.unique(best.pair[best.strength >= strength])) >= SUPPORT else None


def gallery_trials(arenas: Sequence[Arena], condition: str | None = None) -> Trials:
    """Every probe under `condition` (None: clean) against everybody in galleries of
    `TRIAL_SIZE` people, or as many as there are.
    """
    parts = [
        _trials(
            arena.draw(
                min(TRIAL_SIZE, _room(arena)), np.random.default_rng([SEED + 1, number]), condition
            ),
            arena.norm,
        )
        for arena in arenas
        for number in range(DRAWS)
    ]
    return joined(parts)


def _trials(drawn: Drawn, norm: Norm) -> Trials:
    label = drawn.owner[:, None] == drawn.enrolled
    pair = _pair(*np.broadcast_arrays(drawn.owner[:, None], drawn.enrolled))
    return Trials(strengths(drawn.bare, norm).ravel(), label.ravel().astype(np.int64), pair.ravel())


def joined(parts: Sequence[Trials]) -> Trials:
    """All trials of several sets."""
    return Trials(
        np.concatenate([p.scores for p in parts]),
        np.concatenate([p.labels for p in parts]),
        np.concatenate([p.pair for p in parts]),
    )


def of_trials(trials: Trials, impostors: ImpostorTable) -> Calibration:
    """A calibration fitted to trials, with a table. Raises DatasetError where targets
    do not score above impostors.
    """
    slopes, intercept = logistic.fit(trials.scores[:, None], trials.labels, trials.targets)
    if slopes[0] <= 0:
        raise DatasetError(
            f"Calibration needs targets that score above impostors. Received: slope {slopes[0]:.3g}"
        )
    return Calibration(slope=float(slopes[0]), intercept=intercept, impostors=impostors)


def calibration_of(trials: Trials) -> Calibration:
    """Calibration of bare cosines of pairs, its table as deep as the trials support.

    Raises:
        DatasetError: too few impostors for a table of two entries.
    """
    rates = supported_rates(trials)
    scores = np.quantile(trials.scores[trials.labels == 0], 1 - rates)
    return of_trials(trials, ImpostorTable(tuple(rates.tolist()), rising(scores)))


def supported_rates(trials: Trials) -> Float64Array:
    """False match rates from 0.5 down, four a decade, to the smallest above which
    `SUPPORT` different pairs of people scored.
    """
    impostor = trials.labels == 0
    order = np.argsort(-trials.scores[impostor])
    _, first = np.unique(trials.pair[impostor][order], return_index=True)
    if len(first) < SUPPORT:
        raise DatasetError(
            f"Calibration needs {SUPPORT} pairs of different people at least. Received:"
            f" {len(first)}"
        )
    smallest = (np.sort(first)[SUPPORT - 1] + 1) / impostor.sum()
    return rates_down_to(smallest)


def trials_of(templates: Table, probes: Table) -> Trials:
    """Every probe against every template of another file, by their cosines."""
    scores = (probes.vectors @ templates.vectors.T).astype(np.float64)
    first = probes.person[:, None]
    second = templates.person[None, :]
    other = probes.file[:, None] != templates.file[None, :]
    return Trials(
        scores[other],
        (first == second)[other].astype(np.int64),
        _pair(*np.broadcast_arrays(first, second))[other],
    )


def spliced(own: Calibration, previous: Calibration) -> Calibration:
    """`own` where it was measured; below, the tail of `previous` moved to where `own`
    ends. Both of the same norm.
    """
    last_rate = own.impostors.rates[-1]
    tail = [rate for rate in previous.impostors.rates if rate < last_rate * 0.99]
    moved = own.impostors.scores[-1] - previous.threshold(last_rate)[0]
    scores = [*own.impostors.scores, *(previous.threshold(rate)[0] + moved for rate in tail)]
    impostors = ImpostorTable((*own.impostors.rates, *tail), rising(np.array(scores)))
    return replace(own, impostors=impostors)


def with_answers(trials: Trials, answers: Sequence[tuple[float, bool]]) -> Trials:
    """Trials and comparisons of which somebody said what is true: (strength, same).
    Each counts as a pair of people of its own.
    """
    if not answers:
        return trials
    strength, same = zip(*answers, strict=True)
    mine = Trials(
        np.array(strength, np.float64), np.array(same, np.int64), -1 - np.arange(len(answers))
    )
    return joined([trials, mine])
