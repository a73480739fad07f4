"""Error rates of four ways to represent a person by several templates.

They are the mean at unit length, the best template, the mean cosine, and half-way
between the means. People are held out.

Two-fold: cohort, numbers and thresholds for an FPIR of 1 % come from one clip against
one clip of one half of the people and are used on the other half, both ways. N people
are enrolled with 1, 2 or 4 clean clips each; the clips that no enrolment uses are the
probes, the same ones for every count and rule. Fused people are held-out faces joined
with held-out voices.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from network.serving.encoder import load_encoders
from scoring import metrics
from scoring.calibration import Calibration, fmr_for_fpir
from scoring.norms import Norm
from train.calibration.galleries import Arena, bare_strengths, strengths
from train.calibration.gather import ResearchData
from train.calibration.people import folds_of
from train.data.datasets import shared_data_dir
from train.data.tables import Codes, Table
from train.measure.accuracy import cross_halves
from utils.arrays import Float32Array, Float64Array, unit
from utils.config import Settings
from utils.modality import Modality
from utils.path_option import PathOption

COUNTS = (1, 2, 4)
PEOPLE = {Modality.FACE: 50, Modality.VOICE: 25, Modality.FUSED: 25}
FPIR = 0.01
DRAWS = 20
SEED = 0

Rule = Callable[[Table, Float32Array, Norm], Float64Array]
"""Bare strengths (p, n) of p probes and people of k templates each (n, k, size)."""


def by_length(power: float) -> Rule:
    """Mean of the templates divided by a power of its length.

    0 is the mean cosine, 1 the mean at unit length.
    """

    def bare(probes: Table, templates: Float32Array, norm: Norm) -> Float64Array:
        means = templates.mean(axis=1)
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        return bare_strengths(probes, unit(means) * lengths ** (1 - power), norm)

    return bare


def best_of(probes: Table, templates: Float32Array, norm: Norm) -> Float64Array:
    """The strongest of a person's templates, each against the probe on its own."""
    places = range(templates.shape[1])
    each = [bare_strengths(probes, templates[:, place], norm) for place in places]
    strongest: Float64Array = np.stack(each).max(axis=0)
    return strongest


RULES: Mapping[str, Rule] = {
    "mean at unit length (serves)": by_length(1.0),
    "best template": best_of,
    "mean cosine": by_length(0.0),
    "half-way": by_length(0.5),
}


@dataclass(frozen=True)
class Enrolment:
    """People enrolled with several templates.

    Attributes:
        enrolled: (n,) who.
        rows: (n, `max(COUNTS)`) rows of their templates.
        probes: Everybody's other clips.
    """

    enrolled: Codes
    rows: Codes
    probes: Table


def draw_enrolments(table: Table, people: int) -> Iterator[Enrolment]:
    """Draw who is enrolled, and with which templates, `DRAWS` times."""
    most = max(COUNTS)
    able = [person for person in np.unique(table.person) if (table.person == person).sum() > most]
    for draw in range(DRAWS):
        rng = np.random.default_rng([SEED, draw])
        enrolled = rng.permutation(able)[:people]
        own = [rng.permutation(np.flatnonzero(table.person == person)) for person in enrolled]
        rows = np.stack([files[:most] for files in own])
        others = ~np.isin(np.arange(len(table)), rows)
        yield Enrolment(enrolled, rows, table.rows(others))


Rates = tuple[float, float, float]
"""FPIR, FNIR, and FNIR at the threshold of a measured FPIR."""


def rates_of(arena: Arena, enrolment: Enrolment, threshold: float) -> dict[tuple[int, str], Rates]:
    """Rates by number of templates and name of the rule."""
    rates = {}
    for count in COUNTS:
        templates = arena.templates.vectors[enrolment.rows[:, :count]]
        for name, rule in RULES.items():
            bare = rule(enrolment.probes, templates, arena.norm)
            scores = strengths(bare, arena.norm)
            owners = enrolment.probes.person, enrolment.enrolled
            result = metrics.open_set(scores, *owners, threshold)
            even = metrics.open_set_at_fpir(scores, *owners, FPIR)
            rates[count, name] = (result.fpir, result.fnir, even.fnir)
    return rates


def measure(modality: Modality, arenas: Sequence[tuple[Arena, Calibration]]) -> list[str]:
    """Lines of the table: rates in percent, means over draws and both halves."""
    people = PEOPLE[modality]
    samples = []
    for arena, calibration in arenas:
        threshold, _ = calibration.threshold(fmr_for_fpir(FPIR, people))
        samples += [
            rates_of(arena, enrolment, threshold)
            for enrolment in draw_enrolments(arena.templates, people)
        ]
    lines = []
    for name in RULES:
        # One row of rates for each number of templates.
        rows = itertools.product(samples, COUNTS)
        table = np.array([rates[count, name] for rates, count in rows])
        means = table.reshape(len(samples), len(COUNTS), -1).mean(axis=0)
        figures = " | ".join(f"{100 * rate:.2f}" for rate in means.T.flat)
        lines.append(f"| {modality} | {people} | {name} | {figures} |")
    return lines


def heading() -> str:
    """The head of the table."""
    empty = "| " * (len(COUNTS) - 1)
    counts = " | ".join(map(str, COUNTS))
    return (
        "| scores | N | what stands for a person; templates: "
        f"| FPIR % (stated: 1) {empty}| FNIR % {empty}"
        f"| FNIR % at a measured FPIR of 1 % {empty}|\n"
        f"|{'---|' * (3 + 3 * len(COUNTS))}\n"
        f"| | | | {counts} | {counts} | {counts} |"
    )


@click.command(help=__doc__)
@click.option(
    "--model-dir",
    type=PathOption(path_type=Path),
    default=Path("best_model"),
    show_default=True,
    help="Folder of the models.",
)
@click.option(
    "--data",
    type=PathOption(path_type=Path),
    help="Folder of the research data.  [default: the variable DUET_SHARED_DATA]",
)
def main(model_dir: Path, data: Path | None) -> None:
    """Print the table."""
    encoders = load_encoders(model_dir)
    research = ResearchData(data or shared_data_dir(), Settings.from_env())
    folds = folds_of(research.embed(encoders), encoders.fusion.fuse)
    print(
        f"Face: {encoders.face.encoder_id}; voice: {encoders.voice.encoder_id};"
        f" fusion: {encoders.fusion.encoder_id}\n"
    )
    print(heading())
    for modality, both in folds.items():
        print("\n".join(measure(modality, cross_halves(both))), flush=True)


if __name__ == "__main__":
    main()
