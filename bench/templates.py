"""Error rates of four ways to represent a person by several templates.

Mean at unit length, best template, mean cosine, or half-way between, on held-out
people.

    python -m bench.templates [--model-dir best_model] [--data DIR]

Two-fold: cohort, numbers and thresholds for an FPIR of 1 % come from one clip against
one clip of one half of the people and are used on the other half, both ways. N people
are enrolled with 1, 2 or 4 clean clips each; the clips that no enrolment uses are the
probes, the same ones for every count and rule. Fused people are held-out faces joined
with held-out voices.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from gallery.vectors import unit
from network.serving.encoder import load_encoders
from scoring import metrics
from scoring.calibration import Calibration, fmr_for_fpir
from scoring.norms import Norm
from train.calibration.calibrate import Sources, calibration_data, folds_of
from train.calibration.galleries import Arena, bare_strengths, strengths
from train.data.datasets import shared_data_dir
from train.data.tables import Codes, Table
from train.measure.accuracy import crossed
from utils.arrays import Float32Array, Float64Array

COUNTS = (1, 2, 4)
PEOPLE = {"face": 50, "voice": 25, "fused": 25}
FPIR = 0.01
DRAWS = 20
SEED = 0


Rule = Callable[[Table, Float32Array, Norm], Float64Array]
"""Bare strengths (p, n) of p probes and people of k templates each (n, k, size)."""


def by_length(power: float) -> Rule:
    """Mean of the templates divided by a power of its length.

    0 = mean cosine, 1 = mean at unit length.
    """

    def bare(probes: Table, templates: Float32Array, norm: Norm) -> Float64Array:
        means = templates.mean(axis=1)
        return bare_strengths(
            probes, unit(means) * np.linalg.norm(means, axis=1, keepdims=True) ** (1 - power), norm
        )

    return bare


def best_of(probes: Table, templates: Float32Array, norm: Norm) -> Float64Array:
    """The strongest of a person's templates, each against the probe on its own."""
    each = [
        bare_strengths(probes, templates[:, place], norm) for place in range(templates.shape[1])
    ]
    strongest: Float64Array = np.stack(each).max(axis=0)
    return strongest


RULES: Mapping[str, Rule] = {
    "mean at unit length (serves)": by_length(1.0),
    "best template": best_of,
    "mean cosine": by_length(0.0),
    "half-way": by_length(0.5),
}


def drawn(table: Table, people: int) -> Iterator[tuple[Codes, Codes, Table]]:
    """Draw random enrolments.

    Returns who is enrolled (n,), their template rows (n, `max(COUNTS)`), and the
    probes.
    """
    least = max(COUNTS) + 1
    able = [p for p in np.unique(table.person) if (table.person == p).sum() >= least]
    for draw in range(DRAWS):
        rng = np.random.default_rng([SEED, draw])
        enrolled = rng.permutation(able)[:people]
        rows = np.stack(
            [
                rng.permutation(np.flatnonzero(table.person == person))[: least - 1]
                for person in enrolled
            ]
        )
        yield enrolled, rows, table.rows(~np.isin(np.arange(len(table)), rows))


def measure(modality: str, arenas: list[tuple[Arena, Calibration]]) -> list[str]:
    """Lines of the table, means over draws and both halves.

    FPIR, FNIR, and FNIR at the threshold of a measured FPIR, in percent.
    """
    people = PEOPLE[modality]
    samples = dict[tuple[int, str], list[tuple[float, float, float]]]()
    for arena, calibration in arenas:
        threshold, _ = calibration.threshold(fmr_for_fpir(FPIR, people))
        for enrolled, rows, probes in drawn(arena.templates, people):
            for count in COUNTS:
                for name, rule in RULES.items():
                    scores = strengths(
                        rule(probes, arena.templates.vectors[rows[:, :count]], arena.norm),
                        arena.norm,
                    )
                    result = metrics.open_set(scores, probes.person, enrolled, threshold)
                    even = metrics.open_set_at_fpir(scores, probes.person, enrolled, FPIR)
                    samples.setdefault((count, name), []).append(
                        (result.fpir, result.fnir, even.fnir)
                    )
    means = {key: 100 * np.mean(rates, axis=0) for key, rates in samples.items()}
    return [
        f"| {modality} | {people} | {name} | "
        + " | ".join(f"{means[count, name][i]:.2f}" for i in range(3) for count in COUNTS)
        + " |"
        for name in RULES
    ]


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--model-dir", type=Path, default=Path("best_model"))
    parser.add_argument("--data", type=Path)
    arguments = parser.parse_args()
    encoders = load_encoders(arguments.model_dir)
    folds = folds_of(
        calibration_data(encoders, arguments.data or shared_data_dir(), Sources()),
        encoders.fusion.fuse,
    )
    print(
        f"Face: {encoders.face.encoder_id}; voice: {encoders.voice.encoder_id}; fusion:"
        f" {encoders.fusion.encoder_id}\n"
    )
    counts = " | ".join(f"{count}" for count in COUNTS)
    print(
        "| scores | N | what stands for a person; templates: | FPIR % (stated: 1) "
        + "| " * (len(COUNTS) - 1)
        + "| FNIR % "
        + "| " * (len(COUNTS) - 1)
        + "| FNIR % at a measured FPIR of 1 % "
        + "| " * len(COUNTS)
        + "\n"
        + "|"
        + "---|" * (3 + 3 * len(COUNTS))
    )
    print(f"| | | | {counts} | {counts} | {counts} |")
    for modality, both in folds.items():
        print("\n".join(measure(modality, crossed(both))), flush=True)


if __name__ == "__main__":
    main()
