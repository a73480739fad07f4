"""Whom the search of many people misses, and how long it takes.

It is the search of codes alone (`gallery/search/codes.py`), without a database: so ten
million people need no disk. A third of the probes are people of the gallery at a cosine of
about 0.6, a third are people at one of 0.25 to 0.6, a third are strangers. Each search is
compared with the exact products of the probe and all vectors. "Best missed": somebody who
was left out is nearer than all who were found. "Of 50 missed": nearer than the fiftieth of
them, the last one that a decision looks at. Intervals hold 95 % (C. Clopper and E. Pearson,
1934).

Vectors are those of `bench gallery`: random, or with --crops or --voices mixtures of two
real ones with noise, up to the number of people.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

import click
import numpy as np
from scipy.stats import beta

from bench.crowds import AT_ONCE, NOISE, RANDOM, Crowd, Piece, embed_real
from gallery.search import codes
from gallery.search.codes import SURE, CodeArray, decode, encode, find_rows
from gallery.search.memory import with_room
from gallery.search.sketch import Sketches, learn, sample_rows
from utils.arrays import Float32Array, IndexArray, unit
from utils.modality import Modality
from utils.path_option import PathOption

PROBES_AT_ONCE = 1000
# Pieces of `AT_ONCE` vectors that are kept between two uses: 0.4 GB
HELD_PIECES = 40
FARTHEST = 3.9
ARCHIVE = PathOption(path_type=Path, dir_okay=False, exists=True)


@dataclass
class Tally:
    """What the searches so far found and took."""

    probes: int = 0
    best_missed: int = 0
    some_missed: int = 0
    scanned: int = 0
    wall_ms: list[float] = field(default_factory=list)
    work_ms: list[float] = field(default_factory=list)


def probe_of(piece: Piece, people: int, number: int) -> Float32Array:
    """A probe (512,): somebody near, somebody less near, or a stranger, in turn."""
    rng = np.random.default_rng([9, number])
    person = int(rng.integers(people))
    others = piece(AT_ONCE * int(rng.integers(10**6, 10**6 + HELD_PIECES // 4)))
    stranger, away = others[rng.integers(AT_ONCE, size=2)]
    if number % 3 == 2:
        return np.asarray(stranger, np.float32)
    own = piece(person // AT_ONCE * AT_ONCE)[person % AT_ONCE]
    level = NOISE if number % 3 == 0 else rng.uniform(NOISE, FARTHEST)
    return np.asarray(unit(own + np.float32(level) * away), np.float32)


def build(piece: Piece, people: int) -> tuple[CodeArray, Sketches | None]:
    """Encode and sketch everybody, as the index does."""
    table = with_room(people, encode(piece(0)[:1]).shape[1], np.dtype(np.int8))[:people]
    for first in range(0, people, AT_ONCE):
        table[first : first + AT_ONCE] = encode(piece(first)[: people - first])
    sketches = learn(decode(table[sample_rows(people)]), people)
    if sketches is not None:
        for first in range(0, people, AT_ONCE):
            sketches.add(decode(table[first : first + AT_ONCE]))
    return table, sketches


def search(
    table: CodeArray, sketches: Sketches | None, probes: Float32Array, tally: Tally
) -> list[IndexArray]:
    """Search each of the probes. Returns the rows found."""
    everybody = np.ones(len(table), np.bool_)
    rows = []
    for probe in probes:
        started = time.perf_counter()
        before = time.process_time()
        rows.append(find_rows(table, everybody, probe, sketches))
        tally.work_ms.append(1000 * (time.process_time() - before))
        tally.wall_ms.append(1000 * (time.perf_counter() - started))
    return rows


def compare(
    piece: Piece, people: int, probes: Float32Array, nearest: Sequence[IndexArray]
) -> tuple[int, int]:
    """Compare with everybody. Returns how often the best, and one of the 50, was missed."""
    best_left = np.full(len(probes), -np.inf, np.float32)
    seen: list[list[float]] = [[] for _ in probes]
    owners = np.repeat(np.arange(len(probes)), [len(rows) for rows in nearest])
    rows = np.concatenate(nearest)
    for first in range(0, people, AT_ONCE):
        scores = piece(first)[: people - first] @ probes.T
        here = (rows >= first) & (rows < first + AT_ONCE)
        places = (rows[here] - first, owners[here])
        for owner, score in zip(places[1].tolist(), scores[places].tolist(), strict=True):
            seen[owner].append(score)
        scores[places] = -np.inf
        best_left = np.maximum(best_left, scores.max(axis=0))
    ranked = [sorted(scores, reverse=True) for scores in seen]
    best = sum(left > scores[0] for left, scores in zip(best_left, ranked, strict=True))
    some = sum(left > scores[SURE - 1] for left, scores in zip(best_left, ranked, strict=True))
    return int(best), int(some)


def count_scans(tally: Tally) -> Callable[..., object]:
    """Count the searches that read every code."""
    scan = codes._scan

    def count_scan(*arguments: object) -> object:
        tally.scanned += 1
        return scan(*arguments)  # type: ignore[arg-type]

    return count_scan


def most(events: int, trials: int) -> float:
    """The upper end of the interval of a share."""
    return float(beta.ppf(0.975, events + 1, max(trials - events, 1)))


def print_row(kind: str, people: int, tally: Tally) -> None:
    """Print what the searches so far found and took."""
    shares = (
        f"{events} (≤ {100 * most(events, tally.probes):.4f} %)"
        for events in (tally.best_missed, tally.some_missed)
    )
    print(
        f"| {kind} | {people:,} | {tally.probes:,} | {' | '.join(shares)} | {tally.scanned} |"
        f" {np.median(tally.wall_ms):.1f} | {np.quantile(tally.wall_ms, 0.99):.1f} |"
        f" {np.median(tally.work_ms):.1f} | {min(tally.work_ms):.1f} |",
        flush=True,
    )


@click.command(help=__doc__)
@click.option("--people", default=200_000, show_default=True, help="People in the gallery.")
@click.option("--probes", default=3000, show_default=True, help="Searches.")
@click.option("--crops", type=ARCHIVE, help="Archive of faces, to mix people of.")
@click.option("--voices", type=ARCHIVE, help="Archive of voices, in the place of faces.")
@click.option("--model", type=PathOption(path_type=Path), help="Network.  [default: as shipped]")
def main(
    people: int, probes: int, *, crops: Path | None, voices: Path | None, model: Path | None
) -> None:
    """Print a row for each part of the searches, each of all until then."""
    modality = Modality.VOICE if voices else Modality.FACE
    archive = voices or crops
    crowd = Crowd({modality: embed_real(modality, archive, model)}) if archive else RANDOM
    piece = lru_cache(HELD_PIECES + HELD_PIECES // 4)(partial(crowd.piece, modality))
    table, sketches = build(piece, people)
    tally = Tally()
    codes._scan = count_scans(tally)  # type: ignore[assignment]
    print(
        "| vectors | people | probes | best missed | of 50 missed | scanned | p50 ms | p99 ms |"
        " processor ms | best |"
    )
    print("|" + "---|" * 10)
    for first in range(0, probes, PROBES_AT_ONCE):
        numbers = range(first, min(first + PROBES_AT_ONCE, probes))
        asked = np.stack([probe_of(piece, people, number) for number in numbers])
        nearest = search(table, sketches, asked, tally)
        best, some = compare(piece, people, asked, nearest)
        tally.probes += len(asked)
        tally.best_missed += best
        tally.some_missed += some
        print_row(f"mixtures of {modality}s" if archive else "random", people, tally)


if __name__ == "__main__":
    main()
