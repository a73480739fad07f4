"""Batches of voice training: which speaker, which file, through which channel, which
crop, what noise, and the teacher's embedding of it.

Every sample is drawn on its own: a speaker (by a power of the seconds there are of
them, so that the many speakers with few seconds neither vanish nor drown the others), a
voice (each one a speaker of its own, with a class number of its own; but prosodies are
the first voice's people again), a channel, a file and a crop. A crop longer than its
file goes on with other files of the same speaker. A batch is a pure function of (seed,
step, progress).

Whoever has one file alone is drawn from disjoint parts of it where a batch draws them
several times, in whatever voice and channel. There are as many parts as there are such
samples, or as crops fit into the file in its shortest voice: of a file with room for
two, a third sample shares the part of one of them; a file shorter than two crops is one
part. A crop that finds too little in its part (pauses are trimmed) begins it again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from network.frontends.log_mel import FrontendSpec, normalise
from train.data.datasets import Listing
from train.voice.augment import MelAugment, augment_mel, speech_frames, stationary_noise
from train.voice.banks import Bank, group_of
from train.voice.targets import TeacherTargets
from utils.arrays import BoolArray, Float32Array, Float64Array
from utils.errors import DatasetError

Part = tuple[float, float]
"""A stretch of a file: from and to, as shares of its length."""
WHOLE: Part = (0.0, 1.0)
SOME_FILES = 4  # of a speaker, where a mean over speech is taken
MIN_NOISE_POWER = 1e-7  # quieter noise files are digital silence and codec residue


@dataclass(frozen=True)
class SampleOptions:
    """What is drawn (table `[sampling]` of the configuration).

    Attributes:
        batch_size: samples of a batch.
        crop_frames: the lengths that a batch may have.
        crop_start, crop_end: chances of these lengths at the start and at the end of
            the schedule.
        speaker_power: a speaker's chance grows with the seconds there are of them to
            this power.
        group_weights: factor on the chance of the speakers of a group
            (`voice_data.group_of`); 1 where it is not named.
        voice_chances: chance of each voice. Everybody must be in one with a chance: in
            the first if in no other.
        channel_chances: chance of each channel, one for each of the voice with most;
            the others have the first alone.
        babble_chance: part of the noisy crops whose noise is 3-6 other people talking.
        steady_chance: part of them whose noise is made up and steady; the rest takes
            recorded noises.
    """

    batch_size: int = 64
    crop_frames: tuple[int, ...] = (160, 200, 280, 400)
    crop_start: tuple[float, ...] = (0.4, 0.4, 0.2, 0.0)
    crop_end: tuple[float, ...] = (0.15, 0.3, 0.35, 0.2)
    speaker_power: float = 0.75
    group_weights: Mapping[str, float] = field(default_factory=dict)
    voice_chances: tuple[float, ...] = (0.5, 0.25, 0.25)
    channel_chances: tuple[float, ...] = (0.4, 0.2, 0.2, 0.2)
    babble_chance: float = 0.25
    steady_chance: float = 0.25


class VoiceBatches:
    """Draws batches from feature banks.

    Args:
        listing: the training files.
        banks: for each voice, feature banks of `listing` through one channel or more.
            The first of the first voice holds every file; others may leave speakers
            out, who then are not drawn from there.
        noise: feature bank of the noise files; empty for none.
        targets: what the teacher says, of the same voices; None without a teacher.
        options, augment, spec, seed: see the classes.
        prosodies: how many of the last voices are the first voice's people with another
            prosody: of the same classes.

    Raises:
        DatasetError: fewer than 2 speakers, or chances of other voices or channels than
            there are.
    """

    def __init__(
        self,
        listing: Listing,
        banks: Sequence[Sequence[Bank]],
        noise: Sequence[NDArray[Any]],
        targets: TeacherTargets | None,
        options: SampleOptions,
        augment: MelAugment,
        spec: FrontendSpec,
        seed: int,
        prosodies: int = 0,
    ) -> None:
        self.speakers = listing.labels
        if len(self.speakers) < 2:
            raise DatasetError(
                f"Training needs at least 2 speakers. Received: {len(self.speakers)}"
            )
        _check_chances(options, banks)
        self._banks = banks
        self._targets = targets
        self._seed = seed
        self._noise = [
            rows for rows in noise if np.exp(rows.astype(np.float32)).mean() > MIN_NOISE_POWER
        ]
        self._options = options
        self._augment = augment
        self._spec = spec
        ids = np.array(listing.label_ids())
        order = np.argsort(ids, kind="stable")
        self._files = np.split(order, np.flatnonzero(np.diff(ids[order])) + 1)
        self._held = [
            [np.array([bank.lengths[files].all() for files in self._files]) for bank in channels]
            for channels in banks
        ]
        _check_heard(options, self._held)
        seconds = np.bincount(ids, weights=banks[0][0].lengths.astype(np.float64))
        groups = [group_of(label) for label in self.speakers]
        self._speaker_edges = _edges(
            seconds**options.speaker_power
            * [options.group_weights.get(group, 1.0) for group in groups]
        )
        self._voice_edges = _edges(options.voice_chances)
        self._channel_edges = [
            _edges(options.channel_chances[: len(channels)]) for channels in banks
        ]
        spoken = np.array([channels[0] for channels in self._held[: len(banks) - prosodies]])
        # Frames of the only file, in its shortest rendering; 0: there are more
        self._shortest = np.zeros(len(self._files), np.int64)
        for speaker, files in enumerate(self._files):
            if len(files) == 1:
                self._shortest[speaker] = min(
                    (n for channels in banks for bank in channels if (n := bank.lengths[files[0]])),
                    default=0,
                )
        classes = np.where(spoken, np.cumsum(spoken).reshape(spoken.shape) - 1, -1)
        self._classes = np.concatenate([classes, *[classes[:1]] * prosodies])

    @property
    def classes(self) -> int:
        """Number of classes: the voices of all speakers."""
        return int(self._classes.max()) + 1

    @property
    def target_size(self) -> int:
        """Length of the teacher's embeddings; 0 without a teacher."""
        return 0 if self._targets is None else self._targets.size

    def utterances(self, groups: Collection[str], frames: int) -> dict[str, list[Float32Array]]:
        """The beginnings of at most `SOME_FILES` files of each speaker of `groups`,
        clean and in the first voice: features (at most `frames`, n_mels) by group.
        """
        found: dict[str, list[Float32Array]] = {}
        for speaker, files in zip(self.speakers, self._files, strict=True):
            if (group := group_of(speaker)) in groups:
                powers = (
                    np.exp(self._banks[0][0][int(number)][:frames].astype(np.float32))
                    for number in files[:SOME_FILES]
                )
                found.setdefault(group, []).extend(normalise(power, self._spec) for power in powers)
        return found

    def batch(self, step: int, progress: float) -> dict[str, NDArray[Any]]:
        """`features` (n, frames, n_mels) float32, `label` (n,) int32 and, with a
        teacher, `target` (n, d) float32 (zeros: none).
        """
        rng = np.random.default_rng([self._seed, step])
        frames = self._length(progress, rng)
        speakers = np.searchsorted(
            self._speaker_edges, rng.random(self._options.batch_size), side="right"
        )
        parts = self._parts(speakers, frames, rng)
        samples = [
            self._sample(int(speaker), part, frames, rng)
            for speaker, part in zip(speakers, parts, strict=True)
        ]
        batch: dict[str, NDArray[Any]] = {
            "features": np.stack([features for features, _, _ in samples]),
            "label": np.array([label for _, label, _ in samples], np.int32),
        }
        if self._targets is not None:
            batch["target"] = np.stack([target for _, _, target in samples]).astype(np.float32)
        return batch

    def _length(self, progress: float, rng: np.random.Generator) -> int:
        start = np.array(self._options.crop_start)
        end = np.array(self._options.crop_end)
        chances = (1 - progress) * start + progress * end
        return int(rng.choice(self._options.crop_frames, p=chances / chances.sum()))

    def _parts(
        self, speakers: NDArray[np.int64], frames: int, rng: np.random.Generator
    ) -> list[Part]:
        """What each sample may be cut from: see the head of the module."""
        parts = [WHOLE] * len(speakers)
        for speaker, drawn in zip(*np.unique(speakers, return_counts=True), strict=True):
            room = min(int(drawn), int(self._shortest[speaker]) // frames)
            if room > 1:
                order = np.resize(rng.permutation(room), drawn)
                for sample, number in zip(np.flatnonzero(speakers == speaker), order, strict=True):
                    parts[sample] = (number / room, (number + 1) / room)
        return parts

    def _sample(
        self, speaker: int, part: Part, frames: int, rng: np.random.Generator
    ) -> tuple[Float32Array, int, Float32Array]:
        voice, channel = self._draw_voice(speaker, rng)
        power, parts = self._crop(
            self._banks[voice][channel], self._files[speaker], frames, rng, part
        )
        noise = (
            self._draw_noise(speaker, frames, rng)
            if rng.random() < self._augment.noise_chance
            else None
        )
        features = augment_mel(power, noise, self._augment, self._spec, rng)
        target = (
            np.zeros(0, np.float32)
            if self._targets is None
            else self._targets.of_crop(voice, parts)
        )
        return features, int(self._classes[voice, speaker]), target

    def _draw_voice(self, speaker: int, rng: np.random.Generator) -> tuple[int, int]:
        """Voice and channel, drawn until the bank holds the speaker."""
        while True:
            voice = int(np.searchsorted(self._voice_edges, rng.random(), side="right"))
            channel = int(np.searchsorted(self._channel_edges[voice], rng.random(), side="right"))
            if self._held[voice][channel][speaker]:
                return voice, channel

    def _crop(
        self,
        bank: Bank,
        files: NDArray[np.int64],
        frames: int,
        rng: np.random.Generator,
        part: Part = WHOLE,
    ) -> tuple[Float32Array, list[tuple[int, NDArray[np.int64]]]]:
        """Mel powers of a random crop of (that part of) a random file, continued with
        other files (or the same again) up to `frames`.

        The second value says what it is made of: files, and which frames of each.
        """
        parts: list[NDArray[Any]] = []
        used: list[tuple[int, NDArray[np.int64]]] = []
        missing = frames
        queue = rng.permutation(files)
        trim = rng.random() < self._augment.trim_chance
        while missing > 0:
            number = int(queue[len(used) % len(queue)])
            rows = bank[number]
            first, end = (round(share * len(rows)) for share in part)
            kept = (
                speech_frames(rows[first:end], self._augment, rng) + first
                if trim
                else np.arange(first, end)
            )
            start = int(rng.integers(max(len(kept) - missing, 0) + 1))
            kept = kept[start : start + missing]
            parts.append(rows[kept])
            used.append((number, kept))
            missing -= len(kept)
        return np.exp(np.concatenate(parts).astype(np.float32)), used

    def _draw_noise(self, speaker: int, frames: int, rng: np.random.Generator) -> Float32Array:
        kind = rng.random() * (
            1.0 if self._noise else self._options.babble_chance + self._options.steady_chance
        )
        if kind < self._options.babble_chance:
            return self._babble(speaker, frames, rng)
        if kind < self._options.babble_chance + self._options.steady_chance:
            return stationary_noise(frames, self._spec.n_mels, rng)
        rows = self._noise[rng.integers(len(self._noise))]
        start = int(rng.integers(max(len(rows) - frames, 0) + 1))
        part = np.exp(rows[start : start + frames].astype(np.float32))
        return np.resize(part, (frames, part.shape[1]))

    def _babble(self, speaker: int, frames: int, rng: np.random.Generator) -> Float32Array:
        """People talking, anybody but `speaker`: they would be heard, and named, in
        their own noise.
        """
        total = np.zeros((frames, self._spec.n_mels), np.float32)
        for _ in range(int(rng.integers(3, 7))):
            files = self._files[(speaker + rng.integers(1, len(self._files))) % len(self._files)]
            voice, _ = self._crop(self._banks[0][0], files, frames, rng)
            total += voice / max(float(voice.mean()), 1e-20)
        return total


def _check_chances(options: SampleOptions, banks: Sequence[Sequence[Bank]]) -> None:
    """A voice or channel without a chance would never be heard, and a chance without
    one ends a training.
    """
    most = max(len(channels) for channels in banks)
    if len(options.voice_chances) != len(banks):
        raise DatasetError(
            f"voice_chances must be one chance for each of the {len(banks)} voices. Received:"
            f" voice_chances={options.voice_chances}",
            "Change it in [sampling], or speeds, disguises and prosody in [data].",
        )
    if len(options.channel_chances) < most:
        raise DatasetError(
            f"channel_chances must be one chance for each of the {most} channels. Received:"
            f" channel_chances={options.channel_chances}",
            "Change it in [sampling], or channels and fluent_channels in [data].",
        )


def _check_heard(options: SampleOptions, held: Sequence[Sequence[BoolArray]]) -> None:
    """Whoever is in no voice and channel that has a chance would be looked for without
    an end. `held`: who is there, by voice and channel.
    """
    heard = [
        mask
        for chance, channels in zip(options.voice_chances, held, strict=True)
        if chance > 0
        for other, mask in zip(options.channel_chances, channels, strict=False)
        if other > 0
    ]
    mute = any(sum(options.channel_chances[: len(channels)]) == 0 for channels in held)
    if (
        min(*options.voice_chances, *options.channel_chances) < 0
        or mute
        or not heard
        or not np.any(heard, axis=0).all()
    ):
        raise DatasetError(
            "voice_chances and channel_chances must not be negative, and let everybody be heard."
            f" Received: voice_chances={options.voice_chances},"
            f" channel_chances={options.channel_chances}",
            "Give the first of both a chance above 0.",
        )


def _edges(chances: ArrayLike) -> Float64Array:
    """Upper edges in [0, 1] of intervals as wide as the chances; for `searchsorted` on
    a uniform number.
    """
    edges = np.cumsum(np.asarray(chances, np.float64))
    return edges[:-1] / edges[-1]
