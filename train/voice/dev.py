"""The dev score of a voice network: equal error rate on trial lists, as training goes
on and at the end.

The lists are published ones, or, for a user's own data, trials drawn from speakers that
are held out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from network.frontends.log_mel import FrontendSpec, log_mel
from scoring.metrics import eer
from train.data.datasets import Item, Listing
from train.data.protocols import Trials, read_trials
from train.voice.banks import Bank, as_float, cached_waves
from utils.arrays import Float32Array, Float64Array
from utils.errors import DatasetError

Embed = Callable[[Float32Array], Float32Array]
BATCH_FRAMES = 12000
MOST_TRIALS = 5000


@dataclass(frozen=True)
class VoiceTrials:
    """Waveforms, the place of each by its path, and named lists of trials over them."""

    waves: Bank
    places: Mapping[str, int]
    lists: Mapping[str, Trials]
    spec: FrontendSpec

    def equal_error_rates(
        self, embed: Embed, step_frames: int = 1, seconds: float | None = None
    ) -> dict[str, float]:
        """EER of each list, as a fraction.

        Args:
            embed: (n, frames, n_mels) features of equal length -> (n, d) of unit norm.
            step_frames: utterances are cut to a multiple of this, so that more of them
                share a batch.
            seconds: only the middle `seconds` of each utterance; None for all of it.
        """
        return {
            name: eer(scores, labels).value
            for name, (scores, labels) in self.scores(embed, step_frames, seconds).items()
        }

    def scores(
        self, embed: Embed, step_frames: int = 1, seconds: float | None = None
    ) -> dict[str, tuple[Float64Array, NDArray[np.int64]]]:
        """Cosine scores and labels of each list. Arguments as in `equal_error_rates`."""
        vectors = self.embeddings(embed, step_frames, seconds)
        return {
            name: (self._cosines(vectors, trials), trials.labels)
            for name, trials in self.lists.items()
        }

    def _cosines(self, vectors: Float32Array, trials: Trials) -> Float64Array:
        left = vectors[[self.places[file] for file in trials.left]]
        right = vectors[[self.places[file] for file in trials.right]]
        return np.einsum("ij,ij->i", left, right).astype(np.float64)

    def embeddings(
        self, embed: Embed, step_frames: int = 1, seconds: float | None = None
    ) -> Float32Array:
        """(files, d) embeddings of every file, in the order of `waves`."""
        samples = [
            middle(as_float(self.waves[i]), seconds, self.spec.rate_hz)
            for i in range(len(self.waves))
        ]
        frames = np.array([self.spec.frames(len(wave)) for wave in samples])
        frames = np.maximum(frames // step_frames * step_frames, np.minimum(frames, step_frames))
        result: Float32Array | None = None
        for length in np.unique(frames):
            files = np.flatnonzero(frames == length)
            for start in range(0, len(files), max(1, BATCH_FRAMES // int(length))):
                part = files[start : start + max(1, BATCH_FRAMES // int(length))]
                vectors = embed(np.stack([self._features(samples[i], int(length)) for i in part]))
                result = (
                    np.zeros((len(samples), vectors.shape[1]), np.float32)
                    if result is None
                    else result
                )
                result[part] = vectors
        if result is None:
            raise DatasetError("Dev trials need at least one file. Received: none")
        return result

    def _features(self, samples: Float32Array, frames: int) -> Float32Array:
        return log_mel(samples[: self.spec.n_fft + (frames - 1) * self.spec.hop_samples], self.spec)


def middle(samples: Float32Array, seconds: float | None, rate_hz: int) -> Float32Array:
    """The middle `seconds` of (n,) samples; all of them when they are shorter, or for
    None.
    """
    if seconds is None or len(samples) <= seconds * rate_hz:
        return samples
    length = round(seconds * rate_hz)
    start = (len(samples) - length) // 2
    return samples[start : start + length]


def published_trials(
    listing: Listing, lists: Mapping[str, Path], cache: Path, spec: FrontendSpec
) -> VoiceTrials:
    """Trial lists over the files of `listing`, named as their metrics will be.

    Raises:
        DatasetError: a list that cannot be read, or names files that `listing` does not
            hold.
    """
    return _over(listing, {name: read_trials(file) for name, file in lists.items()}, cache, spec)


def held_out_trials(listing: Listing, cache: Path, spec: FrontendSpec, seed: int) -> VoiceTrials:
    """All trials within the speakers of `listing`, and as many across them, at most
    `MOST_TRIALS` of each.
    """
    by_label: dict[str, list[Item]] = {}
    for item in listing.items:
        by_label.setdefault(item.label, []).append(item)
    rng = np.random.default_rng(seed)
    same = [pair for items in by_label.values() for pair in combinations(items, 2)]
    same = [same[int(place)] for place in rng.permutation(len(same))[:MOST_TRIALS]]
    two = [rng.choice(len(by_label), 2, replace=False) for _ in same]
    voices = list(by_label.values())
    other = [tuple(voices[i][int(rng.integers(len(voices[i])))] for i in pair) for pair in two]
    pairs = [*same, *other]
    labels = np.array([1] * len(same) + [0] * len(other))
    trials = Trials(
        labels, tuple(pair[0].path for pair in pairs), tuple(pair[1].path for pair in pairs)
    )
    return _over(listing, {"held_out": trials}, cache, spec)


def _over(
    listing: Listing, lists: Mapping[str, Trials], cache: Path, spec: FrontendSpec
) -> VoiceTrials:
    places = {item.path: number for number, item in enumerate(listing.items)}
    for name, trials in lists.items():
        unknown = sorted(set(trials.files) - set(places))
        if unknown:
            raise DatasetError(
                f"Every trial must be of listed files. Received: {unknown[0]} in {name}"
            )
    return VoiceTrials(cached_waves(listing, cache, spec.rate_hz), places, lists, spec)
