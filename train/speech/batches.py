"""Batches of utterances of about equal length.

Every utterance comes once an epoch, in one of the voices. Shorter ones of a batch are
filled up with zeros, which `network.backbones.together` leaves out. A batch is a pure
function of seed and step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from network.frontends.features import Spec
from speech.ctc.vocabulary import BLANK, Vocabulary
from train.speech.sets import SpeechSets
from train.voice.augment import MelAugment, augment_mel, stationary_noise
from utils.arrays import Float32Array
from utils.errors import DatasetError

# Lengths are rounded up to so many frames.
GRAIN = 16
# Quieter noise files are digital silence and codec residue.
MIN_NOISE_POWER = 1e-7


@dataclass(frozen=True)
class BatchOptions:
    """How utterances make batches (table `[batches]`).

    Attributes:
        batch_size: Utterances of a batch.
        buckets: Groups of utterances of about equal length. Each is traced once.
        longest_s: Longer utterances are left out.
        steady_chance: Part of the noises that are made up, steady ones.

    Raises:
        ValueError: A value is impossible.
    """

    batch_size: int = 16
    buckets: int = 5
    longest_s: float = 12.0
    steady_chance: float = 0.3

    def __post_init__(self) -> None:
        if min(self.batch_size, self.buckets) < 1 or self.longest_s <= 0:
            raise ValueError(
                "batch_size, buckets and longest_s must be positive. Received:"
                f" batch_size={self.batch_size}, buckets={self.buckets},"
                f" longest_s={self.longest_s}"
            )


@dataclass(frozen=True)
class _Bucket:
    """Utterances of about equal length, and the most frames and signs of any."""

    members: NDArray[np.intp]
    frames: int
    signs: int


class SpeechBatches:
    """Draws batches of utterances.

    `left_out` counts utterances that are too long, or have more signs than steps.

    Raises:
        DatasetError: None is left.
    """

    def __init__(
        self,
        sets: SpeechSets,
        vocabulary: Vocabulary,
        options: BatchOptions,
        augment: MelAugment,
        *,
        spec: Spec,
        time_stride: int,
        seed: int,
    ) -> None:
        """Encode the texts, and sort the utterances into buckets."""
        self._banks = sets.banks
        self._noise = [rows for rows in sets.noise if _is_audible(rows)]
        self._options = options
        self._augment = augment
        self._spec = spec
        self._seed = seed
        texts = (one.text for one in sets.train.utterances)
        self._labels = [np.array(vocabulary.encode(text), np.int32) for text in texts]
        usable = self._find_usable(time_stride)
        self.left_out = len(self._labels) - len(usable)
        self._buckets = self._make_buckets(usable)
        sizes = [-(-len(bucket.members) // options.batch_size) for bucket in self._buckets]
        self.epoch_steps = sum(sizes)
        self._plan_of = lru_cache(maxsize=3)(self._make_plan)

    def batch(self, step: int) -> dict[str, NDArray[Any]]:
        """Draw batch number `step`.

        Returns:
            `features` (n, most frames, n_mels) float32, zero beyond each end, `frames`
            (n,) int32, those of each, `labels` (n, signs) int32, filled up with the
            blank, and `lengths` (n,) int32, the signs of each.
        """
        plan = self._plan_of(step // self.epoch_steps)
        bucket, members = plan[step % self.epoch_steps]
        rng = np.random.default_rng([self._seed, 1, step])
        labels = np.full((len(members), bucket.signs), BLANK, np.int32)
        for row, member in enumerate(members):
            labels[row, : len(self._labels[member])] = self._labels[member]
        heard = [self._hear(int(member), rng) for member in members]
        lengths = [len(self._labels[member]) for member in members]
        return {
            "features": fill_up(heard, bucket.frames),
            "frames": np.array([len(one) for one in heard], np.int32),
            "labels": labels,
            "lengths": np.array(lengths, np.int32),
        }

    def _hear(self, member: int, rng: np.random.Generator) -> Float32Array:
        """Features (frames, n_mels) of an utterance in one of its voices, perhaps in noise."""
        bank = self._banks[int(rng.integers(len(self._banks)))]
        power = np.exp(bank[member].astype(np.float32))
        noise = None
        if rng.random() < self._augment.noise_chance:
            noise = self._draw_noise(power.shape, rng)
        return augment_mel(power, noise, self._augment, spec=self._spec, rng=rng)

    def _draw_noise(self, shape: tuple[int, int], rng: np.random.Generator) -> Float32Array:
        frames, bands = shape
        if not self._noise or rng.random() < self._options.steady_chance:
            return stationary_noise(frames, bands, rng)
        rows = self._noise[rng.integers(len(self._noise))]
        start = int(rng.integers(max(len(rows) - frames, 0) + 1))
        part = np.exp(rows[start : start + frames].astype(np.float32))
        return np.resize(part, (frames, bands))

    def _find_usable(self, time_stride: int) -> NDArray[np.intp]:
        """Numbers of the utterances that are short enough and have steps for their signs."""
        shortest = np.min([bank.lengths for bank in self._banks], axis=0)
        needed = np.array([steps_needed(labels) for labels in self._labels])
        most = self._options.longest_s * 1000 / self._spec.hop_ms
        fits = (self._frames() <= most) & (shortest // time_stride >= needed) & (needed > 0)
        if not fits.any():
            raise DatasetError(
                f"Every utterance is longer than {self._options.longest_s:g} s, or has more signs"
                " than the network has steps for it."
            )
        return np.flatnonzero(fits)

    def _frames(self) -> NDArray[np.int64]:
        """Frames of each utterance in its longest voice."""
        return np.asarray(np.max([bank.lengths for bank in self._banks], axis=0), np.int64)

    def _make_buckets(self, usable: NDArray[np.intp]) -> list[_Bucket]:
        frames = self._frames()
        ordered = usable[np.argsort(frames[usable], kind="stable")]
        count = min(self._options.buckets, len(ordered))
        signs = np.array([len(labels) for labels in self._labels])
        return [
            _Bucket(
                members=part,
                frames=-(-int(frames[part].max()) // GRAIN) * GRAIN,
                signs=int(signs[part].max()),
            )
            for part in np.array_split(ordered, count)
        ]

    def _make_plan(self, epoch: int) -> list[tuple[_Bucket, NDArray[np.intp]]]:
        """The batches of an epoch: bucket, and the numbers of its utterances."""
        rng = np.random.default_rng([self._seed, 0, epoch])
        size = self._options.batch_size
        plan: list[tuple[_Bucket, NDArray[np.intp]]] = []
        for bucket in self._buckets:
            drawn = rng.permutation(bucket.members)
            full = np.resize(drawn, -(-len(drawn) // size) * size)
            plan += [(bucket, part) for part in full.reshape(-1, size)]
        return [plan[place] for place in rng.permutation(len(plan))]


def fill_up(features: Sequence[Float32Array], frames: int) -> Float32Array:
    """Fill features (less, n_mels) of each utterance up with zeros to (n, frames, n_mels)."""
    filled = np.zeros((len(features), frames, features[0].shape[1]), np.float32)
    for row, one in zip(filled, features, strict=True):
        row[: len(one)] = one
    return filled


def steps_needed(labels: NDArray[np.int32]) -> int:
    """Steps that a row of signs needs: one each, and a blank between equal ones."""
    return len(labels) + int(np.sum(labels[1:] == labels[:-1]))


def _is_audible(rows: NDArray[Any]) -> bool:
    return bool(np.exp(rows.astype(np.float32)).mean() > MIN_NOISE_POWER)
