"""Comparison of some vectors with everybody whom an index holds in memory."""

from __future__ import annotations

from typing import Any

import numkong
import numpy as np

from gallery.search.codes import encode, split_codes
from utils.arrays import Float32Array

ROUNDING = 0.004
"""More than codes move a cosine by: eight deviations of the rounding of both sides."""


def cosines(rows: Any, vectors: Float32Array) -> Float32Array:
    """Cosines (n, k) of rows (n, size), or codes of rows, with vectors (k, size).

    `rows` is a part of a table of `MemoryIndex`, or of `CodeIndex`.
    """
    if rows.dtype != np.int8:
        return np.asarray(rows @ vectors.T, np.float32)
    probes, lengths = split_codes(encode(vectors))
    codes, steps = split_codes(rows)
    packed = numkong.dots_pack(np.ascontiguousarray(probes), dtype="int8")
    products = np.asarray(numkong.dots_packed(codes, packed)).astype(np.float32)
    products *= steps[:, None]
    products *= lengths
    return products
