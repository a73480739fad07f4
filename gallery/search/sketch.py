"""A first look at many codes: their products with a probe along a few directions.

The directions are those in which the vectors of the gallery differ most: the first
principal axes of some of them, about zero (K. Pearson, "On lines and planes of closest
fit to systems of points in space", 1901). A sketch is the vector along these, one byte
each, and takes a quarter of the memory and of the time of a code. What it leaves out of
a cosine, the rest, is nearly normal among people who are not alike, with a deviation of
about 0.021. `narrow` reads the codes of the rows whose rest may lift them among the
nearest, and measures the rest on those that it has read. So it says how likely it is
that somebody is left out, not that nobody is: docs/research/search.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numkong
import numpy as np
import numpy.typing as npt

from gallery.search.memory import with_room
from utils.arrays import BoolArray, Float32Array, IndexArray

SketchArray = npt.NDArray[np.int8]
ProductArray = npt.NDArray[np.int32]
Score = Callable[[IndexArray], Float32Array]
"""Cosines (n,) of the rows (n,) with the probe, by their codes."""

DIRECTIONS = 128
_STEPS = 127
_ROWS_AT_ONCE = 32_768
# Rows that numkong takes as one: the sum of a row's products costs more than the products
_ROWS_AS_ONE = 2
_ROWS_TO_LEARN = 20_000

# Rows whose codes are read first, and from which the rest is measured
_FIRST = 2000
_LEAST_BAND = 500
_SAMPLE_STEP = 64

# Deviations of the rest within which nobody is left out: one chance in three million a row
_DEVIATIONS = 5.0
# The same of somebody who is as like the probe beside the directions as along them
_DEVIATIONS_ALIKE = 1.0

# Share of the rows beyond which the scan of all codes is hardly slower
MOST = 0.1
_ROUNDS = 4
_OUT = np.iinfo(np.int32).min


@dataclass(frozen=True)
class Probe:
    """A vector along the directions, ready for products.

    `share` is how much of its square lies along them.
    """

    packed: numkong.PackedMatrix
    share: float


@dataclass(frozen=True)
class Candidates:
    """Rows (n,) and their products with a probe (n,)."""

    rows: IndexArray
    products: ProductArray


class Sketches:
    """Sketches of the rows of one table of vectors, in the same order.

    Rows are only ever added behind those in use, so they may be read meanwhile.
    """

    def __init__(self, axes: Float32Array, room: int = 0) -> None:
        """Take the directions (size, n), and room for so many rows at first."""
        self._axes = axes
        self._rows = with_room(room, axes.shape[1], np.dtype(np.int8))
        self._used = 0

    def __len__(self) -> int:
        return self._used

    def add(self, vectors: Float32Array) -> None:
        """Sketch further rows (n, size)."""
        self._append(self._encode(vectors))

    def take(self, rows: BoolArray) -> Sketches:
        """Take the rows that are marked, in the same order, into a table of their own."""
        taken = Sketches(self._axes, int(np.count_nonzero(rows)))
        taken._append(np.compress(rows[: self._used], self._rows[: self._used], axis=0))
        return taken

    def probe(self, vector: Float32Array) -> Probe:
        """Prepare a probe (size,)."""
        along = vector @ self._axes
        each = np.eye(_ROWS_AS_ONE, dtype=np.int8)
        return Probe(
            packed=numkong.dots_pack(np.kron(each, self._encode(vector[None])), dtype="int8"),
            share=float(along @ along / max(vector @ vector, 1e-12)),
        )

    def multiply(self, probe: Probe, start: int, end: int) -> ProductArray:
        """Products (end - start,) of rows with a probe."""
        whole = -(-(end - start) // _ROWS_AS_ONE)
        rows = self._rows[start : start + whole * _ROWS_AS_ONE].reshape(whole, -1)
        products: ProductArray = np.asarray(numkong.dots_packed(rows, probe.packed))
        return products.ravel()[: end - start]

    def candidates(self, probe: Probe, where: BoolArray, cut: int, part: slice) -> Candidates:
        """Take the rows of a part, among those where `where` (n,) is true, from a product on."""
        rows = [np.zeros(0, np.intp)]
        products = [np.zeros(0, np.int32)]
        for start in range(part.start, part.stop, _ROWS_AT_ONCE):
            end = min(start + _ROWS_AT_ONCE, part.stop)
            all_products = self.multiply(probe, start, end)
            above = np.flatnonzero((all_products >= cut) & where[start:end])
            rows.append(above + start)
            products.append(all_products[above])
        return Candidates(np.concatenate(rows), np.concatenate(products))

    def cut(self, probe: Probe, where: BoolArray) -> int | None:
        """A product that about `MOST` of the rows reach, told from a sample.

        None where fewer count.
        """
        width = max(1, _ROWS_AT_ONCE // _SAMPLE_STEP)
        parts = []
        for start in range(0, len(where), _ROWS_AT_ONCE):
            end = min(start + width, len(where))
            parts.append(np.where(where[start:end], self.multiply(probe, start, end), _OUT))
        sample = np.concatenate(parts)
        place = max(1, int(MOST * len(sample)))
        cut = int(np.partition(sample, -place)[-place])
        return None if cut == _OUT else cut

    def _append(self, rows: SketchArray) -> None:
        """Put rows behind those in use. An empty one stays behind them, for `multiply`."""
        need = self._used + len(rows)
        if need >= len(self._rows):
            larger = with_room(need, self._rows.shape[1], self._rows.dtype)
            larger[: self._used] = self._rows[: self._used]
            self._rows = larger
        self._rows[self._used : need] = rows
        self._used = need

    def _encode(self, vectors: Float32Array) -> SketchArray:
        steps: SketchArray = np.rint(np.clip(vectors @ self._axes, -1, 1) * _STEPS).astype(np.int8)
        return steps


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
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.products for part in parts]),
    )


def narrow(
    candidates: Candidates, cut: int, share: float, score: Score, *, nearest: int
) -> tuple[IndexArray, Float32Array] | None:
    """Find all rows that may be among the nearest, and their cosines by code.

    The codes are read from the highest product downwards, until the rest of those that
    were read last could lift nobody among the `nearest`.

    Args:
        candidates: the rows of the products from `cut` on.
        share: of the probe's square along the directions.
        score: reads codes.
        nearest: how many are looked for.

    Returns:
        Rows (m,) in no order, and their cosines. None where more than the candidates
        would have to be read.
    """
    products = candidates.products
    if len(products) < nearest:
        return None
    place = min(len(products), _FIRST)
    lowest = int(np.partition(products, -place)[-place])
    read = np.flatnonzero(products >= lowest)
    cosines = score(candidates.rows[read])
    for _ in range(_ROUNDS):
        least = float(np.partition(cosines, -nearest)[-nearest])
        needed = _lowest(products[read], cosines, least, share)
        if lowest <= needed:
            return candidates.rows[read], cosines
        if needed < cut:
            return None
        more = np.flatnonzero((products >= needed) & (products < lowest))
        lowest = needed
        read = np.concatenate([read, more])
        cosines = np.concatenate([cosines, score(candidates.rows[more])])
    return None


def _lowest(products: ProductArray, cosines: Float32Array, least: float, share: float) -> int:
    """The product from which on a row may reach the cosine `least`.

    The rest is measured on the rows of the lowest products.
    """
    along = products / _STEPS**2
    count = min(len(products), max(_LEAST_BAND, len(products) // 4))
    lowest = np.argpartition(products, count - 1)[:count]
    rest = cosines[lowest] - along[lowest]
    deviation = float(rest.std())
    of_anybody = least - float(rest.mean()) - _DEVIATIONS * deviation
    of_alike = least * share - _DEVIATIONS_ALIKE * deviation
    return int(np.floor(min(of_anybody, of_alike) * _STEPS**2))
