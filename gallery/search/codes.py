"""The gallery in memory, for many people: one byte a number instead of four, and the
templates of those who come nearest.

Every row is scanned, so that there is no graph to build at the start, to keep up, or to
miss somebody: a code is the vector in steps of 1/127 of its largest number, and the
scan takes integer products (numkong: AVX-512 VNNI, AVX2, NEON). Rounding moves a cosine
by about 0.0005 (512 uniform errors); of the `NEAREST` people by code the templates are
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
from gallery.search.nearest import Found, lists, read_found
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
    """A memory index whose rows are codes; who comes near is read from the database."""

    def near(self, probe: Probe) -> Snapshot:
        """The nearest people, and those who changed while they were looked for. Raises
        StoreUnavailableError.
        """
        codes = self.snapshot()
        keys = {
            int(key) for m, alone in lists(probe) for key in _nearest(codes, m, alone, probe[m])
        }
        with self._store.database.read() as connection:
            keys.update(feed.changed_since(connection, codes.revision.change))
            found = Found(sorted(keys), {m: codes.count(m) for m in ALL}, codes.people, codes.stale)
            return read_found(connection, self._reader, codes.revision, found)

    def _make(self, rows: int, size: int) -> Any:
        return with_room(rows, size + _SCALE_BYTES, np.dtype(np.int8))

    def _pack(self, vectors: Float32Array) -> Any:
        return encode(vectors)

    def _refs(
        self, _connection: Connection, _keys: KeyArray, _among: list[int] | None
    ) -> dict[int, PersonRef]:
        return {}  # read with the templates


def encode(vectors: Float32Array) -> CodeArray:
    """(n, size) float32 → (n, size + 4) int8: the code, and the bytes of the float32
    that it is multiplied with to get the vector back. A row of zeros stays one.
    """
    scales = np.abs(vectors).max(axis=1, keepdims=True, initial=0.0).astype(
        np.float32
    ) / np.float32(_STEPS)
    codes = np.rint(
        np.divide(vectors, scales, out=np.zeros_like(vectors), where=scales > 0)
    ).astype(np.int8)
    return np.concatenate([codes, scales.view(np.int8)], axis=1)


def scores(codes: CodeArray, vector: Float32Array) -> Float32Array:
    """Products of a vector (size,) with every row of codes (n, size + 4) → (n,)
    float32; a product of integers is exact.
    """
    asked = encode(vector[None])
    found = np.empty(len(codes), np.float32)
    shares = _THREADS if len(codes) >= _ROWS_TO_SHARE else 1
    bounds = np.linspace(0, len(codes), shares + 1).astype(int).tolist()
    parts = [(codes[a:b], asked, found[a:b]) for a, b in pairwise(bounds)]
    for _ in _pool().map(_score, parts) if shares > 1 else map(_score, parts):
        pass
    return found


def _score(part: tuple[CodeArray, CodeArray, Float32Array]) -> None:
    """Piece by piece, so that the scale of a row is read while the row is in the cache."""
    codes, asked, found = part
    size = asked.shape[1] - _SCALE_BYTES
    scale = asked[:, size:].view(np.float32)[0, 0]
    for start in range(0, len(codes), _ROWS_AT_ONCE):
        piece = codes[start : start + _ROWS_AT_ONCE]
        products = np.asarray(
            numkong.cdist(asked[:, :size], piece[:, :size], "dot", out_dtype="float32")
        )[0]
        np.multiply(
            products,
            piece[:, size:].view(np.float32)[:, 0] * scale,
            out=found[start : start + _ROWS_AT_ONCE],
        )


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, "codes")


def _nearest(codes: Snapshot, modality: Modality, alone: bool, vector: Float32Array) -> KeyArray:
    where = codes.has[modality] & ~codes.has[Modality.FUSED] if alone else codes.has[modality]
    if not where.any():
        return codes.keys[:0]
    found = np.where(where, scores(np.asarray(codes.vectors[modality], np.int8), vector), -np.inf)
    first = (
        np.argpartition(found, -NEAREST)[-NEAREST:]
        if len(found) > NEAREST
        else np.arange(len(found))
    )
    return codes.keys[first[where[first]]]
