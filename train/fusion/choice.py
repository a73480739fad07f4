"""Comparing fusions on held-out pseudo-persons, and choosing: what was learned is kept
only where it beats the linear start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scoring import logistic, metrics
from train.data.tables import Table
from train.fusion.data import CONDITIONS, Fuse, Trials, compare
from utils.arrays import Float32Array

FAR = 1e-3
JOINS = 6
CHOICE_JOINS = 3
LOSS_WEIGHT = 10.0
Condition = tuple[str, str]


@dataclass(frozen=True)
class Figures:
    """Error rates under one condition: EER and FRR at FAR 0.1 % by face, by voice and
    fused.
    """

    face_eer: float
    voice_eer: float
    fused_eer: float
    face_frr: float
    voice_frr: float
    fused_frr: float
    trials: int

    @property
    def better_eer(self) -> float:
        """EER of the better single modality."""
        return min(self.face_eer, self.voice_eer)

    @property
    def better_frr(self) -> float:
        """FRR at FAR 0.1 % of the better single modality."""
        return min(self.face_frr, self.voice_frr)


def measure(
    faces: Table, voices: Table, fuse: Fuse, joins: int = JOINS
) -> dict[Condition, Figures]:
    """Figures of a fusion under every condition."""
    return {
        condition: figures_of(compare(faces, voices, fuse, condition, joins=joins))
        for condition in CONDITIONS
    }


def figures_of(trials: Trials) -> Figures:
    """Figures of one set of trials."""
    scores = (trials.face, trials.voice, trials.fused)
    face_eer, voice_eer, fused_eer = (metrics.eer(s, trials.labels).value for s in scores)
    face_frr, voice_frr, fused_frr = (
        metrics.frr_at_far(s, trials.labels, FAR).value for s in scores
    )
    return Figures(
        face_eer, voice_eer, fused_eer, face_frr, voice_frr, fused_frr, len(trials.labels)
    )


def objective(faces: Table, voices: Table, fuse: Fuse, joins: int = CHOICE_JOINS) -> float:
    """What the choice goes by, lower is better: mean over conditions of the fused EER +
    FRR at FAR 0.1 %, and ten times the mean of what the fused EER exceeds that of the
    better single modality by: a fusion must not lose to it anywhere.
    """
    figures = [
        figures_of(compare(faces, voices, fuse, condition, joins=joins)) for condition in CONDITIONS
    ]
    return float(
        np.mean(
            [
                f.fused_eer + f.fused_frr + LOSS_WEIGHT * max(0.0, f.fused_eer - f.better_eer)
                for f in figures
            ]
        )
    )


def summary(figures: Mapping[Condition, Figures]) -> dict[str, float]:
    """The figures of a card, flat: by condition EER of the better modality and fused."""
    result: dict[str, float] = {}
    for (face, voice), row in figures.items():
        name = f"{face} face, {voice} voice"
        result |= {
            f"eer, {name}": row.fused_eer,
            f"eer of the better modality, {name}": row.better_eer,
        }
    return result


def llr_sum(faces: Table, voices: Table) -> tuple[float, float]:
    """Slopes (face, voice) of calibrations fitted separately on clean trials: the
    classical score fusion, as a baseline.
    """
    trials = compare(faces, voices, weighted(1, 1), CONDITIONS[0], joins=JOINS)
    slopes = [
        float(logistic.fit(scores[:, None], trials.labels)[0][0])
        for scores in (trials.face, trials.voice)
    ]
    return slopes[0], slopes[1]


def weighted(face_slope: float, voice_slope: float) -> Fuse:
    """A fusion by concatenation whose cosine is the weighted mean of both cosines; (n,
    1024) comes out.
    """
    face_weight, voice_weight = np.sqrt([face_slope, voice_slope]) / np.sqrt(
        face_slope + voice_slope
    )

    def fuse(face: Float32Array, voice: Float32Array) -> Float32Array:
        return np.concatenate(
            [face * np.float32(face_weight), voice * np.float32(voice_weight)], axis=1
        )

    return fuse


def comparison(
    faces: Table, voices: Table, fusions: Mapping[str, Fuse]
) -> dict[str, dict[Condition, Figures]]:
    """Figures of several fusions on the same trials."""
    return {name: measure(faces, voices, fuse) for name, fuse in fusions.items()}


def as_markdown(results: Mapping[str, Mapping[Condition, Figures]]) -> str:
    """A table: a row a condition; EER of both modalities and of each fusion, then FRR
    at FAR 0.1 %.
    """
    names = list(results)
    lines = [
        "| probe: face / voice | face | voice | "
        + " | ".join(names)
        + " | better single, FRR at FAR 0.1 % | "
        + " | ".join(f"{name}, FRR" for name in names)
        + " |",
        "|" + "---|" * (4 + 2 * len(names)),
    ]
    for condition in CONDITIONS:
        rows = [results[name][condition] for name in names]
        first = rows[0]
        rates = [
            first.face_eer,
            first.voice_eer,
            *(row.fused_eer for row in rows),
            first.better_frr,
            *(row.fused_frr for row in rows),
        ]
        lines.append(
            f"| {condition[0]} / {condition[1]} | "
            + " | ".join(f"{100 * rate:.2f}" for rate in rates)
            + " |"
        )
    return "\n".join(lines)
