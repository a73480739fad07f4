"""False matches within groups of people: by group, age and gender of labelled faces.

`cli.py evaluate bias` prints it. The faces are single pictures of different people, so
only mistakes between people can be measured, not how often a person is missed. Pairs
are taken within each class, as people who resemble each other most are of one class.

Two rules are compared: one cosine for everybody, and what serves, where each probe's
nearest strangers of the cohort and the other people of the gallery move the threshold
(`scoring/norms.py`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from network.serving.encoder import FaceEncoder
from scoring.calibration import Calibration, fmr_for_fpir
from train.calibration.galleries import bare_strengths, strengths
from train.data.crops import decode_crop
from train.data.datasets import Item, Listing
from train.data.embed import embed_crops
from train.data.photos import Align
from train.data.tables import Table
from utils.arrays import BoolArray, Float32Array, Float64Array, ImageArray
from utils.errors import DatasetError

COLUMNS = ("path", "age", "gender", "group")
# First year of each band of ages.
AGES = {"under 13": 0, "13 to 19": 13, "20 to 39": 20, "40 to 59": 40, "60 and over": 60}
# Faces of a class, at most and at least. Pairs grow with the square.
MOST = 1500
FEWEST = 80
# Of the bootstrap.
REPLICATES = 200
# Entries of a gallery, and how many are drawn.
ENTRIES = 50
DRAWS = 20
# Grey around a crop when a face is looked for in it, in px.
MARGIN_PX = 56
Places = npt.NDArray[np.int64]
HEADS = (
    "faces",
    "faces not found, %",
    "cosine: mean",
    "99 % below",
    "FMR, one cosine, %",
    "FMR, served, %",
    f"FPIR, {ENTRIES} enrolled, %",
)


@dataclass(frozen=True)
class Faces:
    """n faces of different people.

    Attributes:
        vectors: (n, 512) float32 embeddings of unit length.
        detected: (n,) whether the detector finds the face in its crop.
        classes: n names by what they are about, such as "gender".
    """

    vectors: Float32Array
    detected: BoolArray
    classes: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Row:
    """A line of the table. Rates are fractions, intervals 95 %.

    Attributes:
        name: The class.
        faces: How many.
        not_found: Share of them that the detector does not find.
        mean, high: Mean and 99th percentile of the cosines of its pairs.
        by_cosine, served: Rates of false matches, each with its interval.
        fpir: Share of strangers of the class who get a name in a gallery of it, NaN
            where it has too few faces.
    """

    name: str
    faces: int
    not_found: float
    mean: float
    high: float
    by_cosine: tuple[float, float, float]
    served: tuple[float, float, float]
    fpir: float


@dataclass(frozen=True)
class Decider:
    """Decides who matches, at the stated rate `fmr`."""

    calibration: Calibration
    fmr: float

    def by_cosine(self, cosines: Float32Array) -> BoolArray:
        """Whether cosines (n, m) reach the one threshold of bare cosines."""
        threshold, _ = (self.calibration.cosine or self.calibration).pair_threshold(self.fmr)
        return np.asarray(cosines >= threshold)

    def one_to_one(self, bare: Float64Array) -> BoolArray:
        """Whether bare strengths (n, m) match in comparisons without a gallery.

        Without one nothing is known of the place, so what those that were measured need is
        taken off, as `verify` does.
        """
        threshold, _ = self.calibration.pair_threshold(self.fmr)
        return np.asarray(bare - self.calibration.norm.deduction() >= threshold)

    def in_gallery(self, bare: Float64Array) -> BoolArray:
        """Whether probes get a name in a gallery: (p, N) bare strengths give (p,)."""
        strongest = strengths(bare, self.calibration.norm).max(axis=1)
        threshold, _ = self.calibration.threshold(fmr_for_fpir(self.fmr, bare.shape[1]))
        return np.asarray(strongest >= threshold)


def read_faces(source: Path, encoder: FaceEncoder, align: Align) -> Faces:
    """Embed labelled crops, and look for the face in each.

    Args:
        source: A CSV with the columns path, age, gender and group, whose crops lie in a
            zip archive of the same name.
        encoder: Embeds them.
        align: Finds the face of a photograph.

    Raises:
        DatasetError: The CSV or a crop cannot be read, or a column is missing.
    """
    rows = _read_rows(source)
    listing = Listing(source.with_suffix(".zip"), tuple(Item(row["path"], "") for row in rows))
    crops = [
        decode_crop(data, item.path)
        for data, item in zip(listing.read_all(), listing.items, strict=True)
    ]
    return Faces(
        vectors=embed_crops(encoder, crops),
        detected=np.array([align(pad(crop)) is not None for crop in crops]),
        classes={
            "group": [row["group"] for row in rows],
            "age": [_age_band(int(row["age"])) for row in rows],
            "gender": [row["gender"] for row in rows],
            "group and gender": [f"{row['group']}, {row['gender']}" for row in rows],
        },
    )


def measure_bias(faces: Faces, calibration: Calibration, fmr: float) -> list[Row]:
    """Measure everybody and each class of at least `FEWEST` faces.

    `fmr` in (0, 1) is the stated rate of false matches.
    """
    rng = np.random.default_rng(0)
    measure = partial(_row, faces, Decider(calibration, fmr))
    rows = [measure("everybody", rng.permutation(len(faces.vectors)))]
    for classes in faces.classes.values():
        names = np.array(classes)
        for name in _in_order(names):
            members = rng.permutation(np.flatnonzero(names == name))
            if len(members) >= FEWEST:
                rows.append(measure(name, members))
    return rows


def as_markdown(rows: Sequence[Row], fmr: float) -> str:
    """Format the table."""
    lines = [f"| class | {' | '.join(HEADS)} |", "|" + "---|" * (len(HEADS) + 1)]
    lines += [f"| {' | '.join(_cells(row))} |" for row in rows]
    served = [100 * row.served[0] for row in rows[1:]]
    fixed = [100 * row.by_cosine[0] for row in rows[1:]]
    spread = (
        f"Stated: {100 * fmr:g} %. Of the classes, from the lowest to the highest rate:"
        f" one cosine {min(fixed):.2f} to {max(fixed):.2f} %,"
        f" served {min(served):.2f} to {max(served):.2f} %."
    )
    return "\n".join([*lines, "", spread])


def pad(crop: ImageArray) -> ImageArray:
    """A crop with a grey margin, as detectors need room around a face."""
    sides = ((MARGIN_PX, MARGIN_PX), (MARGIN_PX, MARGIN_PX), (0, 0))
    return np.pad(crop, sides, constant_values=127)


def _read_rows(source: Path) -> list[dict[str, str]]:
    try:
        text = source.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"Labels of faces must be a readable CSV. Received: {source.name}"
            f" ({type(error).__name__})"
        ) from error
    rows = list(csv.DictReader(io.StringIO(text)))
    if not rows or not set(COLUMNS) <= set(rows[0]):
        raise DatasetError(
            f"Labels of faces need the columns {', '.join(COLUMNS)}. Received:"
            f" {', '.join(rows[0]) if rows else 'no rows'}"
        )
    for row in rows:
        if not row["age"].isdigit():
            raise DatasetError(f"Ages must be whole numbers. Received: {row['age']!r}")
    return rows


def _row(faces: Faces, decider: Decider, name: str, members: Places) -> Row:
    vectors = faces.vectors[members[:MOST]]
    cosines = vectors @ vectors.T
    pairs = cosines[~np.eye(len(vectors), dtype=bool)]
    bare = bare_strengths(_table_of(vectors), vectors, decider.calibration.norm)
    return Row(
        name=name,
        faces=len(members),
        not_found=float(1 - faces.detected[members].mean()),
        mean=float(pairs.mean()),
        high=float(np.quantile(pairs, 0.99)),
        by_cosine=_rate(decider.by_cosine(cosines)),
        served=_rate(decider.one_to_one(bare)),
        fpir=_fpir(bare, decider),
    )


def _rate(accepted: BoolArray) -> tuple[float, float, float]:
    """Rate over all pairs of different faces, and its interval by bootstrap over faces."""
    matches = accepted.astype(np.float32)
    np.fill_diagonal(matches, 0)
    count = len(matches)
    rng = np.random.default_rng(1)
    weights = rng.multinomial(count, np.full(count, 1 / count), REPLICATES).astype(np.float32)
    pairs = weights.sum(axis=1) ** 2 - np.square(weights).sum(axis=1)
    rates = np.einsum("rn,rn->r", weights @ matches, weights) / pairs
    low, high = np.quantile(rates, [0.025, 0.975])
    return float(matches.sum() / (count * (count - 1))), float(low), float(high)


def _fpir(bare: Float64Array, decider: Decider) -> float:
    """Strangers who get a name in galleries of `ENTRIES` faces of the same class."""
    if len(bare) < 2 * ENTRIES:
        return float("nan")
    named = []
    for number in range(DRAWS):
        order = np.random.default_rng([2, number]).permutation(len(bare))
        gallery = bare[order[ENTRIES:]][:, order[:ENTRIES]]
        named.append(decider.in_gallery(gallery).mean())
    return float(np.mean(named))


def _table_of(vectors: Float32Array) -> Table:
    """A table in which every vector is another person."""
    numbers = np.arange(len(vectors))
    return Table(
        vectors=vectors,
        person=numbers,
        file=numbers,
        condition=np.zeros(len(vectors), np.int64),
        names=tuple(map(str, numbers)),
        conditions=("clean",),
        seconds=np.zeros(len(vectors), np.float32),
        quality=np.ones((len(vectors), 1), np.float32),
    )


def _age_band(years: int) -> str:
    return [name for name, start in AGES.items() if years >= start][-1]


def _in_order(names: npt.NDArray[np.str_]) -> list[str]:
    """The distinct names: ages from young to old, others by the alphabet."""
    distinct = sorted(set(names.tolist()))
    return [name for name in AGES if name in distinct] or distinct


def _cells(row: Row) -> list[str]:
    return [
        row.name,
        str(row.faces),
        f"{100 * row.not_found:.1f}",
        f"{row.mean:.3f}",
        f"{row.high:.3f}",
        _format_rate(row.by_cosine),
        _format_rate(row.served),
        "-" if np.isnan(row.fpir) else f"{100 * row.fpir:.2f}",
    ]


def _format_rate(rate: tuple[float, float, float]) -> str:
    value, low, high = (100 * part for part in rate)
    return f"{value:.2f} ({low:.2f} to {high:.2f})"
