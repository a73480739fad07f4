"""Biometric error rates: pure functions of scores and labels, each with the threshold
it holds at.

A score is higher the more alike both sides are; a trial is accepted when score >=
threshold. Labels are 1 for target trials (same person) and 0 for impostor trials. All
rates are fractions in [0, 1].

    FAR (= FMR, false match rate)       share of impostor trials accepted
    FRR (= FNMR, false non-match rate)  share of target trials rejected
    TAR = 1 - FRR
    FPIR, FNIR                          the same for open-set identification (ISO/IEC
                                        19795-1): a stranger is given a name; an
                                        enrolled person is not found at rank 1 above the
                                        threshold

Sources: detection error trade-off, Martin et al. 1997; normalised detection cost, NIST
SRE evaluation plans; Cllr, Brümmer & du Preez 2006; protocol of view 2 of LFW, Huang et
al. 2007; bootstrap over identities (both sides of a trial), Owen 2007, "The pigeonhole
bootstrap".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from utils.arrays import BoolArray, Float64Array, IndexArray


@dataclass(frozen=True)
class Point:
    """A `value` (a rate, a cost) and the `threshold` that it holds at."""

    value: float
    threshold: float


@dataclass(frozen=True)
class DetCurve:
    """Error rates over all thresholds that matter: `threshold` (n,) rises strictly and
    ends with infinity (nothing accepted), so `far` (n,) falls from 1 to 0 and `frr`
    (n,) rises from 0 to 1.
    """

    threshold: Float64Array
    far: Float64Array
    frr: Float64Array


@dataclass(frozen=True)
class FoldAccuracy:
    """Accuracy by k folds: mean, standard error of the mean over folds, mean threshold,
    and accuracy of each fold.
    """

    value: float
    standard_error: float
    threshold: float
    folds: tuple[float, ...]


@dataclass(frozen=True)
class OpenSet:
    """Open-set identification at one `threshold`."""

    fpir: float
    fnir: float
    threshold: float


@dataclass(frozen=True)
class Interval:
    """A bootstrap confidence interval."""

    low: float
    high: float
    level: float


def split_scores(scores: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Float64Array, Float64Array]:
    """Sorted target scores and sorted impostor scores.

    Args:
        scores: (n,) finite numbers.
        labels: (n,) of 0 and 1.

    Raises:
        ValueError: other shapes or values, or trials of one class only.
    """
    values = np.asarray(scores, np.float64)
    truth = np.asarray(labels)
    if values.ndim != 1 or values.shape != truth.shape:
        raise ValueError(
            f"scores and labels must be 1-D and of one length. Received: shapes {values.shape} and"
            f" {truth.shape}"
        )
    if not np.isfinite(values).all():
        raise ValueError(
            f"scores must be finite. Received: {int((~np.isfinite(values)).sum())} that are not"
        )
    if not np.isin(truth, (0, 1)).all():
        raise ValueError(f"labels must be 0 or 1. Received: {np.unique(truth)[:5].tolist()}")
    target = np.sort(values[truth == 1])
    impostor = np.sort(values[truth == 0])
    if not len(target) or not len(impostor):
        raise ValueError(
            f"Both classes are needed. Received: {len(target)} target and {len(impostor)} impostor"
            " trials"
        )
    return target, impostor


def det_curve(scores: npt.ArrayLike, labels: npt.ArrayLike) -> DetCurve:
    """FAR and FRR at every distinct score and at infinity. Arguments and errors as in
    `split_scores`.
    """
    target, impostor = split_scores(scores, labels)
    threshold = np.append(np.unique(np.concatenate([target, impostor])), np.inf)
    far = 1.0 - np.searchsorted(impostor, threshold, side="left") / len(impostor)
    frr = np.searchsorted(target, threshold, side="left") / len(target)
    return DetCurve(threshold, far, frr)


def eer(scores: npt.ArrayLike, labels: npt.ArrayLike) -> Point:
    """Equal error rate: where the FAR and FRR curves cross, linearly interpolated
    between the two nearest thresholds.
    """
    curve = det_curve(scores, labels)
    gap = curve.frr - curve.far  # rises from -1 to 1
    high = int(np.argmax(gap >= 0))
    low = max(high - 1, 0)
    part = 0.0 if high == low else -gap[low] / (gap[high] - gap[low])
    value = curve.frr[low] + part * (curve.frr[high] - curve.frr[low])
    top = curve.threshold[high] if np.isfinite(curve.threshold[high]) else curve.threshold[low]
    return Point(float(value), float(curve.threshold[low] + part * (top - curve.threshold[low])))


def frr_at_far(scores: npt.ArrayLike, labels: npt.ArrayLike, far: float) -> Point:
    """Smallest FRR among thresholds whose FAR is at most `far` in [0, 1]."""
    _check_rate("far", far)
    curve = det_curve(scores, labels)
    place = int(np.argmax(curve.far <= far))  # the lowest such threshold; frr rises with it
    return Point(float(curve.frr[place]), float(curve.threshold[place]))


def tar_at_far(scores: npt.ArrayLike, labels: npt.ArrayLike, far: float) -> Point:
    """Largest TAR (= 1 − FRR) among thresholds whose FAR is at most `far` in [0, 1]."""
    point = frr_at_far(scores, labels, far)
    return Point(1.0 - point.value, point.threshold)


def far_at_frr(scores: npt.ArrayLike, labels: npt.ArrayLike, frr: float) -> Point:
    """Smallest FAR among thresholds whose FRR is at most `frr` in [0, 1]."""
    _check_rate("frr", frr)
    curve = det_curve(scores, labels)
    # The highest such threshold; far falls with it
    place = int(np.flatnonzero(curve.frr <= frr)[-1])
    return Point(float(curve.far[place]), float(curve.threshold[place]))


def min_dcf(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    p_target: float,
    c_miss: float = 1.0,
    c_fa: float = 1.0,
) -> Point:
    """Normalised minimum detection cost: cost divided by that of the better trivial
    system (accept all, reject all).

    Args:
        scores, labels: as in `split_scores`.
        p_target: prior of a target trial, in (0, 1).
        c_miss, c_fa: costs of a false rejection and of a false acceptance, positive.
    """
    if not 0 < p_target < 1 or c_miss <= 0 or c_fa <= 0:
        raise ValueError(
            "p_target must lie in (0, 1) and costs be positive. "
            f"Received: p_target={p_target}, c_miss={c_miss}, c_fa={c_fa}"
        )
    curve = det_curve(scores, labels)
    cost = c_miss * p_target * curve.frr + c_fa * (1 - p_target) * curve.far
    place = int(np.argmin(cost))
    return Point(
        float(cost[place] / min(c_miss * p_target, c_fa * (1 - p_target))),
        float(curve.threshold[place]),
    )


def cllr(llr: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Cost of log-likelihood ratios in bits: 0 is perfect, 1 says nothing (llr = 0
    everywhere), above 1 misleads.

    Args:
        llr: (n,) natural log-likelihood ratios.
        labels: as in `split_scores`.
    """
    target, impostor = split_scores(llr, labels)
    bits = np.logaddexp(0, -target).mean() + np.logaddexp(0, impostor).mean()
    return float(bits / (2 * np.log(2)))


