"""Comparison of score normalisations: none, Z-norm, AS-norm, and the one that serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from scoring import metrics
from scoring.as_norm import cohort_scores, s_norm, statistics, z_norm
from scoring.norms import NEAREST_SHARE, CohortNorm
from train.calibration.galleries import Fold, bare_strengths
from train.calibration.norm_fit import fit_norm
from train.data.protocols import Trials
from train.measure.scores import NORMS, Vectors, normalise
from utils.arrays import Float32Array, Float64Array
from utils.modality import Modality

P_TARGET = 0.05


def compare_norms(
    lists: Mapping[str, Trials], vectors: Vectors, cohort: Float32Array, top: int
) -> str:
    """Format a Markdown table of several trial lists under every normalisation.

    It holds EER and normalised minDCF. AS-norm uses the `top` nearest of the cohort.
    """
    heads = [f"EER %, {norm}" for norm in NORMS] + [f"minDCF, {norm}" for norm in NORMS]
    lines = [f"| list | {' | '.join(heads)} |", "|" + "---|" * (len(heads) + 1)]
    for name, trials in lists.items():
        rates: list[str] = []
        costs: list[str] = []
        for norm in NORMS:
            scores = normalise(trials, vectors, cohort, kind=norm, top=top)
            rates.append(f"{100 * metrics.eer(scores, trials.labels).value:.2f}")
            costs.append(f"{metrics.min_dcf(scores, trials.labels, P_TARGET).value:.3f}")
        lines.append(f"| {name} | {' | '.join([*rates, *costs])} |")
    note = (
        f"minDCF: p_target {P_TARGET:g}, c_miss 1, c_fa 1, normalised. Cohort: {len(cohort)}"
        f" people; AS-norm by the {top} nearest."
    )
    return "\n".join([*lines, "", note])


def eer_of_folds(folds: Mapping[Modality, Sequence[Fold]]) -> str:
    """Format a Markdown table: EER of pairs of clips by modality and condition.

    Without norm, with Z-norm (of the template), AS-norm, and the norm that serves.
    Cohorts are those of the folds, other people than those measured. The numbers of
    what serves are from the other fold.
    """
    lines = ["| modality | probe | none | Z-norm | AS-norm | as served |", "|" + "---|" * 6]
    for modality, both in folds.items():
        numbers = [fit_norm([fold]) for fold in reversed(both)]
        norms = [CohortNorm(both[half].cohort, numbers[half]) for half in (0, 1)]
        for condition in both[0].table.conditions:
            of_folds = [
                _equal_error_rates(fold, norm, condition)
                for fold, norm in zip(both, norms, strict=True)
            ]
            cells = [f"{100 * rate:.2f}" for rate in np.mean(of_folds, axis=0)]
            lines.append(f"| {modality} | {condition} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _equal_error_rates(fold: Fold, norm: CohortNorm, condition: str) -> list[float]:
    probes = fold.table.under(condition)
    templates = fold.table.under(fold.clean)
    scores = (probes.vectors @ templates.vectors.T).astype(np.float64)
    against = cohort_scores(templates.vectors, fold.cohort)
    normed = (
        scores,
        z_norm(scores, statistics(against)),
        _as_norm(scores, cohort_scores(probes.vectors, fold.cohort), against),
        bare_strengths(probes, templates.vectors, norm),
    )
    other = probes.file[:, None] != templates.file
    labels = (probes.person[:, None] == templates.person)[other].astype(int)
    return [metrics.eer(matrix[other], labels).value for matrix in normed]


def _as_norm(
    scores: Float64Array, of_probes: Float64Array, of_templates: Float64Array
) -> Float64Array:
    """AS-norm of scores (p, t), by the cohort scores (p, m) and (t, m) of both sides."""
    top = max(3, round(NEAREST_SHARE * of_probes.shape[1]))
    mean, deviation = statistics(of_probes, top)
    return s_norm(scores, statistics(of_templates, top), (mean[:, None], deviation[:, None]))
