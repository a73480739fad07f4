"""Index in memory for many people: one byte a number instead of four.

Every row is scanned, so there is no graph to build at the start, to keep up, or to miss
somebody. A code is the vector in steps of 1/127 of its largest number, and the scan
takes integer products (numkong: AVX-512 VNNI, AVX2, NEON). Rounding moves a cosine by
about 0.0005 (512 uniform errors). The templates of the `NEAREST` people by code are
read and compared exactly, and far fewer of them are looked at
(`recognition.matching.SHORTLIST`). Figures: docs/scale.md.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numkong
import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from gallery.records import feed
from gallery.records.feed import PersonRef
from gallery.search.memory import NEAREST, MemoryIndex, Probe, Snapshot, with_room
from gallery.search.nearest import Nearest, list_searches, read_nearest
from gallery.search.reading import ALL
from gallery.vectors import KeyArray
from utils.arrays import Float32Array
from utils.modality import Modality

CodeArray = npt.NDArray[np.int8]

_STEPS = 127
_SCALE_BYTES = 4
_ROWS_AT_ONCE = 8192
_ROWS_TO_SHARE = 200_000
_THREADS = min(os.cpu_count() or 1, 4)


class CodeIndex(MemoryIndex):
    """Memory index whose rows are codes. Who comes near is read from the database."""

    def near(self, probe: Probe) -> Snapshot:
        """Find the nearest people, and those who changed during the search.

        Raises StoreUnavailableError.
        """
        codes = self.snapshot()
        keys = set[int]()
        for modality, alone in list_searches(probe):
            keys.update(_nearest(codes, modality, alone, probe[modality]).tolist())
        with self._store.database.read() as connection:
            keys.update(feed.changed_since(connection, codes.revision.change))
            nearest = Nearest(
                keys=sorted(keys),
                totals={m: codes.count(m) for m in ALL},
                people=codes.people,
                stale=codes.stale,
            )
            return read_nearest(connection, self._reader, codes.revision, nearest)

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


def scores(codes: CodeArray, vector: Float32Array) -> Float32Array:
    """Multiply a vector (size,) with every row of codes (n, size + 4) → (n,) float32.

    A product of integers is exact.
    """
    probe = encode(vector[None])
    products = np.empty(len(codes), np.float32)
    shares = _THREADS if len(codes) >= _ROWS_TO_SHARE else 1
    bounds = np.linspace(0, len(codes), shares + 1).astype(int).tolist()
    parts = [(codes[a:b], probe, products[a:b]) for a, b in pairwise(bounds)]
    for _ in _pool().map(_score, parts) if shares > 1 else map(_score, parts):
        pass
    return products


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


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, "codes")


def _nearest(codes: Snapshot, modality: Modality, alone: bool, vector: Float32Array) -> KeyArray:
    """Internal numbers of the nearest people.

    `alone`: only among those who have this modality and not the other one.
    """
    where = codes.has[modality]
    if alone:
        where = where & ~codes.has[Modality.FUSED]
    if not where.any():
        return codes.keys[:0]
    rows = np.asarray(codes.vectors[modality], np.int8)
    products = np.where(where, scores(rows, vector), -np.inf)
    if len(products) > NEAREST:
        first = np.argpartition(products, -NEAREST)[-NEAREST:]
    else:
        first = np.arange(len(products))
    return codes.keys[first[where[first]]]
