"""Stated against measured rates of the whole open-set decision, on held-out people.

`cli.py evaluate open-set` prints it. Thresholds follow from the stated FPIR and the
number N of people enrolled, as in the service. The measure is two-fold: the people are
halved at random; cohort (but for voices of other data sets) and numbers, calibration
and thresholds come from one half and are measured on the other, both ways.

N people are enrolled with one clean clip each. Their other clips and those of everybody
else in the half (the strangers) are the probes, clean or degraded. This is repeated
with random choices of who is enrolled. Where a half has too few people for N, some are
entered several times, each time with another clip. A stranger is then set against N
different clips of fewer people (marked in the table), and misses count for people with
one entry only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from scoring.calibration import Calibration, fmr_for_fpir
from train.calibration.fit import fit_people
from train.calibration.galleries import (
    KINDS,
    Arena,
    Fold,
    Gallery,
    best_entries,
    groups,
    strengths,
)
from train.calibration.people import People
from utils.arrays import BoolArray
from utils.modality import Modality

DRAWS = 20
SEED = 5
SIZES = (1, 3, 5, 10, 20, 50, 100, 300)
FPIRS = (0.01, 0.05)
# People of a half who stay out, at least.
STRANGERS = 12
# Within which stated and measured are to agree.
FACTOR = 2.0
# Of the bootstrap.
REPLICATES = 400


@dataclass(frozen=True)
class Setting:
    """What a line is measured in.

    Attributes:
        modality: What is compared.
        condition: Condition of the probes.
        size: Entries of a gallery.
        kind: Number of groups of similar people, in which galleries and strangers are
            chosen. 1 for everybody.
    """

    modality: Modality
    condition: str
    size: int
    kind: int = 1


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        setting: What it was measured in.
        people: Different people enrolled.
        stated: FPIR stated.
        fpir: FPIR measured.
        low, high: Its 95 % interval over strangers.
        fnir: Misses, NaN where nobody has one entry only.
        strangers: How many strangers there were.
    """

    setting: Setting
    people: int
    stated: float
    fpir: float
    low: float
    high: float
    fnir: float
    strangers: int

    @property
    def agrees(self) -> bool:
        """Whether stated and measured agree within `FACTOR`."""
        return self.stated / FACTOR <= self.fpir <= self.stated * FACTOR

    @property
    def may_agree(self) -> bool:
        """Whether the interval allows that they agree."""
        return self.low <= self.stated * FACTOR and self.high >= self.stated / FACTOR


@dataclass(frozen=True)
class Count:
    """Decisions about the probes of one gallery.

    Attributes:
        named: (p,) whether the probe was given a name.
        right: (p,) whether that was right.
        owner: (p,) whose it is.
        stranger: (p,) whether it is of nobody enrolled.
        counted: (p,) whether misses are counted on it.
        people: How many different people were enrolled.
    """

    named: BoolArray
    right: BoolArray
    owner: npt.NDArray[np.int64]
    stranger: BoolArray
    counted: BoolArray
    people: int


def decide(gallery: Gallery, calibration: Calibration) -> dict[float, Count]:
    """Decide about a gallery's probes by one modality, by stated FPIR."""
    scores = strengths(gallery.bare, calibration.norm)
    places = best_entries(scores)
    highest = scores[places]
    right = gallery.enrolled[places[1]] == gallery.owner
    counted = np.isin(gallery.owner, gallery.enrolled[gallery.alone])
    people = len(np.unique(gallery.enrolled))
    counts = {}
    for stated in FPIRS:
        named = highest >= calibration.threshold(fmr_for_fpir(stated, scores.shape[1]))[0]
        counts[stated] = Count(
            named=named,
            right=named & right,
            owner=gallery.owner,
            stranger=gallery.strangers,
            counted=counted,
            people=people,
        )
    return counts


def measure(arenas: Sequence[tuple[Arena, Calibration]], setting: Setting) -> list[Row]:
    """Measure both halves, each under the calibration of the other, for `FPIRS`.

    There is no line where the groups are too small.
    """
    counts: list[dict[float, Count]] = []
    for arena, calibration in arenas:
        galleries = _draw_galleries(arena, setting)
        counts += [decide(gallery, calibration) for gallery in galleries]
    rows: list[Row] = []
    for stated in FPIRS if counts else ():
        of_galleries = [count[stated] for count in counts]
        rows.append(_row_of(of_galleries, setting, stated))
    return rows


def _draw_galleries(arena: Arena, setting: Setting) -> Iterator[Gallery]:
    for people in groups(arena.fold.table, (setting.kind,))[setting.kind]:
        if setting.kind > 1 and len(people) < setting.size + STRANGERS:
            continue
        for number in range(DRAWS):
            yield arena.draw(
                setting.size,
                np.random.default_rng([SEED, number]),
                condition=setting.condition,
                members=people,
                strangers=STRANGERS,
            )


