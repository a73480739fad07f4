"""Comparison of fusions on held-out pseudo-persons, and the choice between them.

What was learned is used only where it beats the linear start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from scoring import logistic, metrics
from train.data.pseudo_people import CONDITIONS, Condition, Fuse, FusionTrials, compare
from train.data.tables import Table
from utils.arrays import Float32Array

FAR = 1e-3
JOINS = 6
CHOICE_JOINS = 3
LOSS_WEIGHT = 10.0


@dataclass(frozen=True)
class Rates:
    """Error rates of one score: EER, and FRR at FAR 0.1 %."""

    eer: float
    frr: float


@dataclass(frozen=True)
class Figures:
    """Error rates under one condition by face, by voice and fused."""

    face: Rates
    voice: Rates
    fused: Rates

    @property
    def better(self) -> Rates:
        """The lower rates of both single modalities."""
        return Rates(eer=min(self.face.eer, self.voice.eer), frr=min(self.face.frr, self.voice.frr))


Results = Mapping[Condition, Figures]


def measure(
    faces: Table, voices: Table, fuse: Fuse, joins: int = JOINS
) -> dict[Condition, Figures]:
    """Measure a fusion under every condition."""
    return {
        condition: figures_of(compare(faces, voices, fuse, condition, joins=joins))
        for condition in CONDITIONS
    }


def figures_of(trials: FusionTrials) -> Figures:
    """Error rates of one set of trials."""
    face, voice, fused = (
        Rates(
            eer=metrics.eer(scores, trials.labels).value,
            frr=metrics.frr_at_far(scores, trials.labels, FAR).value,
        )
        for scores in (trials.face, trials.voice, trials.fused)
    )
    return Figures(face=face, voice=voice, fused=fused)


def objective(faces: Table, voices: Table, fuse: Fuse, joins: int = CHOICE_JOINS) -> float:
    """What the choice goes by, lower is better.

    The mean over conditions of the fused EER + FRR at FAR 0.1 %, and ten times the mean
    excess of the fused EER over that of the better single modality: a fusion must not
    lose to it anywhere.
    """
    costs = []
    for figures in measure(faces, voices, fuse, joins).values():
        excess = max(0.0, figures.fused.eer - figures.better.eer)
        costs.append(figures.fused.eer + figures.fused.frr + LOSS_WEIGHT * excess)
    return float(np.mean(costs))


def summary(results: Results) -> dict[str, float]:
    """The figures of a card, flat: by condition, EER fused and of the better modality."""
    summary: dict[str, float] = {}
    for (face, voice), figures in results.items():
        name = f"{face} face, {voice} voice"
        summary[f"eer, {name}"] = figures.fused.eer
        summary[f"eer of the better modality, {name}"] = figures.better.eer
    return summary


def llr_sum(faces: Table, voices: Table) -> tuple[float, float]:
    """Slopes (face, voice) of calibrations that are fitted separately on clean trials.

    They make the classical score fusion, as a baseline.
    """
    trials = compare(faces, voices, weigh(1, 1), CONDITIONS[0], joins=JOINS)
    face, voice = (
        float(logistic.fit(scores[:, None], trials.labels)[0][0])
        for scores in (trials.face, trials.voice)
    )
    return face, voice


def weigh(face_slope: float, voice_slope: float) -> Fuse:
    """A fusion whose cosine is the weighted mean of both cosines.

    It concatenates both embeddings: (n, 1024) comes out.
    """
    weights = np.sqrt([face_slope, voice_slope]) / np.sqrt(face_slope + voice_slope)
    face_weight, voice_weight = weights.astype(np.float32)

    def fuse(face: Float32Array, voice: Float32Array) -> Float32Array:
        return np.concatenate([face * face_weight, voice * voice_weight], axis=1)

    return fuse


def comparison(
    faces: Table, voices: Table, fusions: Mapping[str, Fuse]
) -> dict[str, dict[Condition, Figures]]:
    """Figures of several fusions on the same trials."""
    return {name: measure(faces, voices, fuse) for name, fuse in fusions.items()}


def as_markdown(results: Mapping[str, Results]) -> str:
    """Format a table with a row for each condition, rates in percent.

    EER of both modalities and of each fusion, then FRR at FAR 0.1 %.
    """
    names = list(results)
    heads = ["probe: face / voice", "face", "voice", *names]
    heads += ["better single, FRR at FAR 0.1 %", *(f"{name}, FRR" for name in names)]
    lines = [_row(heads), "|" + "---|" * len(heads)]
    for condition in CONDITIONS:
        rows = [results[name][condition] for name in names]
        first = rows[0]
        rates = [first.face.eer, first.voice.eer, *(row.fused.eer for row in rows)]
        rates += [first.better.frr, *(row.fused.frr for row in rows)]
        title = f"{condition[0]} / {condition[1]}"
        lines.append(_row([title, *(f"{100 * rate:.2f}" for rate in rates)]))
    return "\n".join(lines)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
