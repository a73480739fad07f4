"""Fit of `scoring.norms.CohortNorm` to held-out people.

Its weights are fitted. Its form and the shares below were chosen.

- Level and scale: of each probe, under every measured condition, how high its nearest
  tenth and its nearest hundredth of impostors score. They are fitted by least squares
  to its cohort scores and the length of its speech, the level in many places too.
  Conditions differ in how far a probe's cohort scores predict its impostors, so the
  regression uses as much of them as is true on the whole.
- Person: the rest, of the nearest tenth of each template, fitted to the template's own
  cohort scores.
- Others: how much of the surplus of the other people of a gallery is also that of the
  best impostor. It is fitted over galleries of everybody and of people who resemble
  each other, with the same weight.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from scoring.impostor_table import ImpostorTable, rates_down_to
from scoring.norms import Coefficients, CohortNorm, Weights, cohort_features, duration_feature
from train.calibration.galleries import Arena, Fold, bare_strengths, best_entries, groups, surplus
from train.data.tables import Codes
from utils.arrays import Float64Array

# Shares of impostors. A probe's scale is the distance between their means.
NEAR = 0.1
NEAREST = 0.01
# Of the mean scale: no probe's is taken for less.
LEAST_SCALE = 0.25
NULL_HEAD = (0.99, 0.97, 0.95, 0.9, 0.8, 0.7, 0.6)
# Deviation of the logarithm of the seconds of speech, below which they predict nothing.
LEAST_SPREAD = 0.25
# Groups of people who are alike, from which they tell how a level should follow a probe. A
# group counts as a fold does if it has so many probes.
FEWEST_GROUPS = 6
FULL_GROUP = 60
# Comparisons beyond the last entry of the table of impostors.
NULL_SUPPORT = 20
SIZES = (12, 25, 50, 100)
# People who stay out of a gallery, at least.
SPARE = 8
DRAWS = 4
SEED = 0


@dataclass(frozen=True)
class _Tails:
    """Cohort features (n, 4) of n probes, and means of their impostors (n,)."""

    features: Float64Array
    near: Float64Array
    nearest: Float64Array


def fit_norm(folds: Sequence[Fold], alike: Sequence[Fold] = ()) -> Coefficients:
    """Fit the numbers to these people, for cohorts of their kind.

    Args:
        folds: People from anywhere.
        alike: Groups of people of one place or source each. Where there are
            `FEWEST_GROUPS`, the level must hold in them too. Groups in which somebody
            hardly has a stranger are left out.
    """
    alike = [fold for fold in alike if _has_strangers(fold)]
    alike = alike if len(alike) >= FEWEST_GROUPS else ()
    tails = []
    for fold in folds:
        tails += [_tails_of(fold, condition) for condition in fold.table.conditions]
    rooms = [_tails_of(fold, fold.clean) for fold in alike]
    features = np.concatenate([part.features for part in tails])
    near = np.concatenate([part.near for part in tails])
    distance = np.concatenate([part.nearest for part in tails]) - near
    numbers = Coefficients(
        level=_fit_level(tails, rooms, len(folds)),
        scale=_least_squares(features, distance),
        least_scale=LEAST_SCALE * float(distance.mean()),
        person=0.0,
        person_mean=0.0,
        others=0.0,
        # Measured below, with the numbers above.
        impostors=ImpostorTable((0.5, 0.25), (0.0, 1.0)),
    )
    person, mean = _fit_person([*folds, *alike], numbers)
    numbers = replace(numbers, person=person, person_mean=mean)
    impostors = [_impostors(fold, numbers) for fold in folds]
    numbers = replace(numbers, impostors=_table_of(np.concatenate(impostors)))
    return replace(numbers, others=_fit_others(folds, numbers))


def rising(scores: Float64Array) -> tuple[float, ...]:
    """The same scores, rising by a millionth at least."""
    steps = 1e-6 * np.arange(len(scores))
    return tuple(np.round(np.maximum.accumulate(scores) + steps, 7).tolist())


def _has_strangers(fold: Fold) -> bool:
    """Whether there are two templates of others for everybody."""
    people = fold.table.under(fold.clean).person
    return len(people) - int(np.bincount(people).max(initial=0)) >= 2


def _tails_of(fold: Fold, condition: str) -> _Tails:
    probes = fold.table.under(condition)
    templates = fold.table.under(fold.clean)
    same = probes.person[:, None] == templates.person
    scores = np.where(same, -np.inf, probes.vectors @ templates.vectors.T)
    features = np.column_stack(
        [
            cohort_features(probes.vectors, fold.cohort),
            duration_feature(probes.seconds, len(probes)),
        ]
    )
    return _Tails(
        features=features, near=_top_mean(scores, NEAR), nearest=_top_mean(scores, NEAREST)
    )


def _fit_level(tails: Sequence[_Tails], rooms: Sequence[_Tails], folds: int) -> Weights:
    parts = [*tails, *rooms]
    shares = [folds / len(tails)] * len(tails) + [
        min(1.0, len(part.near) / FULL_GROUP) for part in rooms
    ]
    weights = [np.full(len(p.near), s / len(p.near)) for p, s in zip(parts, shares, strict=True)]
    return _least_squares(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.near for part in parts]),
        np.concatenate(weights),
    )


def _top_mean(scores: npt.NDArray[np.floating], share: float) -> Float64Array:
    """Mean of the highest `share` of each row."""
    count = max(2, round(share * scores.shape[1]))
    return np.partition(scores, -count, axis=1)[:, -count:].mean(axis=1).astype(np.float64)


def _least_squares(
    features: Float64Array, target: Float64Array, weight: Float64Array | None = None
) -> Weights:
    """Weights of `features` (n, 4), of rows that weigh `weight` (n,).

    The last is 0 where it hardly varies, as it would share the work of the first.
    """
    used = features if features[:, 3].std() >= LEAST_SPREAD else features[:, :3]
    root = np.ones(len(target)) if weight is None else np.sqrt(weight)
    weights = np.linalg.lstsq(used * root[:, None], target * root, rcond=None)[0]
    first, second, third, fourth = np.pad(weights, (0, features.shape[1] - len(weights))).tolist()
    return first, second, third, fourth


def _fit_person(folds: Sequence[Fold], numbers: Coefficients) -> tuple[float, float]:
    """Weight and mean of a template's cohort scores in its level."""
    own = []
    rest = []
    for fold in folds:
        clean = fold.table.under(fold.clean)
        level, _ = CohortNorm(fold.cohort, numbers).probe(clean.vectors, clean.seconds)
        left = clean.vectors @ clean.vectors.T - level[:, None]
        same = clean.person[:, None] == clean.person
        rest.append(_top_mean(np.where(same, -np.inf, left).T, NEAR))
        own.append(cohort_features(clean.vectors, fold.cohort)[:, 1])
    x = np.concatenate(own)
    y = np.concatenate(rest)
    return float(np.cov(x, y)[0, 1] / x.var(ddof=1)), float(x.mean())


