"""Biometric error rates, each with the threshold that it holds at.

A score is higher the more alike both sides are. A trial is accepted when score >=
threshold. Labels are 1 for target trials (same person) and 0 for impostor trials. All
rates are fractions in [0, 1].

    FAR (= FMR, false match rate)       share of impostor trials accepted
    FRR (= FNMR, false non-match rate)  share of target trials rejected
    TAR                                 1 - FRR
    FPIR                                share of strangers who are given a name
    FNIR                                share of enrolled people who are not found at
                                        rank 1 above the threshold

The last two are those of open-set identification (ISO/IEC 19795-1). Sources: detection
error trade-off, Martin et al. 1997; normalised detection cost, NIST SRE evaluation
plans; Cllr, Brümmer & du Preez 2006; protocol of view 2 of LFW, Huang et al. 2007.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from utils.arrays import BoolArray, Float64Array


@dataclass(frozen=True)
class Point:
    """A `value` (a rate, a cost) and the `threshold` that it holds at."""

    value: float
    threshold: float


@dataclass(frozen=True)
class DetCurve:
    """Error rates over all thresholds that matter.

    `threshold` (n,) rises strictly and ends with infinity (nothing accepted), so `far`
    (n,) falls from 1 to 0 and `frr` (n,) rises from 0 to 1.
    """

    threshold: Float64Array
    far: Float64Array
    frr: Float64Array


@dataclass(frozen=True)
class FoldAccuracy:
    """Accuracy by k folds.

    `value` is the mean over the folds, `threshold` the mean threshold, `folds` the
    accuracy of each.
    """

    value: float
    threshold: float
    folds: tuple[float, ...]


@dataclass(frozen=True)
class OpenSet:
    """Open-set identification at one `threshold`."""

    fpir: float
    fnir: float
    threshold: float


def split_scores(scores: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Float64Array, Float64Array]:
    """Split scores by class: sorted scores of targets, and of impostors.

    Args:
        scores: (n,) finite numbers.
        labels: (n,) of 0 and 1.

    Raises:
        ValueError: Shapes or values are others, or all trials are of one class.
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
            f"scores must be finite. {int((~np.isfinite(values)).sum())} of {len(values)} are not."
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
    """Compute FAR and FRR at every distinct score and at infinity.

    Arguments and errors are those of `split_scores`.
    """
    target, impostor = split_scores(scores, labels)
    threshold = np.append(np.unique(np.concatenate([target, impostor])), np.inf)
    far = 1.0 - np.searchsorted(impostor, threshold, side="left") / len(impostor)
    frr = np.searchsorted(target, threshold, side="left") / len(target)
    return DetCurve(threshold, far, frr)


def eer(scores: npt.ArrayLike, labels: npt.ArrayLike) -> Point:
    """Compute the equal error rate, where the FAR and FRR curves cross.

    It is interpolated linearly between the two nearest thresholds.
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
    """Find the smallest FRR among thresholds whose FAR is at most `far` in [0, 1]."""
    _check_rate("far", far)
    curve = det_curve(scores, labels)
    # The lowest such threshold, as FRR rises with the threshold.
    place = int(np.argmax(curve.far <= far))
    return Point(float(curve.frr[place]), float(curve.threshold[place]))


def tar_at_far(scores: npt.ArrayLike, labels: npt.ArrayLike, far: float) -> Point:
    """Find the largest TAR among thresholds whose FAR is at most `far` in [0, 1]."""
    point = frr_at_far(scores, labels, far)
    return Point(1.0 - point.value, point.threshold)


def far_at_frr(scores: npt.ArrayLike, labels: npt.ArrayLike, frr: float) -> Point:
    """Find the smallest FAR among thresholds whose FRR is at most `frr` in [0, 1]."""
    _check_rate("frr", frr)
    curve = det_curve(scores, labels)
    # The highest such threshold, as FAR falls with the threshold.
    place = int(np.flatnonzero(curve.frr <= frr)[-1])
    return Point(float(curve.far[place]), float(curve.threshold[place]))


def min_dcf(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    p_target: float,
    *,
    c_miss: float = 1.0,
    c_fa: float = 1.0,
) -> Point:
    """Compute the normalised minimum detection cost.

    The cost is divided by that of the better trivial system (accept all, reject all).

    Args:
        scores, labels: As in `split_scores`.
        p_target: Prior of a target trial, in (0, 1).
        c_miss, c_fa: Costs of a false rejection and of a false acceptance, positive.

    Raises:
        ValueError: A class is missing, or a prior or cost is impossible.
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
    """Compute the cost of log-likelihood ratios in bits.

    0 is perfect, 1 says nothing (llr = 0 everywhere), above 1 misleads.

    Args:
        llr: (n,) natural log-likelihood ratios.
        labels: As in `split_scores`.
    """
    target, impostor = split_scores(llr, labels)
    bits = np.logaddexp(0, -target).mean() + np.logaddexp(0, impostor).mean()
    return float(bits / (2 * np.log(2)))