def _row_of(counts: Sequence[Count], setting: Setting, stated: float) -> Row:
    """Means over galleries. The interval is a bootstrap over strangers."""
    stranger = np.concatenate([count.stranger for count in counts])
    named = np.concatenate([count.named for count in counts])[stranger]
    owner = np.concatenate([count.owner for count in counts])[stranger]
    halves = [np.full(len(count.owner), number // DRAWS) for number, count in enumerate(counts)]
    # Numbers of people begin anew in pseudo-persons of each half.
    identity = owner * (len(counts) // DRAWS + 1) + np.concatenate(halves)[stranger]
    counted = np.concatenate([count.counted for count in counts])
    right = np.concatenate([count.right for count in counts])[counted]
    low, high = _interval(named, identity)
    return Row(
        setting=setting,
        people=counts[0].people,
        stated=stated,
        fpir=float(named.mean()),
        low=low,
        high=high,
        fnir=float(1 - right.mean()) if len(right) else np.nan,
        strangers=len(np.unique(identity)),
    )


def _interval(named: BoolArray, identity: npt.NDArray[np.int64]) -> tuple[float, float]:
    people, codes = np.unique(identity, return_inverse=True)
    hits = np.bincount(codes, named)
    probes = np.bincount(codes)
    drawn = np.random.default_rng(SEED).integers(len(people), size=(REPLICATES, len(people)))
    low, high = np.quantile(hits[drawn].sum(axis=1) / probes[drawn].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


def measure_all(people: Mapping[Modality, People]) -> list[Row]:
    """Measure all lines.

    Face, voice and fused, clean and degraded, and clean ones of people who resemble
    each other.
    """
    rows: list[Row] = []
    for modality, part in people.items():
        arenas = cross_halves(part.folds, part)
        for setting in _settings(modality, part.folds[0]):
            rows += measure(arenas, setting)
    return rows


def _settings(modality: Modality, fold: Fold) -> Iterator[Setting]:
    for condition in fold.table.conditions:
        for size in SIZES:
            yield Setting(modality=modality, condition=condition, size=size)
    for kind in KINDS[1:]:
        for size in SIZES:
            yield Setting(modality=modality, condition=fold.clean, size=size, kind=kind)


def cross_halves(
    both: Sequence[Fold], alike: People | None = None
) -> list[tuple[Arena, Calibration]]:
    """Each half with the calibration of the other one.

    The calibrations also have the places and sources of `alike`.
    """
    calibrations = []
    for fold in both:
        people = People((fold,), fold.cohort)
        if alike:
            people = replace(
                people,
                places=_against(fold, alike.places),
                sources=_against(fold, alike.sources),
            )
        calibrations.append(fit_people(people))
    return [
        (Arena(both[half], calibrations[1 - half].norm), calibrations[1 - half]) for half in (0, 1)
    ]


def _against(fold: Fold, groups: Sequence[Fold]) -> tuple[Fold, ...]:
    """The same people, set against the cohort of a half."""
    return tuple(replace(group, cohort=fold.cohort) for group in groups)


def as_markdown(rows: Sequence[Row]) -> str:
    """Format a table, rates in percent, and how much of it agrees."""
    lines = [
        "| modality | probe | N | FPIR stated | FPIR measured (95 %) | FNIR | strangers |",
        "|" + "---|" * 7,
        *(_format_row(row) for row in rows),
    ]
    single = [row for row in rows if row.people == row.setting.size]
    lines += ["", _format_agreement("all lines", rows)]
    lines += ["", _format_agreement("lines with as many people as entries", single)]
    return "\n".join(lines)


def _format_row(row: Row) -> str:
    setting = row.setting
    probe = setting.condition
    if setting.kind > 1:
        probe = f"clean, 1 of {setting.kind} groups"
    size = f"{setting.size}"
    if row.people != setting.size:
        size = f"{setting.size} ({row.people} people)"
    measured = f"{100 * row.fpir:.2f} ({100 * row.low:.2f} to {100 * row.high:.2f})"
    fnir = "-" if np.isnan(row.fnir) else f"{100 * row.fnir:.1f}"
    return (
        f"| {setting.modality} | {probe} | {size} | {100 * row.stated:g} | {measured} | {fnir} |"
        f" {row.strangers} |"
    )


def _format_agreement(name: str, rows: Sequence[Row]) -> str:
    agree = sum(row.agrees for row in rows)
    allowed = sum(row.may_agree for row in rows)
    higher = sum(row.fpir > row.stated * FACTOR for row in rows)
    return (
        f"Of {name}, {len(rows)}: measured within a factor of {FACTOR:g} of stated {agree},"
        f" the interval allows it {allowed}, higher {higher}."
    )
