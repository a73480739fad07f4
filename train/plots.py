"""Plots of scores and error rates as PNG files. No display is needed.

There are score histograms, ROC, DET and reliability.
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

Scored = tuple[npt.ArrayLike, npt.ArrayLike]
"""Scores (n,), and labels (n,) of 0 and 1."""
Curves = Mapping[str, Scored]
"""Scored trials by the name of their curve."""
DET_TICKS = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.2, 0.4)
LOWEST_RATE = 1e-5
RELIABILITY_BINS = 10


def draw_curves(file: Path, curves: Curves) -> None:
    """Draw ROC and DET side by side.

    The ROC has a logarithmic FAR. The DET has normal deviates, on which normally
    distributed scores give a straight line.
    """
    figure, (roc, det) = _new_figure(2)
    for name, (scores, labels) in curves.items():
        curve = metrics.det_curve(scores, labels)
        rate = metrics.eer(scores, labels).value
        roc.plot(np.maximum(curve.far, LOWEST_RATE), 1 - curve.frr, label=f"{name}, EER {rate:.2%}")
        det.plot(_deviates(curve.far), _deviates(curve.frr), label=name)
    roc.set(
        xscale="log",
        xlabel="false accept rate",
        ylabel="true accept rate",
        title="ROC",
        xlim=(LOWEST_RATE, 1),
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
    file: Path, panels: Curves, thresholds: Mapping[str, float] | None = None, unit: str = "score"
) -> None:
    """Draw the densities of target and impostor scores, a panel each.

    A line marks the panel's threshold where there is one.
    """
    figure, axes = _new_figure(len(panels))
    for ax, (name, (scores, labels)) in zip(axes, panels.items(), strict=True):
        target, impostor = metrics.split_scores(scores, labels)
        bins = np.linspace(min(target[0], impostor[0]), max(target[-1], impostor[-1]), 60)
        ax.hist(impostor, bins, density=True, alpha=0.6, label=f"impostor ({len(impostor)})")
        ax.hist(target, bins, density=True, alpha=0.6, label=f"target ({len(target)})")
        if thresholds and name in thresholds:
            threshold = thresholds[name]
            ax.axvline(threshold, color="black", linestyle="--", label=f"threshold {threshold:.3f}")
        ax.set(title=name, xlabel=unit, ylabel="density")
    _save(figure, axes, file)


def draw_reliability(file: Path, panels: Curves) -> None:
    """Draw the share of target trials over the stated probability, a panel each.

    It is exact on the diagonal, at even priors. Scores are natural log-likelihood
    ratios. Both classes are weighted to count alike, which is what even priors mean.
    """
    figure, axes = _new_figure(len(panels))
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
    """Mean stated probability and measured share of targets, (k,) each.

    They are over the non-empty ones of ten equal bins of probability.
    """
    values = np.asarray(llr, np.float64)
    truth = np.asarray(labels)
    metrics.split_scores(values, truth)
    # The logistic function, without overflow.
    stated = 0.5 * (1 + np.tanh(values / 2))
    weight = np.where(truth == 1, 1 / (truth == 1).sum(), 1 / (truth == 0).sum())
    places = np.minimum((stated * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
    total = np.bincount(places, weight, RELIABILITY_BINS)
    used = total > 0
    mean = np.bincount(places, weight * stated, RELIABILITY_BINS)[used] / total[used]
    share = np.bincount(places, weight * truth, RELIABILITY_BINS)[used] / total[used]
    return mean, share


def _deviates(rates: Float64Array) -> list[float]:
    return [NormalDist().inv_cdf(min(max(rate, LOWEST_RATE), 1 - LOWEST_RATE)) for rate in rates]


def _new_figure(panels: int) -> tuple[Any, Any]:
    # Half a second, only when something is drawn.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5 * panels, 4.5), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    return figure, axes


def _save(figure: Any, axes: Any, file: Path) -> None:
    for ax in axes:
        ax.grid(alpha=0.3)
        ax.legend(fontsize=8)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
