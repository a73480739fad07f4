"""A norm that looks at each person of a gallery once.

People are the same from one request to the next, and measures ask about the same ones
thousands of times. What stays of a person is two numbers, under a digest whose key ends
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
from utils.arrays import Float32Array, Float64Array
from utils.modality import PerModality
from utils.sharing import THREADS, share

MOST = 10_000
"""People of whom numbers stay, by 0.25 kB each. Who was asked about longest ago goes first."""

_DIGEST_BYTES = 16
# People of a search, who wait for it. More are of work beside the searches.
_TO_SHARE = range(24, 101)
_KEY = os.urandom(16)


Numbers = tuple[float, float]
"""Mean and deviation of the nearest cohort scores of a person."""


class _Known:
    """Numbers of people, by the digest of an embedding. Shared by all threads."""

    def __init__(self) -> None:
        self._by_digest: OrderedDict[bytes, Numbers] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, digests: Sequence[bytes]) -> dict[bytes, Numbers]:
        """Find those that are known."""
        with self._lock:
            numbers = {d: self._by_digest[d] for d in digests if d in self._by_digest}
            for digest in numbers:
                self._by_digest.move_to_end(digest)
            return numbers

    def keep(self, numbers: dict[bytes, Numbers]) -> None:
        """Keep some, in place of those that were asked about longest ago."""
        with self._lock:
            self._by_digest.update(numbers)
            while len(self._by_digest) > MOST:
                self._by_digest.popitem(last=False)


@dataclass(frozen=True, eq=False)
class RememberingNorm(CohortNorm):
    """A `CohortNorm` that keeps what it says of people."""

    memory: _Known = field(default_factory=_Known)

    def people_features(self, vectors: npt.ArrayLike) -> Float64Array:
        """Return what `CohortNorm.people_features` does, (n, 3) of `vectors` (n, size).

        Those that are not known are worked out in one product.
        """
        rows = np.asarray(vectors, np.float32)
        return self.search_features(rows[:0], rows)[1]

    def search_features(
        self, probe: Float32Array, people: Float32Array
    ) -> tuple[Float64Array, Float64Array]:
        """Return what `CohortNorm.search_features` does, by one look at the cohort.

        `probe` (n, size) and `people` (m, size) give (n, 3) and (m, 3).
        """
        digests = [_digest(row) for row in people]
        numbers = self.memory.find(digests)
        missing = [place for place, digest in enumerate(digests) if digest not in numbers]
        asked = np.concatenate([probe, people[missing]])
        worked_out = self._work_out(asked) if len(asked) else np.ones((0, 3))
        own, others = np.split(worked_out, [len(probe)])
        new = dict(zip([digests[place] for place in missing], _numbers(others), strict=True))
        self.memory.keep(new)
        numbers |= new
        features = np.ones((len(digests), 3))
        features[:, 1:] = np.array([numbers[digest] for digest in digests]).reshape(-1, 2)
        return own, features

    def _work_out(self, rows: Float32Array) -> Float64Array:
        """Work features out in one product, or for a search by all threads."""
        if len(rows) not in _TO_SHARE:
            return self.features(rows)
        return np.concatenate(share(len(rows), lambda a, b: self.features(rows[a:b]), THREADS))


def _digest(row: Float32Array) -> bytes:
    return blake2b(row.tobytes(), digest_size=_DIGEST_BYTES, key=_KEY).digest()


def _numbers(features: Float64Array) -> list[Numbers]:
    """What stays of people of these features (n, 3)."""
    return [(mean, deviation) for _, mean, deviation in features.tolist()]


def with_memory(calibrations: PerModality[Calibration]) -> PerModality[Calibration]:
    """Return calibrations that say the same, with a norm that remembers."""
    return calibrations.map(_with_memory)


def _with_memory(calibration: Calibration) -> Calibration:
    norm = calibration.norm
    if not isinstance(norm, CohortNorm):
        return calibration
    # By columns, each thread multiplies its rows with it as fast as one thread all of them
    return replace(calibration, norm=RememberingNorm(np.asfortranarray(norm.cohort), norm.numbers))
