"""A first look at many codes: their products with a probe along a few directions.

The directions are those in which the vectors of the gallery differ most: the first
principal axes of some of them, about zero (K. Pearson, "On lines and planes of closest
fit to systems of points in space", 1901). A sketch is the vector along these and its
length beside them, one byte each, and takes a sixth of the memory and of the time of a
code. The product of two sketches is the most that the cosine can be, but for rounding:
what lies beside the directions adds the product of the lengths at most (A.-L. Cauchy and
H. Schwarz). So whoever has a product below the best cosine is not nearer. Of the others
among the nearest, `narrow` says by the codes that it has read how likely it is that one
is left out: docs/research/search.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numkong
import numpy as np
import numpy.typing as npt

from gallery.search.memory import with_room
from gallery.search.room import Room
from utils.arrays import BoolArray, Float32Array, IndexArray

SketchArray = npt.NDArray[np.int8]
ProductArray = npt.NDArray[np.int32]
Score = Callable[[IndexArray], Float32Array]
"""Cosines (n,) of the rows (n,) with the probe, by their codes."""

DIRECTIONS = 80
_STEPS = 127
_ROWS_AT_ONCE = 131_072
# Numkong takes so many rows as one: the sum of a row's products costs more than the products
_BYTES_AS_ONE = 256
_ROWS_TO_LEARN = 20_000

# Rows whose codes are read first, and from which the rest is measured
_FIRST = 1000
_LEAST_BAND = 500
# Of many candidates, about so many are put in order to find these
_TO_ORDER = 4000
# Pieces that tell what a share of the rows reaches, and the rows that are read of each
_SAMPLES = 32
_SAMPLE_ROWS = 128

# Deviations of the rest within which nobody is left out: one chance in three million a row
_DEVIATIONS = 5.0
# The same of somebody who is as like the probe beside the directions as along them
_DEVIATIONS_ALIKE = 1.0

# The same of rounding, which moves a number by 1 / sqrt(12) of a step: once for a code whose
# largest number is a half at most, twice for two sketches of one vector, whose errors add up
_ROUNDING = float(_DEVIATIONS * np.hypot(1, 2) / (_STEPS * np.sqrt(12)))

# Share of the vectors' square along the directions. Below, a scan of all codes is faster
_LEAST_ALONG = 0.62

# Share of the rows beyond which the scan of all codes is hardly slower
MOST = 0.1
_ROUNDS = 4
_OUT = np.iinfo(np.int32).min
_room = Room(_ROWS_AT_ONCE)


@dataclass(frozen=True)
class Probe:
    """The sketch of a vector, ready for products.

    Attributes:
        beside: its length beside the directions, in steps.
        share: how much of its square lies along them.
    """

    packed: numkong.PackedMatrix
    beside: int
    share: float


@dataclass(frozen=True)
class Candidates:
    """Rows (n,) whose codes may be read.

    Attributes:
        products: (n,) with a probe along the directions.
        most: (n,) that the products may be at most, with what lies beside.
    """

    rows: IndexArray
    products: ProductArray
    most: ProductArray


@dataclass(frozen=True)
class Sample:
    """Rows (n, directions) that stand for a table, and their lengths beside (n,).

    `places` (n,) says which of the rows they are.
    """

    places: IndexArray
    rows: SketchArray
    beside: SketchArray


@dataclass(frozen=True)
class Cut:
    """What about a share of the rows reach: `along` the directions, and at the `most`."""

    along: int
    most: int


class Sketches:
    """Sketches of the rows of one table of vectors, in the same order.

    Rows are only ever added behind those in use, so they may be read meanwhile.
    """

    def __init__(self, axes: Float32Array, room: int = 0) -> None:
        """Take the directions (size, n), and room for so many rows at first."""
        self._axes = axes
        self._as_one = max(1, _BYTES_AS_ONE // axes.shape[1])
        self._rows = with_room(room, axes.shape[1], np.dtype(np.int8))
        self._beside = with_room(room, 1, np.dtype(np.int8))  # apart: it is read in one piece
        self._used = 0
        # By how long the table is: a search finds them in one piece, though its caches are cold
        self._sampled: dict[int, Sample] = {}

    def __len__(self) -> int:
        return self._used

    def add(self, vectors: Float32Array) -> None:
        """Sketch further rows (n, size)."""
        self._append(*self._encode(vectors))

    def take(self, rows: BoolArray) -> Sketches:
        """Take the rows that are marked, in the same order, into a table of their own."""
        count = self._used  # rows may be added meanwhile
        used = rows[:count]
        taken = Sketches(self._axes, int(np.count_nonzero(rows)))
        taken._append(*(np.compress(used, part[:count], axis=0) for part in self._parts()))
        return taken

    def probe(self, vector: Float32Array) -> Probe:
        """Prepare a probe (size,)."""
        along = vector @ self._axes
        steps, beside = self._encode(vector[None])
        count = self._as_one
        columns = np.zeros((count, count, steps.shape[1]), np.int8)
        columns[range(count), range(count)] = steps  # each in a place of its own
        return Probe(
            packed=numkong.dots_pack(columns.reshape(count, -1), dtype="int8"),
            beside=int(beside[0, 0]),
            share=float(along @ along / max(vector @ vector, 1e-12)),
        )

    def multiply(self, probe: Probe, start: int, end: int, out: Any = None) -> ProductArray:
        """Products (end - start,) of rows with a probe along the directions.

        They lie in `out` where that is given.
        """
        count = end - start
        whole = -(-count // self._as_one) * self._as_one
        return self._multiply(self._rows[start : start + whole], probe, out)[:count]

    def most(
        self, along: ProductArray, probe: Probe, start: int, out: ProductArray | None = None
    ) -> ProductArray:
        """Products that the rows from one on reach at the most, with what lies beside.

        They lie in `out` where that is given.
        """
        beside = self._beside[start : start + len(along), 0]
        return _add_beside(along, beside, probe, None if out is None else out[: len(along)])

    def candidates(self, probe: Probe, where: BoolArray, cut: Cut, part: slice) -> Candidates:
        """Take the rows of a part, among those where `where` (n,) is true, from a cut on."""
        parts = []
        for start in range(part.start, part.stop, _ROWS_AT_ONCE):
            end = min(start + _ROWS_AT_ONCE, part.stop)
            along = self.multiply(probe, start, end, _room.along)
            most = self.most(along, probe, start, _room.most)
            above = np.flatnonzero(_room.either((along, cut.along), (most, cut.most)))
            above = above[where[start + above]]
            parts.append(Candidates(above + start, along[above], most[above]))
        return join(parts)

    def cut(self, probe: Probe, where: BoolArray, share: float) -> Cut | None:
        """Tell from a sample what about a share of the rows reach. None where fewer count."""
        sample = self._sample(len(where))
        along = self._multiply(sample.rows, probe)
        most = _add_beside(along, sample.beside, probe)
        both = np.where(where[sample.places], np.stack([along, most]), _OUT)
        place = max(1, int(share * len(sample.places)))
        along, highest = np.partition(both, -place, axis=1)[:, -place].tolist()
        return None if along == _OUT else Cut(along, highest)

    def _sample(self, count: int) -> Sample:
        """Take rows that stand for the first `count`. They stay until there are more."""
        sample = self._sampled.get(count)
        if sample is None:
            places = _sample_places(count)
            places = places[: len(places) // self._as_one * self._as_one]
            sample = Sample(places, self._rows[places], self._beside[places, 0])
            self._sampled = {count: sample}
        return sample

    def _multiply(self, rows: SketchArray, probe: Probe, out: Any = None) -> ProductArray:
        """Products (n,) of rows with a probe along the directions. `_as_one` divides n."""
        together = rows.reshape(len(rows) // self._as_one, -1)
        if out is not None:
            out = out[: len(rows)].reshape(len(together), self._as_one)
        return np.asarray(numkong.dots_packed(together, probe.packed, out=out)).ravel()

    def _parts(self) -> tuple[SketchArray, SketchArray]:
        return self._rows, self._beside

    def _append(self, rows: SketchArray, beside: SketchArray) -> None:
        """Put rows behind those in use. Empty ones stay behind them, for `multiply`."""
        need = self._used + len(rows)
        if need + self._as_one > len(self._rows):
            self._rows, self._beside = (self._larger(part, need) for part in self._parts())
        self._rows[self._used : need] = rows
        self._beside[self._used : need] = beside
        self._used = need

    def _larger(self, part: SketchArray, need: int) -> SketchArray:
        larger: SketchArray = with_room(need, part.shape[1], part.dtype)
        larger[: self._used] = part[: self._used]
        return larger

    def _encode(self, vectors: Float32Array) -> tuple[SketchArray, SketchArray]:
        """Steps along the directions (n, directions), and of the lengths beside them (n, 1)."""
        along = vectors @ self._axes
        squares = np.einsum("ij,ij->i", vectors, vectors) - np.einsum("ij,ij->i", along, along)
        beside = np.sqrt(np.maximum(squares, 0))[:, None]
        steps = np.rint(np.clip(along, -1, 1) * _STEPS).astype(np.int8)
        # Up to the next step: it is the most that may be
        return steps, np.ceil(np.minimum(beside, 1) * _STEPS).astype(np.int8)


def _add_beside(
    along: ProductArray, beside: SketchArray, probe: Probe, out: ProductArray | None = None
) -> ProductArray:
    """What products are at the most, with what lies beside."""
    most: ProductArray = np.multiply(beside, np.int32(probe.beside), out=out, dtype=np.int32)
    most += along
    return most


def _sample_places(count: int) -> IndexArray:
    """Rows of a table of `count` that stand for all: pieces of it, which are read faster."""
    starts = np.linspace(0, max(0, count - _SAMPLE_ROWS), _SAMPLES).astype(np.intp)
    places: IndexArray = starts[:, None] + np.arange(_SAMPLE_ROWS)
    return np.minimum(places, count - 1).ravel()


def are_many(count: int, rows: int) -> bool:
    """Whether so many of the rows count that it is faster to read all codes than these alone."""
    return count >= MOST * rows


def learn(some: Float32Array, room: int) -> Sketches | None:
    """Learn from some vectors (n, size) how to sketch all. None where it would not pay."""
    axes = learn_axes(some)
    along = some @ axes
    held = float(np.vdot(along, along)) >= _LEAST_ALONG * float(np.vdot(some, some))
    return Sketches(axes, room) if held else None


def learn_axes(some: Float32Array) -> Float32Array:
    """Learn the directions (size, `DIRECTIONS` at most) from some vectors (n, size)."""
    _, axes = np.linalg.eigh(some.T @ some)
    return np.ascontiguousarray(axes[:, ::-1][:, :DIRECTIONS], np.float32)


def sample_rows(count: int) -> IndexArray:
    """Rows of a table of `count` from which the directions are learned."""
    return np.arange(0, count, max(1, count // _ROWS_TO_LEARN))


def join(parts: Iterable[Candidates]) -> Candidates:
    """Join parts of a table, in their order."""
    parts = list(parts)
    return Candidates(
        rows=np.concatenate([part.rows for part in parts]),
        products=np.concatenate([part.products for part in parts]),
        most=np.concatenate([part.most for part in parts]),
    )


def narrow(
    candidates: Candidates, cut: Cut, share: float, score: Score, *, nearest: int
) -> tuple[IndexArray, Float32Array] | None:
    """Find the nearest row and all that are likely to be among the nearest, by code.

    The codes are read from the highest product downwards, until the rest of those that
    were read last could lift nobody among the `nearest`. Then those are read who may be
    nearer than the best.

    Args:
        candidates: the rows from `cut` on.
        share: of the probe's square along the directions.
        score: reads codes.
        nearest: how many are looked for.

    Returns:
        Rows (m,) in no order, and their cosines. None where more than the candidates
        would have to be read.
    """
    products = candidates.products
    if not len(products):
        return None
    lowest = max(_first(products), cut.along)
    read = np.flatnonzero(products >= lowest)
    if len(read) < nearest:
        return None
    cosines = score(candidates.rows[read])
    if cut.most > _least_to_read(cosines):  # whoever is no candidate reaches less than that
        return None
    for _ in range(_ROUNDS):
        least = float(np.partition(cosines, -nearest)[-nearest])
        needed = _lowest(products[read], cosines, least, share)
        if lowest <= needed:
            return _read_best(candidates, read, cosines, lowest, score=score)
        if needed < cut.along:
            return None
        more = np.flatnonzero((products >= needed) & (products < lowest))
        lowest = needed
        read = np.concatenate([read, more])
        cosines = np.concatenate([cosines, score(candidates.rows[more])])
    return None


def _first(products: ProductArray) -> int:
    """The product that about `_FIRST` rows reach, by some of them where there are many."""
    step = max(1, len(products) // _TO_ORDER)
    some = products[::step]
    place = min(len(some), max(1, _FIRST // step))
    return int(np.partition(some, -place)[-place])


def _read_best(
    candidates: Candidates, read: IndexArray, cosines: Float32Array, lowest: int, *, score: Score
) -> tuple[IndexArray, Float32Array]:
    """Read who may be nearer than the best, below the product `lowest`."""
    may_be = candidates.most >= _least_to_read(cosines)
    more = np.flatnonzero(may_be & (candidates.products < lowest))
    rows = candidates.rows[np.concatenate([read, more])]
    return rows, np.concatenate([cosines, score(candidates.rows[more])])


def _least_to_read(cosines: Float32Array) -> int:
    """What somebody's product must be at the most, to be nearer than the best of these."""
    return _to_product(float(cosines.max()) - _ROUNDING)


def _lowest(products: ProductArray, cosines: Float32Array, least: float, share: float) -> int:
    """The product from which on a row may reach the cosine `least`, by all likelihood.

    The rest is measured on the rows of the lowest products.
    """
    along = products / _STEPS**2
    count = min(len(products), max(_LEAST_BAND, len(products) // 4))
    lowest = np.argpartition(products, count - 1)[:count]
    rest = cosines[lowest] - along[lowest]
    deviation = float(rest.std())
    of_anybody = least - float(rest.mean()) - _DEVIATIONS * deviation
    of_alike = least * share - _DEVIATIONS_ALIKE * deviation
    return _to_product(min(of_anybody, of_alike))


def _to_product(cosine: float) -> int:
    return int(np.floor(cosine * _STEPS**2))
