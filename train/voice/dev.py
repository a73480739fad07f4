"""Validation of a voice network: equal error rates on trial lists.

The lists are published ones. For a user's own data they are trials drawn from held-out
speakers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from network.frontends.features import Spec, features_of
from scoring.metrics import eer, min_dcf
from train.data.datasets import Item, Listing
from train.data.protocols import Trials, read_trials
from train.data.sounds import as_float
from train.voice.banks import Bank, cached_waves
from utils.arrays import Float32Array, Float64Array
from utils.errors import DatasetError

Embed = Callable[[Float32Array], Float32Array]
"""(n, frames, n_mels) features of equal length to (n, d) of unit length."""
# Frames of a batch.
BATCH_FRAMES = 12000
MOST_TRIALS = 5000
# Prior of a target trial in the detection cost, with equal costs.
P_TARGET = 0.01


@dataclass(frozen=True)
class VoiceTrials:
    """Waveforms, and named lists of trials over them.

    Attributes:
        waves: The waveforms.
        places: The place of each file in `waves`, by its path.
        lists: Trials by name.
        spec: The front end.
    """

    waves: Bank
    places: Mapping[str, int]
    lists: Mapping[str, Trials]
    spec: Spec

    def equal_error_rates(
        self, embed: Embed, *, step_frames: int = 1, seconds: float | None = None
    ) -> dict[str, float]:
        """EER of each list, as a fraction.

        Args:
            embed: Embeds batches of features.
            step_frames: Utterances are cut to a multiple of this, so that more of them
                share a batch.
            seconds: Only the middle `seconds` of each utterance, None for all of it.
        """
        vectors = self.embeddings(embed, step_frames=step_frames, seconds=seconds)
        return {
            name: eer(self._cosines(vectors, trials), trials.labels).value
            for name, trials in self.lists.items()
        }

    def error_rates(self, embed: Embed, *, step_frames: int = 1) -> dict[str, float]:
        """EER, minDCF and the threshold of the EER of each list.

        They are named `<list>_eer`, `<list>_min_dcf` (normalised, `P_TARGET`, equal
        costs) and `<list>_threshold`. Arguments as in `equal_error_rates`.
        """
        vectors = self.embeddings(embed, step_frames=step_frames)
        rates: dict[str, float] = {}
        for name, trials in self.lists.items():
            cosines = self._cosines(vectors, trials)
            point = eer(cosines, trials.labels)
            rates[f"{name}_eer"] = point.value
            rates[f"{name}_min_dcf"] = min_dcf(cosines, trials.labels, P_TARGET).value
            rates[f"{name}_threshold"] = point.threshold
        return rates

    def embeddings(
        self, embed: Embed, *, step_frames: int = 1, seconds: float | None = None
    ) -> Float32Array:
        """(files, d) embeddings of every file, in the order of `waves`.

        Arguments as in `equal_error_rates`.

        Raises:
            DatasetError: There is no file.
        """
        samples = [
            middle(as_float(self.waves[place]), seconds, self.spec.rate_hz)
            for place in range(len(self.waves))
        ]
        if not samples:
            raise DatasetError("Dev trials need at least one file.")
        frames = np.array([self.spec.frames(len(wave)) for wave in samples])
        frames = np.maximum(frames // step_frames * step_frames, np.minimum(frames, step_frames))
        rows: dict[int, Float32Array] = {}
        for length in np.unique(frames):
            files = np.flatnonzero(frames == length)
            size = max(1, BATCH_FRAMES // int(length))
            for start in range(0, len(files), size):
                batch = files[start : start + size]
                features = np.stack([self._features(samples[i], int(length)) for i in batch])
                rows |= dict(zip(batch.tolist(), embed(features), strict=True))
        return np.stack([rows[place] for place in range(len(samples))])

    def _cosines(self, vectors: Float32Array, trials: Trials) -> Float64Array:
        left = vectors[[self.places[file] for file in trials.left]]
        right = vectors[[self.places[file] for file in trials.right]]
        return np.einsum("ij,ij->i", left, right).astype(np.float64)

    def _features(self, samples: Float32Array, frames: int) -> Float32Array:
        return features_of(samples[: self.spec.samples(frames)], self.spec)


def middle(samples: Float32Array, seconds: float | None, rate_hz: int) -> Float32Array:
    """The middle `seconds` of (n,) samples, or all of them.

    All are returned for None, and where they are shorter.
    """
    if seconds is None or len(samples) <= seconds * rate_hz:
        return samples
    length = round(seconds * rate_hz)
    start = (len(samples) - length) // 2
    return samples[start : start + length]


def published_trials(
    listing: Listing, lists: Mapping[str, Path], cache: Path, spec: Spec
) -> VoiceTrials:
    """Read trial lists over the files of `listing`, named as their metrics will be.

    Raises:
        DatasetError: A list cannot be read, or names files that `listing` does not
            hold.
    """
    trials = {name: read_trials(file) for name, file in lists.items()}
    return _with_waves(listing, trials, cache, spec)


def held_out_trials(listing: Listing, cache: Path, spec: Spec, seed: int) -> VoiceTrials:
    """Draw trials within and across the speakers of `listing`.

    All within are taken, and as many across, at most `MOST_TRIALS` of each.
    """
    rng = np.random.default_rng(seed)
    voices = list(listing.by_label().values())
    same = _pairs_within(voices, rng)
    different = _pairs_across(voices, len(same), rng)
    pairs = [*same, *different]
    trials = Trials(
        labels=np.array([1] * len(same) + [0] * len(different)),
        left=tuple(left.path for left, _ in pairs),
        right=tuple(right.path for _, right in pairs),
    )
    return _with_waves(listing, {"held_out": trials}, cache, spec)


def _pairs_within(voices: list[list[Item]], rng: np.random.Generator) -> list[tuple[Item, Item]]:
    pairs: list[tuple[Item, Item]] = []
    for items in voices:
        pairs += combinations(items, 2)
    return [pairs[int(place)] for place in rng.permutation(len(pairs))[:MOST_TRIALS]]


def _pairs_across(
    voices: list[list[Item]], count: int, rng: np.random.Generator
) -> list[tuple[Item, Item]]:
    # All speakers are drawn before the first file.
    speakers = [rng.choice(len(voices), 2, replace=False) for _ in range(count)]

    def draw(speaker: NDArray[np.int64]) -> Item:
        items = voices[int(speaker)]
        return items[int(rng.integers(len(items)))]

    return [(draw(first), draw(second)) for first, second in speakers]


def _with_waves(
    listing: Listing, lists: Mapping[str, Trials], cache: Path, spec: Spec
) -> VoiceTrials:
    places = {item.path: number for number, item in enumerate(listing.items)}
    for name, trials in lists.items():
        unlisted = sorted(set(trials.files) - set(places))
        if unlisted:
            raise DatasetError(
                f"Every trial must be of listed files. Received: {unlisted[0]} in {name}"
            )
    return VoiceTrials(
        waves=cached_waves(listing, cache, spec.rate_hz), places=places, lists=lists, spec=spec
    )
