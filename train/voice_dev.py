"""Dev trials of the voice network: features of whole utterances, embeddings, equal error rate per list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from train.datasets import Listing
from train.voice_data import as_float, cached_waves
from utils.errors import DatasetError
from utils.features import FrontendSpec, log_mel
from utils.metrics import eer

Embed = Callable[[NDArray[np.float32]], NDArray[np.float32]]
BATCH_FRAMES = 12000


class VoiceTrials:
    """Trial lists in the VoxCeleb format ("label pathA pathB", 1 = same speaker) over the files of one listing."""

    def __init__(self, listing: Listing, lists: Mapping[str, Path], cache: Path, spec: FrontendSpec) -> None:
        """Read the lists and decode what they name (from `cache` after the first time).

        Raises:
            DatasetError: a malformed line, or a path that is not in `listing`.
        """
        places = {item.path: number for number, item in enumerate(listing.items)}
        self._lists = {name: read_trials(file, places) for name, file in lists.items()}
        self._waves, self._spec = cached_waves(listing, cache, spec.rate_hz), spec

    def equal_error_rates(self, embed: Embed, step_frames: int = 1, seconds: float | None = None) -> dict[str, float]:
        """EER of each list, as a fraction.

        Args:
            embed: (n, frames, n_mels) features of equal length -> (n, d) of unit norm.
            step_frames: utterances are cut to a multiple of this, so that more of them share a batch.
            seconds: only the middle `seconds` of each utterance; None for all of it.
        """
        return {name: eer(scores, labels).value for name, (scores, labels) in self.scores(embed, step_frames, seconds).items()}

    def scores(
        self, embed: Embed, step_frames: int = 1, seconds: float | None = None
    ) -> dict[str, tuple[NDArray[np.float64], NDArray[np.int64]]]:
        """Cosine scores and labels of each list. Arguments as in `equal_error_rates`."""
        vectors = self.embeddings(embed, step_frames, seconds)
        return {
            name: (np.einsum("ij,ij->i", vectors[trials[:, 1]], vectors[trials[:, 2]]).astype(np.float64), trials[:, 0])
            for name, trials in self._lists.items()
        }

    def embeddings(self, embed: Embed, step_frames: int = 1, seconds: float | None = None) -> NDArray[np.float32]:
        """(files, d) embeddings of every file of the listing, in its order."""
        samples = [middle(as_float(self._waves[i]), seconds, self._spec.rate_hz) for i in range(len(self._waves))]
        frames = np.array([self._spec.frames(len(wave)) for wave in samples])
        frames = np.maximum(frames // step_frames * step_frames, np.minimum(frames, step_frames))
        result: NDArray[np.float32] | None = None
        for length in np.unique(frames):
            files = np.flatnonzero(frames == length)
            for start in range(0, len(files), max(1, BATCH_FRAMES // int(length))):
                part = files[start : start + max(1, BATCH_FRAMES // int(length))]
                vectors = embed(np.stack([self._features(samples[i], int(length)) for i in part]))
                result = np.zeros((len(samples), vectors.shape[1]), np.float32) if result is None else result
                result[part] = vectors
        if result is None:
            raise DatasetError("Dev trials need at least one file. Received: none")
        return result

    def _features(self, samples: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
        return log_mel(samples[: self._spec.n_fft + (frames - 1) * self._spec.hop_samples], self._spec)


def middle(samples: NDArray[np.float32], seconds: float | None, rate_hz: int) -> NDArray[np.float32]:
    """The middle `seconds` of (n,) samples; all of them when they are shorter, or for None."""
    if seconds is None or len(samples) <= seconds * rate_hz:
        return samples
    length = round(seconds * rate_hz)
    start = (len(samples) - length) // 2
    return samples[start : start + length]


def read_trials(file: Path, places: Mapping[str, int]) -> NDArray[np.int64]:
    """(n, 3): label (0 or 1) and the places of both files.

    Raises:
        DatasetError: a line that is not "label pathA pathB" of known paths.
    """
    rows = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        label, *paths = line.split() or [""]
        if label not in ("0", "1") or len(paths) != 2 or not all(path in places for path in paths):
            raise DatasetError(f"A trial must be: label pathA pathB. Received: {line!r} in line {number} of {file.name}")
        rows.append((int(label), places[paths[0]], places[paths[1]]))
    return np.array(rows, np.int64)
