"""Calibrations from trials: of strengths in galleries, and of bare cosines of pairs.

A threshold is to let a stated share of strangers pass in a gallery of N people. So it
is measured in galleries drawn at random: the best strength of each stranger, for
several N. A share q of strangers above a strength is a false match rate of
1 - (1 - q)^(1/N) there. All N together make one table, which contains what people of
one gallery have in common.
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
from train.calibration.galleries import Arena, Gallery, best_entries, strengths
from train.calibration.norm_fit import rising
from train.data.tables import Table
from utils.arrays import Float32Array, Float64Array
from utils.errors import DatasetError

# Different pairs of people that an entry of a table must rest on.
SUPPORT = 10
SIZES = (1, 3, 6, 12, 25, 50, 100)
# People in the galleries that log-likelihood ratios are fitted on, at most.
TRIAL_SIZE = 25
# A quarter of the draws moves a threshold by 0.03 of a strength from seed to seed.
DRAWS = 48
# Draws for the ratio of each further condition and place.
FEW_DRAWS = 8
SEED = 1
# Share of strangers above a strength from which a table reads. Beyond it,
# 1 - (1 - q)^(1/N) is mostly chance.
MOST_SHARE = 0.6
# More people than any table has.
PAIR_BASE = 100_000
RATES = rates_down_to(6e-8)


@dataclass(frozen=True)
class ScoredTrials:
    """Comparisons with their scores.

    Attributes:
        scores: (n,).
        labels: (n,), 1 for the same person.
        pair: (n,) number of the pair of people.
        quality: (n, k) qualities of the probes. k = 0 where they do not count.
    """

    scores: Float64Array
    labels: npt.NDArray[np.int64]
    pair: npt.NDArray[np.int64]
    quality: Float32Array

    @property
    def targets(self) -> int:
        """How many people there are target trials of."""
        return len(np.unique(self.pair[self.labels == 1]))


@dataclass(frozen=True)
class Best:
    """The best strength of each stranger in galleries of one size.

    Attributes:
        size: Entries of the galleries.
        strength: (n,).
        pair: (n,) number of the pair of people.
    """

    size: int
    strength: Float64Array
    pair: npt.NDArray[np.int64]


def best_strengths(arenas: Sequence[Arena]) -> list[Best]:
    """Best strengths of clean probes of strangers, by size of gallery.

    Sizes go as far as a fifth of the people, and three, stay out.
    """
    best = []
    for size in SIZES:
        parts = []
        for arena in arenas:
            if _room(arena) < size:
                continue
            for number in range(DRAWS):
                gallery = arena.draw(size, np.random.default_rng([SEED, size, number]))
                parts.append(_best_of(gallery, arena.norm))
        if parts:
            strength = np.concatenate([part[0] for part in parts])
            pair = np.concatenate([part[1] for part in parts])
            best.append(Best(size=size, strength=strength, pair=pair))
    return best


def _room(arena: Arena) -> int:
    people = len(np.unique(arena.templates.person))
    return people - max(people // 5, 3)


def _best_of(gallery: Gallery, norm: Norm) -> tuple[Float64Array, npt.NDArray[np.int64]]:
    stranger = gallery.strangers
    bare = gallery.bare[stranger]
    places = best_entries(bare)
    pairs = _pair_number(gallery.owner[stranger], gallery.enrolled[places[1]])
    return strengths(bare, norm)[places], pairs


def _pair_number(
    first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    return np.minimum(first, second) * PAIR_BASE + np.maximum(first, second)


def gallery_table(measured: Sequence[Best]) -> ImpostorTable:
    """False match rates and the strengths that reach them, means over gallery sizes.

    They go as deep as `SUPPORT` pairs of people support.

    Raises:
        DatasetError: Fewer than two rates are supported.
    """
    rates: list[float] = []
    means: list[float] = []
    for rate in RATES:
        reached = [_strength_at(best, rate) for best in measured]
        supported = [strength for strength in reached if strength is not None]
        if supported:
            rates.append(float(rate))
            means.append(float(np.mean(supported)))
    if len(rates) < 2:
        raise DatasetError(
            f"Calibration needs more people: {SUPPORT} pairs of different people must resemble each"
            f" other. Galleries of these sizes were measured: {[best.size for best in measured]}."
        )
    return ImpostorTable(tuple(rates), rising(np.array(means)))


def _strength_at(best: Best, rate: float) -> float | None:
    share = -np.expm1(best.size * np.log1p(-rate))
    if share > MOST_SHARE:
        return None
    strength = float(np.quantile(best.strength, 1 - share))
    return strength if len(np.unique(best.pair[best.strength >= strength])) >= SUPPORT else None


def gallery_trials(
    arenas: Sequence[Arena],
    condition: str | None = None,
    *,
    size: int = TRIAL_SIZE,
    draws: int = DRAWS,
) -> ScoredTrials:
    """Compare every probe with everybody, in galleries drawn at random.

    Args:
        arenas: The people.
        condition: Condition of the probes, None for clean.
        size: People of a gallery, fewer where there are not as many.
        draws: Galleries of each arena.
    """
    parts = []
    for arena in arenas:
        for number in range(draws):
            rng = np.random.default_rng([SEED + 1, number])
            gallery = arena.draw(min(size, _room(arena)), rng, condition=condition)
            parts.append(_trials_in(gallery, arena.norm))
    return join_trials(parts)


def _trials_in(gallery: Gallery, norm: Norm) -> ScoredTrials:
    label = gallery.owner[:, None] == gallery.enrolled
    pair = _pair_number(*np.broadcast_arrays(gallery.owner[:, None], gallery.enrolled))
    return ScoredTrials(
        scores=strengths(gallery.bare, norm).ravel(),
        labels=label.ravel().astype(np.int64),
        pair=pair.ravel(),
        quality=np.repeat(gallery.quality, len(gallery.enrolled), axis=0),
    )


def join_trials(parts: Sequence[ScoredTrials]) -> ScoredTrials:
    """All trials of several sets."""
    return ScoredTrials(
        scores=np.concatenate([part.scores for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        pair=np.concatenate([part.pair for part in parts]),
        quality=np.concatenate([part.quality for part in parts]),
    )


def of_trials(parts: Sequence[ScoredTrials], impostors: ImpostorTable) -> Calibration:
    """Fit a calibration to sets of trials that weigh alike, with a table of impostors.

    Where the first set has qualities, slope and intercept lose with them.

    Raises:
        DatasetError: Targets do not score above impostors.
    """
    trials = join_trials(parts)
    weights = np.concatenate([_weights_of(part) for part in parts])
    missing = 1.0 - trials.quality.astype(np.float64)
    scores = trials.scores[:, None]
    slopes = np.zeros(1 + 2 * missing.shape[1])
    used = np.ones(len(slopes), bool)
    features = np.hstack([scores, -scores * missing, -missing])
    slopes[used], intercept = logistic.fit(features, trials.labels, trials.targets, weights)
    # A poor probe says no more than a good one.
    used[1 : 1 + missing.shape[1]] = slopes[1 : 1 + missing.shape[1]] > 0
    if not used.all():
        slopes[~used] = 0.0
        slopes[used], intercept = logistic.fit(
            features[:, used], trials.labels, trials.targets, weights
        )
    if slopes[0] <= 0:
        raise DatasetError(
            f"Calibration needs targets that score above impostors. Received: slope {slopes[0]:.3g}"
        )
    slope_lost, intercept_lost = np.split(slopes[1:], 2)
    return Calibration(
        slope=float(slopes[0]),
        intercept=intercept,
        impostors=impostors,
        slope_lost=tuple(slope_lost.tolist()),
        intercept_lost=tuple(intercept_lost.tolist()),
    )


def _weights_of(part: ScoredTrials) -> Float64Array:
    """Weights (n,) that sum to 1 in either class."""
    targets = part.labels.sum()
    return np.where(part.labels == 1, 1 / max(targets, 1), 1 / max(len(part.labels) - targets, 1))


def calibration_of(trials: ScoredTrials) -> Calibration:
    """Calibrate bare cosines of pairs, with a table as deep as the trials support.

    Raises:
        DatasetError: There are too few impostors for a table of two entries.
    """
    rates = supported_rates(trials)
    scores = np.quantile(trials.scores[trials.labels == 0], 1 - rates)
    return of_trials([trials], ImpostorTable(tuple(rates.tolist()), rising(scores)))


def supported_rates(trials: ScoredTrials) -> Float64Array:
    """False match rates from 0.5 down, four a decade, as deep as the trials support.

    `SUPPORT` different pairs of people score above the last one.

    Raises:
        DatasetError: There are too few pairs of people.
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


