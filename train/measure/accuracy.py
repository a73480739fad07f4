"""Stated against measured: false positive identification rates and misses of the whole
open-set decision, on held-out people.

    python -m train.measure.accuracy --model-dir best_model

Thresholds follow from the stated FPIR and the number N of people enrolled, as in
serving. Two-fold: the people are halved at random; cohort (but for voices of other data
sets) and numbers, calibration and thresholds come from one half and are measured on the
other, both ways. N people are enrolled with one clean clip each; their other clips and
those of everybody else in the half (the strangers) are the probes, clean or degraded.
Repeated with random choices of who is enrolled. Where a half has too few people for N,
some are entered several times, each time with another clip: a stranger is then set
against N different clips of fewer people (marked in the table), and misses count for
people with one entry only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from network.serving.encoder import load_encoders
from scoring.calibration import Calibration, fmr_for_fpir
from train.calibration.calibrate import People, Sources, calibrate, calibration_data, folds_of
from train.calibration.galleries import KINDS, Arena, Drawn, Fold, groups, strengths
from train.data.datasets import shared_data_dir
from train.measure.norms import eer_of_folds
from utils.arrays import BoolArray
from utils.errors import DuetError

DRAWS = 20
SEED = 5
SIZES = (10, 50, 100, 300)
FPIRS = (0.01, 0.05)
STRANGERS = 12  # people of a half who stay out at least
FACTOR = 2.0  # within which stated and measured are to agree


@dataclass(frozen=True)
class Row:
    """One line: people enrolled, FPIR stated and measured with a 95 % interval over
    strangers, FNIR (NaN: nobody has one entry only), people per entry, and how many
    strangers there were.
    """

    modality: str
    condition: str
    entries: int
    people: int
    stated: float
    fpir: float
    low: float
    high: float
    fnir: float
    strangers: int


@dataclass(frozen=True)
class Count:
    """Of one gallery: whether each probe (p,) was given a name, whether that was right,
    and whose it is; `known` (p,) are probes that misses are counted on, `people` how
    many different people were enrolled.
    """

    named: BoolArray
    right: BoolArray
    owner: npt.NDArray[np.int64]
    stranger: BoolArray
    known: BoolArray
    people: int


def judged(drawn: Drawn, calibration: Calibration) -> dict[float, Count]:
    """One modality's decisions about a gallery, by stated FPIR."""
    found = strengths(drawn.bare, calibration.norm)
    best = found.argmax(axis=1)
    highest = found[np.arange(len(found)), best]
    right = drawn.enrolled[best] == drawn.owner
    known = np.isin(drawn.owner, drawn.enrolled[drawn.alone])
    people = len(np.unique(drawn.enrolled))
    counts = {}
    for stated in FPIRS:
        named = highest >= calibration.threshold(fmr_for_fpir(stated, found.shape[1]))[0]
        counts[stated] = Count(named, named & right, drawn.owner, drawn.strangers, known, people)
    return counts


def measure(
    arenas: Sequence[tuple[Arena, Calibration]],
    modality: str,
    condition: str,
    size: int,
    kind: int = 1,
) -> list[Row]:
    """Lines for `FPIRS`: both halves, each under the calibration of the other. `kind` =
    groups of people who resemble each other, in which galleries and strangers are
    chosen.
    """
    found = []
    for arena, calibration in arenas:
        for people in groups(arena.fold.table, (kind,))[kind]:
            if kind == 1 or len(people) >= size + STRANGERS:
                found += [
                    judged(
                        arena.draw(
                            size,
                            np.random.default_rng([SEED, number]),
                            condition,
                            people,
                            STRANGERS,
                        ),
                        calibration,
                    )
                    for number in range(DRAWS)
                ]
    return (
        [
            row_of([one[stated] for one in found], modality, condition, size, stated)
            for stated in FPIRS
        ]
        if found
        else []
    )