def accuracy_threshold(scores: npt.ArrayLike, labels: npt.ArrayLike) -> Point:
    """Highest accuracy over all thresholds. Midway between the two scores that it
    separates, so that it carries over to other trials.
    """
    values = np.asarray(scores, np.float64)
    truth = np.asarray(labels)
    target, impostor = split_scores(values, truth)
    curve = det_curve(values, truth)
    right = (1 - curve.frr) * len(target) + (1 - curve.far) * len(impostor)
    place = int(np.argmax(right))
    low = curve.threshold[max(place - 1, 0)]
    threshold = (
        (low + curve.threshold[place]) / 2
        if np.isfinite(curve.threshold[place])
        else np.nextafter(low, np.inf)
    )
    return Point(float(right[place] / len(values)), float(threshold))


def fold_accuracy(
    scores: npt.ArrayLike, labels: npt.ArrayLike, folds: npt.ArrayLike
) -> FoldAccuracy:
    """Verification accuracy as in view 2 of LFW: each fold is judged at the threshold
    that is best on all the others.

    Args:
        scores, labels: as in `split_scores`; both classes must be among the trials
            outside each fold.
        folds: (n,) fold of each trial; two folds at least.
    """
    values = np.asarray(scores, np.float64)
    truth = np.asarray(labels)
    groups = np.asarray(folds)
    names = np.unique(groups)
    if groups.shape != values.shape or len(names) < 2:
        raise ValueError(
            f"Each trial needs a fold, of two folds at least. Received: {groups.shape} folds,"
            f" {len(names)} distinct"
        )
    thresholds = []
    accuracy = []
    for name in names:
        inside = groups == name
        thresholds.append(accuracy_threshold(values[~inside], truth[~inside]).threshold)
        accuracy.append(float(((values[inside] >= thresholds[-1]) == (truth[inside] == 1)).mean()))
    error = float(np.std(accuracy, ddof=1) / np.sqrt(len(names)))
    return FoldAccuracy(
        float(np.mean(accuracy)), error, float(np.mean(thresholds)), tuple(accuracy)
    )


