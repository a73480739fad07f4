"""Index in memory for many people: one byte a number instead of four.

There is no graph to build at the start, or to keep up. Up to 200,000 rows every code is
scanned. Beyond that sketches, where they pay, say which codes are read: the best person is
found but for rounding, and one of the others may be missed (`gallery.search.sketch`). A
code is the vector in steps of 1/127 of its largest number, and the scan takes integer
products (numkong: AVX-512 VNNI, AVX2, NEON). Rounding moves a cosine by about 0.0005 (512
uniform errors).
The templates of the `SURE` people nearest by code, and of all whom rounding may keep from
these, are read and compared exactly. No more of them are looked at
(`recognition.matching.SHORTLIST`). Figures: docs/scale.md.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import numkong
import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from gallery.ports import Encoders
from gallery.records.feed import PersonRef, Revision
from gallery.search.memory import NEAREST, MemoryIndex, Probe, Snapshot, with_room
from gallery.search.nearest import Nearest, list_searches, read_nearest
from gallery.search.reading import ALL
from gallery.search.sketch import MOST, Sketches, are_many, join, narrow
from gallery.search.sketching import Sketching
from gallery.store import Store
from gallery.vectors import KeyArray
from utils.arrays import BoolArray, Float32Array, IndexArray
from utils.modality import Modality
from utils.sharing import THREADS, share

CodeArray = npt.NDArray[np.int8]
T = TypeVar("T")

_STEPS = 127
_SCALE_BYTES = 4
_ROWS_AT_ONCE = 8192
# Copies so small that malloc has room for them: larger ones come from the system, page by page
_READ_AT_ONCE = 240
_ROWS_TO_SHARE = 200_000
_READS_TO_SHARE = 4096
_LOOKS = (0.02, MOST)
"""Shares of the rows that sketches leave, in turn: few are mostly enough, and sooner ordered."""
_LOWEST = -2.0  # below every cosine, above the mark of those who do not count
_GROUPS = 1024
_MARGIN = 0.02  # more than rounding moves the difference of two cosines by (`_slack`)
_MOST_READ = 16 * NEAREST
"""Most people who are read, where very many are equally near."""
_DEVIATIONS = 4.0
"""Deviations of the rounding within which nobody is left out: one chance in 30,000."""
SURE = 50
"""Number of people, of the highest cosines, who are found in spite of rounding.