def row_of(counts: Sequence[Count], modality: str, condition: str, size: int, stated: float) -> Row:
    """Means over galleries; the interval is a bootstrap over strangers."""
    stranger = np.concatenate([one.stranger for one in counts])
    named, owner = (
        np.concatenate([getattr(one, name) for one in counts])[stranger]
        for name in ("named", "owner")
    )
    half = np.concatenate(
        [np.full(len(one.owner), number // DRAWS) for number, one in enumerate(counts)]
    )[stranger]
    # Numbers of people begin anew in pseudo-persons of each half
    identity = owner * (len(counts) // DRAWS + 1) + half
    known = np.concatenate([one.known for one in counts])
    right = np.concatenate([one.right for one in counts])[known]
    low, high = _interval(named, identity)
    return Row(
        modality,
        condition,
        size,
        counts[0].people,
        stated,
        float(named.mean()),
        low,
        high,
        float(1 - right.mean()) if len(right) else np.nan,
        len(np.unique(identity)),
    )


def _interval(
    named: BoolArray, identity: npt.NDArray[np.int64], replicates: int = 400
) -> tuple[float, float]:
    people, codes = np.unique(identity, return_inverse=True)
    hits = np.bincount(codes, named)
    probes = np.bincount(codes)
    drawn = np.random.default_rng(SEED).integers(len(people), size=(replicates, len(people)))
    low, high = np.quantile(hits[drawn].sum(axis=1) / probes[drawn].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


def measure_all(folds: Mapping[str, Sequence[Fold]]) -> list[Row]:
    """All lines: face, voice and fused, clean and degraded, and clean ones of people
    who resemble each other.
    """
    rows: list[Row] = []
    for modality, both in folds.items():
        arenas = crossed(both)
        for condition in both[0].table.conditions:
            rows += [row for size in SIZES for row in measure(arenas, modality, condition, size)]
        for kind in KINDS[1:]:
            rows += [
                replace(row, condition=f"clean, 1 of {kind} groups")
                for size in SIZES
                for row in measure(arenas, modality, both[0].clean, size, kind)
            ]
    return rows


def crossed(both: Sequence[Fold]) -> list[tuple[Arena, Calibration]]:
    """Each half with the calibration of the other one."""
    made = [calibrate(People((fold,), fold.cohort)) for fold in both]
    return [(Arena(both[i], made[1 - i].norm), made[1 - i]) for i in (0, 1)]


def as_markdown(rows: Sequence[Row]) -> str:
    """A table, rates in percent, and what of it agrees."""
    lines = [
        "| modality | probe | N | FPIR stated | FPIR measured (95 %) | FNIR | strangers |",
        "|" + "---|" * 7,
    ]
    for row in rows:
        size = (
            f"{row.entries}"
            if row.people == row.entries
            else f"{row.entries} ({row.people} people)"
        )
        fnir = "-" if np.isnan(row.fnir) else f"{100 * row.fnir:.1f}"
        lines.append(
            f"| {row.modality} | {row.condition} | {size} | {100 * row.stated:g} |"
            f" {100 * row.fpir:.2f} ({100 * row.low:.2f} to {100 * row.high:.2f}) | {fnir} |"
            f" {row.strangers} |"
        )
    for name, part in (
        ("all lines", rows),
        (
            "lines with as many people as entries",
            [row for row in rows if row.people == row.entries],
        ),
    ):
        agree = sum(row.stated / FACTOR <= row.fpir <= row.stated * FACTOR for row in part)
        allowed = sum(
            row.low <= row.stated * FACTOR and row.high >= row.stated / FACTOR for row in part
        )
        higher = sum(row.fpir > row.stated * FACTOR for row in part)
        lines += [
            "",
            (
                f"Of {name}, {len(part)}: measured within a factor of {FACTOR:g} of stated {agree},"
                f" the interval allows it {allowed}, higher {higher}."
            ),
        ]
    return "\n".join(lines)


@click.command(help=(__doc__ or "").split("\n\n")[0])
@click.option(
    "--model-dir",
    type=click.Path(path_type=Path, exists=True),
    default=Path("best_model"),
    show_default=True,
    help="Folder with face/, voice/ and fusion/.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True),
    help="Research data [default: DUET_SHARED_DATA].",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("data/runs/open_set.md"),
    show_default=True,
    help="Markdown file.",
)
def main(model_dir: Path, data: Path | None, out: Path) -> None:
    """Entry point."""
    try:
        encoders = load_encoders(model_dir)
        folds = folds_of(
            calibration_data(encoders, data or shared_data_dir(), Sources()), encoders.fusion.fuse
        )
        text = (
            as_markdown(measure_all(folds))
            + "\n\nEqual error rates of pairs of clips, in percent:\n\n"
            + eer_of_folds(folds)
        )
    except DuetError as error:
        raise click.ClickException(f"{error.message} {error.hint}".strip()) from error
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text + "\n", encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main()
