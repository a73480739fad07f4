"""Fits `scoring.norms.CohortNorm` to held-out people. Its weights are fitted; its
form and the shares below were chosen.

- Level and scale: of each probe, under every measured condition, how high its nearest
  tenth and its nearest hundredth of impostors score, by least squares on what its
  cohort scores are and how long its speech is. Conditions differ in how far a probe's
  cohort scores tell what is to come, so the regression keeps as much of them as is true
  on the whole.
- Person: what is left, of the nearest tenth of each template, on the template's own
  cohort scores.
- Others: how much of the surplus of the other people of a gallery is also that of the
  best impostor; over galleries of everybody and of people who resemble each other, with
  the same weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from scoring.impostor_table import ImpostorTable, rates_down_to
from scoring.norms import Coefficients, CohortNorm, Weights, cohort_features, duration_feature
from train.calibration.galleries import Arena, Fold, bare_strengths, groups, surplus
from utils.arrays import Float64Array

# shares of impostors between which a probe's scale is the distance
NEAR = 0.1
NEAREST = 0.01
LEAST_SCALE = 0.25  # of the mean scale: no probe's is taken for less
NULL_HEAD = (0.99, 0.97, 0.95, 0.9, 0.8, 0.7, 0.6)
# Deviation of the logarithm of the seconds of speech, below which they tell nothing
LEAST_SPREAD = 0.25
NULL_SUPPORT = 20  # comparisons beyond the last entry of the table of impostors
SIZES = (12, 25, 50, 100)
SPARE = 8  # people who stay out of a gallery at least
DRAWS = 4
SEED = 0


def fit_norm(folds: Sequence[Fold]) -> Coefficients:
    """The numbers for these people and cohorts of their kind."""
    features, near, nearest = (
        np.concatenate(parts)
        for parts in zip(
            *(_tails(fold, c) for fold in folds for c in fold.table.conditions), strict=True
        )
    )
    level = _least_squares(features, near)
    scale = _least_squares(features, nearest - near)
    least = LEAST_SCALE * float((nearest - near).mean())
    made = Coefficients(
        level=level,
        scale=scale,
        least_scale=least,
        person=0.0,
        person_mean=0.0,
        others=0.0,
        # Measured below, with the numbers above.
        impostors=ImpostorTable((0.5, 0.25), (0.0, 1.0)),
    )
    person, mean = _person(folds, made)
    made = replace(made, person=person, person_mean=mean)
    made = replace(made, impostors=_null([_impostors(fold, made) for fold in folds]))
    return replace(made, others=_others(folds, made))


def _tails(fold: Fold, condition: str) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Of each probe: features of its cohort scores, and means of its `NEAR` and
    `NEAREST` impostors.
    """
    probes = fold.table.under(condition)
    templates = fold.table.under(fold.clean)
    scores = np.where(
        probes.person[:, None] == templates.person, -np.inf, probes.vectors @ templates.vectors.T
    )
    features = np.column_stack(
        [
            cohort_features(probes.vectors, fold.cohort),
            duration_feature(probes.seconds, len(probes)),
        ]
    )
    return features, _top(scores, NEAR), _top(scores, NEAREST)


def _top(scores: npt.NDArray[np.floating], share: float) -> Float64Array:
    count = max(2, round(share * scores.shape[1]))
    return np.partition(scores, -count, axis=1)[:, -count:].mean(axis=1).astype(np.float64)


def _least_squares(features: Float64Array, target: Float64Array) -> Weights:
    """Numbers of `features` (n, 4); 0 for the last where it hardly varies, as it would
    share the work of the first.
    """
    used = features if features[:, 3].std() >= LEAST_SPREAD else features[:, :3]
    found = np.linalg.lstsq(used, target, rcond=None)[0]
    first, mean, deviation, duration = np.pad(found, (0, features.shape[1] - len(found))).tolist()
    return first, mean, deviation, duration


def _person(folds: Sequence[Fold], numbers: Coefficients) -> tuple[float, float]:
    """Weight and mean of a template's cohort scores in its level."""
    own = []
    rest = []
    for fold in folds:
        clean = fold.table.under(fold.clean)
        level, _ = CohortNorm(fold.cohort, numbers).probe(clean.vectors, clean.seconds)
        left = clean.vectors @ clean.vectors.T - level[:, None]
        rest.append(_top(np.where(clean.person[:, None] == clean.person, -np.inf, left).T, NEAR))
        own.append(cohort_features(clean.vectors, fold.cohort)[:, 1])
    x = np.concatenate(own)
    y = np.concatenate(rest)
    return float(np.cov(x, y)[0, 1] / x.var(ddof=1)), float(x.mean())


def _impostors(fold: Fold, numbers: Coefficients) -> Float64Array:
    clean = fold.table.under(fold.clean)
    bare = bare_strengths(clean, clean.vectors, CohortNorm(fold.cohort, numbers))
    return bare[clean.person[:, None] != clean.person]


def _null(parts: Sequence[Float64Array]) -> ImpostorTable:
    """Rates from near 1 down to what the impostors support, and the strengths that they
    are reached at.
    """
    impostors = np.concatenate(parts)
    rates = np.array([*NULL_HEAD, *rates_down_to(NULL_SUPPORT / len(impostors))])
    return ImpostorTable(tuple(rates.tolist()), rising(np.quantile(impostors, 1 - rates)))


def rising(scores: Float64Array) -> tuple[float, ...]:
    """The same, rising by a millionth at least."""
    return tuple(
        np.round(np.maximum.accumulate(scores) + 1e-6 * np.arange(len(scores)), 7).tolist()
    )


def _others(folds: Sequence[Fold], numbers: Coefficients) -> float:
    """Slope of the best impostor's bare strength over the surplus of the others, for
    galleries of the same size, between 0 and 1: a surplus counts for no more than it
    is. 0 where there are too few people for galleries.
    """
    rows = [part for fold in folds for part in _strangers(fold, CohortNorm(fold.cohort, numbers))]
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


def _strangers(fold: Fold, norm: CohortNorm) -> list[Float64Array]:
    """Parts (4, n), n strangers each: size of the gallery, surplus, best bare strength,
    and a weight; every kind of group weighs alike.
    """
    arena = Arena(fold, norm)
    parts = []
    for kind in groups(fold.table).values():
        found = []
        for people in kind:
            for size in (size for size in SIZES if len(people) >= size + SPARE):
                for number in range(DRAWS):
                    drawn = arena.draw(
                        size, np.random.default_rng([SEED, size, number]), members=people
                    )
                    bare = drawn.bare[drawn.strangers]
                    rows = np.arange(len(bare)), bare.argmax(axis=1)
                    found.append(
                        np.stack(
                            [np.full(len(bare), float(size)), surplus(bare, norm)[rows], bare[rows]]
                        )
                    )
        total = sum(part.shape[1] for part in found)
        parts += [np.vstack([part, np.full(part.shape[1], 1 / total)]) for part in found]
    return parts
