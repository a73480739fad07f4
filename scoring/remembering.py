"""A norm that looks at each embedding once.

People of a gallery are the same from one request to the next, and measures ask about the
same embeddings thousands of times. What stays is not the embeddings, but their digests.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from scoring.calibration import Calibration
from scoring.norms import CohortNorm
from utils.arrays import Float32Array, Float64Array
from utils.modality import PerModality

MOST = 50_000
"""Embeddings whose features stay. The one that was asked about longest ago goes first."""

_DIGEST_BYTES = 16


class _Features:
    """Features by the digest of an embedding. Shared by all threads."""

    def __init__(self) -> None:
        self._by_digest: OrderedDict[bytes, Float64Array] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, digest: bytes) -> Float64Array | None:
        """Find the features (3,). None where there are none."""
        with self._lock:
            if digest in self._by_digest:
                self._by_digest.move_to_end(digest)
            return self._by_digest.get(digest)

    def keep(self, digest: bytes, features: Float64Array) -> None:
        """Keep the features (3,) of an embedding."""
        with self._lock:
            self._by_digest[digest] = features
            if len(self._by_digest) > MOST:
                self._by_digest.popitem(last=False)


@dataclass(frozen=True, eq=False)
class RememberingNorm(CohortNorm):
    """A `CohortNorm` that keeps the features of embeddings."""

    memory: _Features = field(default_factory=_Features)

    def features(self, vectors: npt.ArrayLike) -> Float64Array:
        """Return `cohort_features` (n, 3) of `vectors` (n, size).

        Each is looked at alone: then its features do not hang on who was asked about with it.
        """
        rows = np.ascontiguousarray(vectors, np.float32)
        return np.array([self._features_of(row) for row in rows]).reshape(len(rows), 3)

    def _features_of(self, row: Float32Array) -> Float64Array:
        digest = blake2b(row.data, digest_size=_DIGEST_BYTES).digest()
        features = self.memory.find(digest)
        if features is None:
            features = super().features(row[None])[0]
            self.memory.keep(digest, features)
        return features


def with_memory(calibrations: PerModality[Calibration]) -> PerModality[Calibration]:
    """Return calibrations that say the same, with a norm that remembers."""
    return calibrations.map(_with_memory)


def _with_memory(calibration: Calibration) -> Calibration:
    norm = calibration.norm
    if not isinstance(norm, CohortNorm):
        return calibration
    return replace(calibration, norm=RememberingNorm(norm.cohort, norm.numbers))
