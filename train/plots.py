"""Plots of scores and error rates as PNG files: score histograms, ROC, DET and
reliability. No display is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring import metrics
from utils.arrays import Float64Array

Scored = Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]]
"""Name of a curve → scores (n,) and labels (n,) of 0 and 1."""
DET_TICKS = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.2, 0.4)
RELIABILITY_BINS = 10


def draw_curves(file: Path, curves: Scored) -> None:
    """ROC (logarithmic FAR) and DET (normal deviates, on which normally distributed
    scores give a straight line) side by side.
    """
    figure, (roc, det) = _figure(2)
    for name, (scores, labels) in curves.items():
        curve = metrics.det_curve(scores, labels)
        roc.plot(
            np.maximum(curve.far, 1e-5),
            1 - curve.frr,
            label=f"{name}, EER {metrics.eer(scores, labels).value:.2%}",
        )
        det.plot(_deviate(curve.far), _deviate(curve.frr), label=name)
    roc.set(
        xscale="log",
        xlabel="false accept rate",
        ylabel="true accept rate",
        title="ROC",
        xlim=(1e-5, 1),
    )
    ticks = [NormalDist().inv_cdf(tick) for tick in DET_TICKS]
    names = [f"{tick:.2%}".rstrip("0%").rstrip(".") + " %" for tick in DET_TICKS]
    det.set(
        xlabel="false accept rate",
        ylabel="false reject rate",
        title="DET",
        xlim=(ticks[0], ticks[-1]),
        ylim=(ticks[0], ticks[-1]),
    )
    det.set_xticks(ticks, names, rotation=45)
    det.set_yticks(ticks, names)
    _save(figure, (roc, det), file)


def draw_histograms(
    file: Path, panels: Scored, thresholds: Mapping[str, float] | None = None, unit: str = "score"
) -> None:
    """One panel each: densities of target and impostor scores, with a line at the
    panel's threshold where there is one.
    """
    figure, axes = _figure(len(panels))
    for ax, (name, (scores, labels)) in zip(axes, panels.items(), strict=True):
        target, impostor = metrics.split_scores(scores, labels)
        bins = np.linspace(min(target[0], impostor[0]), max(target[-1], impostor[-1]), 60)
        ax.hist(impostor, bins, density=True, alpha=0.6, label=f"impostor ({len(impostor)})")
        ax.hist(target, bins, density=True, alpha=0.6, label=f"target ({len(target)})")
        if thresholds and name in thresholds:
            ax.axvline(
                thresholds[name],
                color="black",
                linestyle="--",
                label=f"threshold {thresholds[name]:.3f}",
            )
        ax.set(title=name, xlabel=unit, ylabel="density")
    _save(figure, axes, file)


def draw_reliability(file: Path, panels: Scored) -> None:
    """One panel each: share of target trials among trials of about the same stated
    probability, at even priors; exact on the diagonal.

    Scores are natural log-likelihood ratios; both classes are weighted to count alike,
    which is what even priors mean.
    """
    figure, axes = _figure(len(panels))
    for ax, (name, (llr, labels)) in zip(axes, panels.items(), strict=True):
        stated, measured = reliability(llr, labels)
        ax.plot([0, 1], [0, 1], color="grey", linestyle=":", label="exact")
        ax.plot(stated, measured, marker="o", label=f"Cllr {metrics.cllr(llr, labels):.3f} bit")
        ax.set(
            title=name,
            xlabel="stated probability",
            ylabel="share of target trials",
            xlim=(0, 1),
            ylim=(0, 1),
        )
    _save(figure, axes, file)


def reliability(llr: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Float64Array, Float64Array]:
    """Mean stated probability and measured share of targets, (k,) each, over the
    non-empty ones of ten equal bins of probability.
    """
    values = np.asarray(llr, np.float64)
    truth = np.asarray(labels)
    metrics.split_scores(values, truth)
    stated = 0.5 * (1 + np.tanh(values / 2))  # the logistic function, without overflow
    weight = np.where(truth == 1, 1 / (truth == 1).sum(), 1 / (truth == 0).sum())
    places = np.minimum((stated * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
    total = np.bincount(places, weight, RELIABILITY_BINS)
    used = total > 0
    return (
        np.bincount(places, weight * stated, RELIABILITY_BINS)[used] / total[used],
        np.bincount(places, weight * truth, RELIABILITY_BINS)[used] / total[used],
    )


def _deviate(rates: Float64Array) -> list[float]:
    return [NormalDist().inv_cdf(min(max(rate, 1e-5), 1 - 1e-5)) for rate in rates]


def _figure(panels: int) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # half a second, only when something is drawn

    figure = Figure(figsize=(5.5 * panels, 4.5), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    return figure, axes


def _save(figure: Any, axes: Any, file: Path) -> None:
    for ax in axes:
        ax.grid(alpha=0.3)
        ax.legend(fontsize=8)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
