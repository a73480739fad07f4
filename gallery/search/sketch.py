"""A first look at many codes: their products with a probe along a few directions.

The directions are those in which the vectors of the gallery differ most: the first
principal axes of some of them, about zero (K. Pearson, "On lines and planes of closest
fit to systems of points in space", 1901). A sketch is the vector along these, one byte
each, and takes a fifth of the memory and a third of the time of a code. What it leaves out of
a cosine, the rest, is nearly normal among people who are not alike, with a deviation of
about 0.023. `narrow` reads the codes of the rows whose rest may lift them among the
nearest, and measures the rest on those that it has read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numkong
import numpy as np
import numpy.typing as npt

from utils.arrays import BoolArray, Float32Array, IndexArray

SketchArray = npt.NDArray[np.int8]
ProductArray = npt.NDArray[np.int32]
Score = Callable[[IndexArray], Float32Array]
"""Cosines (n,) of the rows (n,) with the probe, by their codes."""

DIRECTIONS = 96
_STEPS = 127
_ROWS_AT_ONCE = 8192
_ROWS_TO_LEARN = 20_000

# Rows whose codes are read first, and from which the rest is measured
_FIRST = 2000
_LEAST_BAND = 500
_SAMPLE_STEP = 64

# Deviations of the rest within which nobody is left out: one chance in three million a row
_DEVIATIONS = 5.0

# Share of the rows beyond which the scan of all codes is faster
MOST = 0.2
_ROUNDS = 4
_OUT = np.iinfo(np.int32).min


@dataclass(frozen=True)
class Probe:
    """A vector along the directions, ready for products.

    `share` is how much of its square lies along them.
    """

    packed: numkong.PackedMatrix
    share: float


class Sketches:
    """Sketches of the rows of one table of vectors, in the same order."""

    def __init__(self, some: Float32Array) -> None:
        """Learn the directions from some vectors (n, size) of the table."""
        _, axes = np.linalg.eigh(some.T @ some)
        self._axes = np.ascontiguousarray(axes[:, ::-1][:, :DIRECTIONS], np.float32)
        self._rows = np.zeros((0, self._axes.shape[1]), np.int8)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    def add(self, vectors: Float32Array) -> None:
        """Sketch further rows (n, size)."""
        need = self._used + len(vectors)
        if need > len(self._rows):
            larger = np.zeros((need + need // 8, self._rows.shape[1]), np.int8)
            larger[: self._used] = self._rows[: self._used]
            self._rows = larger
        self._rows[self._used : need] = self._encode(vectors)
        self._used = need

    def probe(self, vector: Float32Array) -> Probe:
        """Prepare a probe (size,)."""
        along = vector @ self._axes
        return Probe(
            packed=numkong.dots_pack(self._encode(vector[None]), dtype="int8"),
            share=float(along @ along / max(vector @ vector, 1e-12)),
        )

    def multiply(self, probe: Probe, out: ProductArray, first: int) -> None:
        """Write the products of the rows from `first` on to `out` (n,)."""
        for start in range(0, len(out), _ROWS_AT_ONCE):
            piece = out[start : start + _ROWS_AT_ONCE]
            rows = self._rows[first + start : first + start + len(piece)]
            piece[:] = np.asarray(numkong.dots_packed(rows, probe.packed))[:, 0]

    def _encode(self, vectors: Float32Array) -> SketchArray:
        steps: SketchArray = np.rint(np.clip(vectors @ self._axes, -1, 1) * _STEPS).astype(np.int8)
        return steps


def sample_rows(count: int) -> IndexArray:
    """Rows of a table of `count` from which the directions are learned."""
    return np.arange(0, count, max(1, count // _ROWS_TO_LEARN))


def narrow(
    products: ProductArray, where: BoolArray, share: float, score: Score, *, nearest: int
) -> tuple[IndexArray, Float32Array] | None:
    """Find all rows that may be among the nearest, and their cosines by code.

    The codes are read from the highest product downwards, until the rest of those that
    were read last could lift nobody among the `nearest`. Somebody who is as like the
    probe along the directions as beside them is always among them.

    Args:
        products: of the sketches with the probe (n,); it is changed.
        where: the rows (n,) that count.
        share: of the probe's square along the directions.
        score: reads codes.
        nearest: how many are looked for.

    Returns:
        Rows (m,) in no order, and their cosines. None where too many would be read.
    """
    np.copyto(products, _OUT, where=~where)
    cut = _first_cut(products)
    if cut == _OUT:  # most rows do not count
        return None
    rows = np.flatnonzero(products >= cut)
    cosines = score(rows)
    for _ in range(_ROUNDS):
        if not nearest <= len(rows) <= MOST * len(products):
            return None
        least = float(np.partition(cosines, -nearest)[-nearest])
        needed = _lowest(products[rows], cosines, least, share)
        if cut <= needed:
            return rows, cosines
        more = np.flatnonzero((products >= needed) & (products < cut))
        if len(rows) + len(more) > MOST * len(products):
            return None
        cut = needed
        rows = np.concatenate([rows, more])
        cosines = np.concatenate([cosines, score(more)])
    return None


def _first_cut(products: ProductArray) -> int:
    """A product that about `_FIRST` rows reach, told from a sample."""
    sample = products[::_SAMPLE_STEP]
    place = min(len(sample), max(1, _FIRST // _SAMPLE_STEP))
    return int(np.partition(sample, -place)[-place])


def _lowest(products: ProductArray, cosines: Float32Array, least: float, share: float) -> int:
    """The product from which on a row may reach the cosine `least`.

    The rest is measured on the rows of the lowest products.
    """
    along = products / _STEPS**2
    count = min(len(products), max(_LEAST_BAND, len(products) // 4))
    lowest = np.argpartition(products, count - 1)[:count]
    rest = cosines[lowest] - along[lowest]
    by_rest = least - float(rest.mean()) - _DEVIATIONS * float(rest.std())
    return int(np.floor(min(by_rest, least * share) * _STEPS**2))