def _impostors(fold: Fold, numbers: Coefficients) -> Float64Array:
    clean = fold.table.under(fold.clean)
    bare = bare_strengths(clean, clean.vectors, CohortNorm(fold.cohort, numbers))
    return bare[clean.person[:, None] != clean.person]


def _table_of(impostors: Float64Array) -> ImpostorTable:
    """Rates from near 1 down to what the impostors support, and their strengths."""
    rates = np.array([*NULL_HEAD, *rates_down_to(NULL_SUPPORT / len(impostors))])
    return ImpostorTable(tuple(rates.tolist()), rising(np.quantile(impostors, 1 - rates)))


def _fit_others(folds: Sequence[Fold], numbers: Coefficients) -> float:
    """Slope of the best impostor's bare strength over the surplus of the others.

    It is fitted within galleries of the same size, and lies between 0 and 1: a surplus
    counts for no more than it is. 0 where there are too few people for galleries.
    """
    rows: list[Float64Array] = []
    for fold in folds:
        rows += _strangers(fold, CohortNorm(fold.cohort, numbers))
    if not rows:
        return 0.0
    size, over, best, weight = np.concatenate(rows, axis=1)
    product = square = 0.0
    for one in np.unique(size):
        x, y, w = (column[size == one] for column in (over, best, weight))
        x = x - np.average(x, weights=w)
        product = product + w @ (x * y)
        square = square + w @ (x * x)
    return float(np.clip(product / square, 0.0, 1.0)) if square > 0 else 0.0


def _strangers(fold: Fold, norm: CohortNorm) -> Iterator[Float64Array]:
    """Parts (4, n) of n strangers: gallery size, surplus, best bare strength, weight.

    Every kind of group weighs alike.
    """
    arena = Arena(fold, norm)
    for kind in groups(fold.table).values():
        parts: list[Float64Array] = []
        for people in kind:
            parts += _strangers_of_group(arena, norm, people)
        total = sum(part.shape[1] for part in parts)
        for part in parts:
            yield np.vstack([part, np.full(part.shape[1], 1 / total)])


def _strangers_of_group(arena: Arena, norm: CohortNorm, people: Codes) -> Iterator[Float64Array]:
    for size in SIZES:
        if len(people) < size + SPARE:
            continue
        for number in range(DRAWS):
            rng = np.random.default_rng([SEED, size, number])
            gallery = arena.draw(size, rng, members=people)
            bare = gallery.bare[gallery.strangers]
            places = best_entries(bare)
            over = surplus(bare, norm)[places]
            yield np.stack([np.full(len(bare), float(size)), over, bare[places]])