def accuracy_threshold(scores: npt.ArrayLike, labels: npt.ArrayLike) -> Point:
    """Find the highest accuracy over all thresholds.

    The threshold lies midway between the two scores that it separates, so that it
    carries over to other trials.
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
    """Compute the verification accuracy as in view 2 of LFW.

    Each fold is judged at the threshold that is best on all the others.

    Args:
        scores, labels: As in `split_scores`. Both classes must be among the trials
            outside each fold.
        folds: (n,) fold of each trial, two folds at least.

    Raises:
        ValueError: A trial has no fold, or there is one fold or class only.
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
    return FoldAccuracy(
        value=float(np.mean(accuracy)),
        threshold=float(np.mean(thresholds)),
        folds=tuple(accuracy),
    )


def rank1(scores: npt.ArrayLike, probe_ids: npt.ArrayLike, gallery_ids: npt.ArrayLike) -> float:
    """Compute the closed-set identification rate.

    It is the share of probes whose best-scoring gallery entry is of the same person.

    Args:
        scores: (probes, gallery) similarity.
        probe_ids: (probes,) person of each probe. Each must be in `gallery_ids`.
        gallery_ids: (gallery,) person of each gallery entry. A person may have several.

    Raises:
        ValueError: Shapes do not fit, or a probe's person is not in the gallery.
    """
    values, probes, gallery = _search(scores, probe_ids, gallery_ids)
    if not np.isin(probes, gallery).all():
        raise ValueError(
            "Every probe's person must be in the gallery."
            f" {int((~np.isin(probes, gallery)).sum())} of {len(probes)} are not."
        )
    return float((gallery[values.argmax(axis=1)] == probes).mean())


def open_set(
    scores: npt.ArrayLike, probe_ids: npt.ArrayLike, gallery_ids: npt.ArrayLike, threshold: float
) -> OpenSet:
    """Compute FPIR and FNIR at `threshold`.

    Strangers are probes of people who are not in the gallery. FPIR is the share of
    strangers with any score >= threshold. FNIR is the share of enrolled people's probes
    whose best score is below the threshold or belongs to somebody else.

    Args:
        scores: (probes, gallery) similarity.
        probe_ids: (probes,) person of each probe.
        gallery_ids: (gallery,) person of each gallery entry.
        threshold: Score from which on a probe is given a name.

    Raises:
        ValueError: The probes are all of strangers, or all of enrolled people.
    """
    best, correct, enrolled = _best_matches(scores, probe_ids, gallery_ids)
    named = best >= threshold
    return OpenSet(
        fpir=float(named[~enrolled].mean()),
        fnir=float(1 - (named & correct)[enrolled].mean()),
        threshold=float(threshold),
    )


def open_set_at_fpir(
    scores: npt.ArrayLike, probe_ids: npt.ArrayLike, gallery_ids: npt.ArrayLike, fpir: float
) -> OpenSet:
    """Compute `open_set` at the lowest threshold that keeps to an FPIR.

    The FPIR measured at that threshold is at most `fpir` in [0, 1].
    """
    _check_rate("fpir", fpir)
    best, _, enrolled = _best_matches(scores, probe_ids, gallery_ids)
    candidates = np.append(np.unique(best), np.nextafter(best.max(), np.inf))
    strangers = np.sort(best[~enrolled])
    rates = 1.0 - np.searchsorted(strangers, candidates, side="left") / len(strangers)
    return open_set(
        scores, probe_ids, gallery_ids, float(candidates[int(np.argmax(rates <= fpir))])
    )


def _best_matches(
    scores: npt.ArrayLike, probe_ids: npt.ArrayLike, gallery_ids: npt.ArrayLike
) -> tuple[Float64Array, BoolArray, BoolArray]:
    """Return (probes,) best score, whether it is right, whether the person is enrolled."""
    values, probes, gallery = _search(scores, probe_ids, gallery_ids)
    enrolled = np.isin(probes, gallery)
    if enrolled.all() or not enrolled.any():
        raise ValueError(
            f"Both strangers and enrolled people are needed. Received: {int(enrolled.sum())} of"
            f" {len(enrolled)} probes enrolled"
        )
    best = values.argmax(axis=1)
    return values[np.arange(len(probes)), best], gallery[best] == probes, enrolled


def _search(
    scores: npt.ArrayLike, probe_ids: npt.ArrayLike, gallery_ids: npt.ArrayLike
) -> tuple[Float64Array, npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the three as arrays, once their shapes are checked."""
    values = np.asarray(scores, np.float64)
    probes = np.asarray(probe_ids)
    gallery = np.asarray(gallery_ids)
    if values.shape != (len(probes), len(gallery)) or not values.size:
        raise ValueError(
            f"scores must be (probes, gallery), not empty. Received: {values.shape} for"
            f" {len(probes)} and {len(gallery)}"
        )
    return values, probes, gallery


def _check_rate(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be a fraction in [0, 1]. Received: {name}={value}")