def trials_of(templates: Table, probes: Table) -> ScoredTrials:
    """Compare every probe with every template of another file, by their cosines."""
    scores = (probes.vectors @ templates.vectors.T).astype(np.float64)
    first = probes.person[:, None]
    second = templates.person[None, :]
    other = probes.file[:, None] != templates.file[None, :]
    return ScoredTrials(
        scores=scores[other],
        labels=(first == second)[other].astype(np.int64),
        pair=_pair_number(*np.broadcast_arrays(first, second))[other],
        quality=np.zeros((int(other.sum()), 0), np.float32),
    )


def splice(own: Calibration, previous: Calibration) -> Calibration:
    """Continue `own` below its table with the tail of `previous`.

    The tail is moved to where `own` ends. Both are of the same norm.
    """
    last_rate = own.impostors.rates[-1]
    tail = [rate for rate in previous.impostors.rates if rate < last_rate * 0.99]
    moved = own.impostors.scores[-1] - previous.threshold(last_rate)[0]
    scores = [*own.impostors.scores, *(previous.threshold(rate)[0] + moved for rate in tail)]
    impostors = ImpostorTable((*own.impostors.rates, *tail), rising(np.array(scores)))
    return replace(own, impostors=impostors)


def without_quality(trials: ScoredTrials) -> ScoredTrials:
    """The same trials, whose probes are of no stated quality."""
    return replace(trials, quality=trials.quality[:, :0])


def with_losses(own: Calibration, previous: Calibration) -> Calibration:
    """Lose with the quality of a probe what `previous` loses, in proportion to the slopes.

    Both are of the same norm.
    """
    share = own.slope / previous.slope
    return replace(
        own,
        slope_lost=tuple(share * lost for lost in previous.slope_lost),
        intercept_lost=tuple(share * lost for lost in previous.intercept_lost),
    )


def with_answers(trials: ScoredTrials, answers: Sequence[tuple[float, bool]]) -> ScoredTrials:
    """Add comparisons whose truth is known from people: (strength, same person).

    Each counts as a pair of people of its own.
    """
    if not answers:
        return trials
    strength, same = zip(*answers, strict=True)
    answered = ScoredTrials(
        scores=np.array(strength, np.float64),
        labels=np.array(same, np.int64),
        pair=-1 - np.arange(len(answers)),
        quality=np.ones((len(answers), trials.quality.shape[1]), np.float32),
    )
    return join_trials([trials, answered])