That holds within `_DEVIATIONS`, and for those whose codes are read.
"""
_SHARES_EACH = 4
"""Shares of a thread. None waits for one that was held up."""


class CodeIndex(MemoryIndex):
    """Memory index whose rows are codes. Who comes near is read from the database."""

    def __init__(self, store: Store, encoders: Encoders) -> None:
        super().__init__(store, encoders)
        self._sketching = Sketching(decode)

    def near(self, probe: Probe) -> Snapshot:
        """Find the nearest people, in the state that one transaction sees.

        Raises StoreUnavailableError.
        """
        with self._reading() as (connection, codes):
            self._sketching.keep_up(codes)
            nearest = Nearest(
                keys=sorted(self._find_keys(codes, probe)),
                totals={m: codes.count(m) for m in ALL},
                people=codes.people,
                stale=codes.stale,
                distinct=codes.distinct,
            )
            return read_nearest(connection, self._reader, codes.revision, nearest)

    def _find_keys(self, codes: Snapshot, probe: Probe) -> set[int]:
        keys = set[int]()
        for modality, alone in list_searches(probe):
            table = np.asarray(codes.vectors[modality], np.int8)
            where = _mask(codes, modality, alone)
            sketches = self._sketching.of(codes, modality)
            rows = find_rows(table, where, probe[modality], sketches)
            keys.update(codes.keys[rows].tolist())
        return keys

    def _load(self, connection: Connection, revision: Revision) -> Snapshot:
        snapshot = super()._load(connection, revision)
        self._sketching.begin(snapshot.layout)
        return snapshot

    def _move_together(self, snapshot: Snapshot) -> Snapshot:
        moved = super()._move_together(snapshot)
        self._sketching.move(snapshot.keys != 0, moved.layout)
        return moved

    def _make(self, rows: int, size: int) -> Any:
        return with_room(rows, size + _SCALE_BYTES, np.dtype(np.int8))

    def _pack(self, vectors: Float32Array) -> Any:
        return encode(vectors)

    def _refs(
        self, _connection: Connection, _keys: KeyArray, _among: list[int] | None
    ) -> dict[int, PersonRef]:
        return {}  # read with the templates


def encode(vectors: Float32Array) -> CodeArray:
    """Encode vectors (n, size) float32 as rows (n, size + 4) int8.

    A row is the code, and the bytes of the float32 that it is multiplied with to get
    the vector back. A row of zeros stays one.
    """
    largest = np.abs(vectors).max(axis=1, keepdims=True, initial=0.0)
    scales = largest.astype(np.float32) / np.float32(_STEPS)
    steps = np.divide(vectors, scales, out=np.zeros_like(vectors), where=scales > 0)
    return np.concatenate([np.rint(steps).astype(np.int8), scales.view(np.int8)], axis=1)


def decode(codes: CodeArray) -> Float32Array:
    """Make vectors (n, size) float32 of codes, as they are but for rounding."""
    return codes[:, :-_SCALE_BYTES] * _steps(codes)[:, None]


def split_codes(codes: CodeArray) -> tuple[CodeArray, Float32Array]:
    """Split rows (n, size + 4) into codes (n, size), and what they are multiplied with (n,)."""
    return codes[:, :-_SCALE_BYTES], _steps(codes)


def scores(codes: CodeArray, vector: Float32Array) -> Float32Array:
    """Multiply a vector (size,) with every row of codes (n, size + 4) → (n,) float32.

    A product of integers is exact.
    """
    probe = encode(vector[None])
    products = np.empty(len(codes), np.float32)
    _share(len(codes), lambda a, b: _score((codes[a:b], probe, products[a:b])))
    return products


def _share(count: int, work: Callable[[int, int], T], least: int | None = None) -> list[T]:
    """Do `work` on the rows from `a` up to `b`, by several threads from `least` rows on."""
    many = count >= (least or _ROWS_TO_SHARE)
    return share(count, work, THREADS * _SHARES_EACH if many else 1)


def _score(part: tuple[CodeArray, CodeArray, Float32Array]) -> None:
    """Score piece by piece, so that scales are read while they are in the cache."""
    codes, probe, products = part
    size = probe.shape[1] - _SCALE_BYTES
    scale = probe[:, size:].view(np.float32)[0, 0]
    for start in range(0, len(codes), _ROWS_AT_ONCE):
        piece = codes[start : start + _ROWS_AT_ONCE]
        integers = np.asarray(
            numkong.cdist(probe[:, :size], piece[:, :size], "dot", out_dtype="float32")
        )[0]
        scales = piece[:, size:].view(np.float32)[:, 0] * scale
        np.multiply(integers, scales, out=products[start : start + _ROWS_AT_ONCE])


def _mask(codes: Snapshot, modality: Modality, alone: bool) -> BoolArray:
    """Mark the rows of a search.

    `alone`: only those who have this modality and not the other one.
    """
    where = codes.has[modality]
    return where & ~codes.has[Modality.FUSED] if alone else where


def find_rows(
    codes: CodeArray, where: BoolArray, vector: Float32Array, sketches: Sketches | None = None
) -> IndexArray:
    """Find the rows nearest to a vector (size,), among those where `where` (n,) is true.

    They are the `SURE` nearest by code, and all whom rounding may keep from these.
    With sketches, of these rows at least, few of the codes are read. One of the nearest
    may be missed then, and the very nearest only by rounding (`gallery.search.sketch`).
    """
    if not where.any():
        return np.zeros(0, np.intp)
    rows, near = _look(codes, where, vector, sketches)
    probe = encode(vector[None])[0]
    # A code of a unit vector has a step of 1 / 127 at most.
    most = float(_slack(np.full(1, 1 / _STEPS, np.float32), probe)[0])
    may_be = near >= max(_highest(near, SURE) - most, _LOWEST)
    rows = rows[may_be]
    near = near[may_be]
    sure = near + _slack(_steps(codes[rows]), probe) >= _highest(near, SURE)
    rows = rows[sure]
    if len(rows) <= _MOST_READ:
        return rows
    return rows[np.argpartition(near[sure], -_MOST_READ)[-_MOST_READ:]]


def _look(
    codes: CodeArray, where: BoolArray, vector: Float32Array, sketches: Sketches | None
) -> tuple[IndexArray, Float32Array]:
    """Find rows that may be among the nearest, and their cosines, in the fastest way."""
    if not are_many(int(np.count_nonzero(where)), len(where)):
        few = np.flatnonzero(where)
        return few, _score_some(codes, vector, few)
    narrowed = _narrow(codes, where, vector, sketches) if sketches else None
    return narrowed or _scan(codes, where, vector)


def _scan(
    codes: CodeArray, where: BoolArray, vector: Float32Array
) -> tuple[IndexArray, Float32Array]:
    """Read every code. Gives the rows that may be among the nearest, and their cosines."""
    products = scores(codes, vector)
    np.copyto(products, -np.inf, where=~where)
    rows = np.flatnonzero(products >= max(_least(products) - _MARGIN, _LOWEST))
    return rows, products[rows]


def _narrow(
    codes: CodeArray, where: BoolArray, vector: Float32Array, sketches: Sketches
) -> tuple[IndexArray, Float32Array] | None:
    """As `_scan`, by the sketches. None where they leave too many."""
    probe = sketches.probe(vector)
    score = partial(_score_some, codes, vector)
    for part in _LOOKS:
        cut = sketches.cut(probe, where, part)
        if cut is None:
            return None
        pick = partial(sketches.candidates, probe, where, cut)
        parts = _share(len(codes), lambda a, b: pick(slice(a, b)))  # noqa: B023 - done at once
        narrowed = narrow(join(parts), cut, probe.share, score, nearest=NEAREST)
        if narrowed is not None:
            return narrowed
    return None


def _score_some(codes: CodeArray, vector: Float32Array, rows: IndexArray) -> Float32Array:
    """Multiply a vector with some of the rows → (m,) float32."""
    probe = encode(vector[None])
    products = np.empty(len(rows), np.float32)

    def work(a: int, b: int) -> None:
        for start in range(a, b, _READ_AT_ONCE):
            end = min(start + _READ_AT_ONCE, b)
            _score((np.take(codes, rows[start:end], axis=0), probe, products[start:end]))

    _share(len(rows), work, _READS_TO_SHARE)
    return products


def _least(products: Float32Array) -> float:
    """A cosine that `NEAREST` rows reach, close to the highest of these.

    It is taken from the highest of each group, which is faster than to order everybody.
    """
    width = len(products) // _GROUPS
    if width == 0:
        return _highest(products, NEAREST)
    return _highest(products[: width * _GROUPS].reshape(_GROUPS, width).max(axis=1), NEAREST)


def _highest(products: Float32Array, count: int) -> float:
    """The `count`-th highest, or the least of all."""
    count = min(count, len(products))
    return float(np.partition(products, -count)[-count])


def _steps(codes: CodeArray) -> Float32Array:
    return np.ascontiguousarray(codes[:, -_SCALE_BYTES:]).view(np.float32)[:, 0]


def _slack(steps: Float32Array, probe: CodeArray) -> Float32Array:
    """How far rounding may move the difference of two of the products of a probe.

    One is of a code of these steps (n,), the other of any of them. A number is rounded by
    a uniform error, whose deviation is its step / sqrt(12).
    """
    squares = steps**2 + steps.max() ** 2 + 2 * _steps(probe[None]) ** 2
    return np.asarray(_DEVIATIONS * np.sqrt(squares / 12), np.float32)
