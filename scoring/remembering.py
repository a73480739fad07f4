"""A norm that looks at each person of a gallery once.

People are the same from one request to the next, and measures ask about the same ones
thousands of times. What stays of a person is one number, under a digest whose key ends
with the process. Nothing stays of a probe, who may be nobody of the gallery.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from scoring.calibration import Calibration
from scoring.norms import CohortNorm
from utils.arrays import Float64Array
from utils.modality import PerModality

MOST = 10_000
"""People of whom a number stays, by 0.2 kB each. Who was asked about longest ago goes first."""

_DIGEST_BYTES = 16
_KEY = os.urandom(16)


class _Raises:
    """How far people raise the level, by the digest of an embedding. Shared by all threads."""

    def __init__(self) -> None:
        self._by_digest: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, digests: Sequence[bytes]) -> dict[bytes, float]:
        """Find those that are known."""
        with self._lock:
            raises = {d: self._by_digest[d] for d in digests if d in self._by_digest}
            for digest in raises:
                self._by_digest.move_to_end(digest)
            return raises

    def keep(self, raises: dict[bytes, float]) -> None:
        """Keep some, in place of those that were asked about longest ago."""
        with self._lock:
            self._by_digest.update(raises)
            while len(self._by_digest) > MOST:
                self._by_digest.popitem(last=False)


@dataclass(frozen=True, eq=False)
class RememberingNorm(CohortNorm):
    """A `CohortNorm` that keeps what it says of people."""

    memory: _Raises = field(default_factory=_Raises)

    def person(self, vectors: npt.ArrayLike) -> Float64Array:
        """Return what `CohortNorm.person` does, (n,) of `vectors` (n, size).

        Those that are not known are worked out in one product.
        """
        rows = np.ascontiguousarray(vectors, np.float32)
        digests = [blake2b(row.data, digest_size=_DIGEST_BYTES, key=_KEY).digest() for row in rows]
        raises = self.memory.find(digests)
        missing = [place for place, digest in enumerate(digests) if digest not in raises]
        if missing:
            worked_out = super().person(rows[missing]).tolist()
            new = dict(zip([digests[place] for place in missing], worked_out, strict=True))
            self.memory.keep(new)
            raises |= new
        return np.array([raises[digest] for digest in digests], np.float64)


def with_memory(calibrations: PerModality[Calibration]) -> PerModality[Calibration]:
    """Return calibrations that say the same, with a norm that remembers."""
    return calibrations.map(_with_memory)


def _with_memory(calibration: Calibration) -> Calibration:
    norm = calibration.norm
    if not isinstance(norm, CohortNorm):
        return calibration
    return replace(calibration, norm=RememberingNorm(norm.cohort, norm.numbers))