def rank1(scores: npt.ArrayLike, probe_ids: npt.ArrayLike, gallery_ids: npt.ArrayLike) -> float:
    """Closed-set identification rate: share of probes whose best-scoring gallery entry
    is of the same person.

    Args:
        scores: (probes, gallery) similarity.
        probe_ids: (probes,) person of each probe; each must be in `gallery_ids`.
        gallery_ids: (gallery,) person of each gallery entry; a person may have several.
    """
    values = np.asarray(scores, np.float64)
    probes = np.asarray(probe_ids)
    gallery = np.asarray(gallery_ids)
    if values.shape != (len(probes), len(gallery)) or not values.size:
        raise ValueError(
            f"scores must be (probes, gallery), not empty. Received: {values.shape} for"
            f" {len(probes)} and {len(gallery)}"
        )
    if not np.isin(probes, gallery).all():
        raise ValueError(
            "Every probe's person must be in the gallery. Received:"
            f" {int((~np.isin(probes, gallery)).sum())} who are not"
        )
    return float((gallery[values.argmax(axis=1)] == probes).mean())


def open_set(
    scores: npt.ArrayLike, probe_ids: npt.ArrayLike, gallery_ids: npt.ArrayLike, threshold: float
) -> OpenSet:
    """FPIR and FNIR at `threshold`. Probes of people who are not in the gallery are the
    strangers.

    FPIR = share of strangers with any score >= threshold. FNIR = share of enrolled
    people's probes whose best score is below the threshold or belongs to somebody else.
    Raises ValueError unless there are both strangers and enrolled people among the
    probes.
    """
    best, correct, known = _best_matches(scores, probe_ids, gallery_ids)
    named = best >= threshold
    return OpenSet(
        float(named[~known].mean()), float(1 - (named & correct)[known].mean()), float(threshold)
    )


def open_set_at_fpir(
    scores: npt.ArrayLike, probe_ids: npt.ArrayLike, gallery_ids: npt.ArrayLike, fpir: float
) -> OpenSet:
    """FNIR at the lowest threshold whose measured FPIR is at most `fpir` in [0, 1]; see
    `open_set`.
    """
    _check_rate("fpir", fpir)
    best, _, known = _best_matches(scores, probe_ids, gallery_ids)
    candidates = np.append(np.unique(best), np.nextafter(best.max(), np.inf))
    strangers = np.sort(best[~known])
    rates = 1.0 - np.searchsorted(strangers, candidates, side="left") / len(strangers)
    return open_set(
        scores, probe_ids, gallery_ids, float(candidates[int(np.argmax(rates <= fpir))])
    )


def _best_matches(
    scores: npt.ArrayLike, probe_ids: npt.ArrayLike, gallery_ids: npt.ArrayLike
) -> tuple[Float64Array, BoolArray, BoolArray]:
    """Best score of each probe, whether it is of the right person, and whether the
    person is enrolled at all.
    """
    values = np.asarray(scores, np.float64)
    probes = np.asarray(probe_ids)
    gallery = np.asarray(gallery_ids)
    if values.shape != (len(probes), len(gallery)) or not values.size:
        raise ValueError(
            f"scores must be (probes, gallery), not empty. Received: {values.shape} for"
            f" {len(probes)} and {len(gallery)}"
        )
    known = np.isin(probes, gallery)
    if known.all() or not known.any():
        raise ValueError(
            f"Both strangers and enrolled people are needed. Received: {int(known.sum())} of"
            f" {len(known)} probes enrolled"
        )
    best = values.argmax(axis=1)
    return values[np.arange(len(probes)), best], gallery[best] == probes, known


def bootstrap_interval(
    statistic: Callable[[IndexArray], float],
    identities: npt.ArrayLike,
    level: float = 0.95,
    replicates: int = 200,
    seed: int = 0,
) -> Interval:
    """Percentile confidence interval of a statistic, resampling people and not trials:
    trials of one person are not independent.

    Args:
        statistic: gets trial numbers (with repetitions) and returns the figure; a
            ValueError (one class left) skips the replicate.
        identities: (n,) person of each trial, or (n, 2) persons of both sides. A trial
            counts as often as its person was drawn; with two different persons as often
            as the product of both.
        level: coverage, in (0, 1).
        replicates: number of resamples.

    Raises:
        ValueError: fewer than two identities, or no replicate had both classes.
    """
    names = np.asarray(identities)
    people, codes = np.unique(names, return_inverse=True)
    codes = codes.reshape(names.shape)
    if len(people) < 2 or not 0 < level < 1 or replicates < 2:
        raise ValueError(
            "At least two identities and replicates and a level in (0, 1) are needed. "
            f"Received: {len(people)} identities, replicates={replicates}, level={level}"
        )
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(replicates):
        drawn = np.bincount(rng.integers(len(people), size=len(people)), minlength=len(people))
        try:
            values.append(statistic(np.repeat(np.arange(len(names)), _trial_weight(drawn, codes))))
        except ValueError:
            continue
    if not values:
        raise ValueError(f"Some resample must hold both classes. Received: none of {replicates}")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level)


def _trial_weight(drawn: IndexArray, codes: IndexArray) -> IndexArray:
    if codes.ndim == 1:
        return drawn[codes]
    left = drawn[codes[:, 0]]
    right = drawn[codes[:, 1]]
    return np.where(codes[:, 0] == codes[:, 1], left, left * right)


def _check_rate(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be a fraction in [0, 1]. Received: {name}={value}")
