"""Batches of voice training: speaker, file, channel, crop, noise and teacher's target.

Every sample is drawn on its own: a speaker, a voice, a channel, a file and a crop.

- A speaker is drawn by a power of the seconds there are of them. So the many speakers
  with few seconds neither vanish nor outnumber the others.
- Each voice is a speaker of its own, with a class number of its own. Prosodies are the
  first voice's people again.
- A crop longer than its file goes on with other files of the same speaker.

A batch is a pure function of (seed, step, progress).

A speaker with one file is drawn from disjoint parts of it where a batch draws them
several times, in whatever voice and channel. There are as many parts as such samples,
or as crops fit into the file in its shortest voice. Of a file with room for two, a
third sample shares the part of one of them. A file shorter than two crops is one part.
A crop that finds too little in its part (pauses are trimmed) begins it again.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from network.frontends.features import Spec, features_of_power
from train.data.datasets import group_of
from train.voice.augment import MelAugment, augment_mel, speech_frames, stationary_noise
from train.voice.banks import Bank
from train.voice.sampling import (
    SampleOptions,
    VoiceSources,
    check_chances,
    check_heard,
    sort_speakers,
    speaker_chances,
    upper_edges,
)
from train.voice.targets import CropParts
from utils.arrays import Float32Array
from utils.errors import DatasetError

Part = tuple[float, float]
"""A stretch of a file: from and to, as shares of its length."""
WHOLE: Part = (0.0, 1.0)
# Files of a speaker that a mean over speech is taken from, at most.
SOME_FILES = 4
# Quieter noise files are digital silence and codec residue.
MIN_NOISE_POWER = 1e-7


@dataclass(frozen=True)
class _Sample:
    features: list[Float32Array]
    clean: Float32Array
    label: int
    target: Float32Array


class VoiceBatches:
    """Draws batches from feature banks.

    Raises:
        DatasetError: There are fewer than 2 speakers, other voices or channels than
            chances, or a batch that its views do not share evenly.
    """

    def __init__(
        self,
        sources: VoiceSources,
        options: SampleOptions,
        augment: MelAugment,
        spec: Spec,
        *,
        seed: int,
        clean: bool = False,
        views: int = 1,
    ) -> None:
        """Sort the files by speaker and check that everybody can be drawn.

        `clean` asks for the crops without variation too, through the first channel.
        Each crop is heard in as many `views`, through channels and with variations of
        their own. They are different samples of a batch.
        """
        self._with_clean = clean
        self._views = views
        self.speakers = sources.listing.labels
        if len(self.speakers) < 2:
            raise DatasetError(
                f"Training needs at least 2 speakers. Received: {len(self.speakers)}"
            )
        if options.batch_size % views:
            raise DatasetError(
                f"batch_size must be a multiple of views. Received: {options.batch_size}, {views}"
            )
        check_chances(options, sources.banks)
        self._banks = sources.banks
        self._targets = sources.targets
        self._noise = [rows for rows in sources.noise if _is_audible(rows)]
        self._options = options
        self._augment = augment
        self._spec = spec
        self._seed = seed
        self.epoch_steps = math.ceil(len(sources.listing.items) / options.batch_size)
        self._drawn = sort_speakers(sources)
        check_heard(options, self._drawn.held)
        self._speaker_edges = upper_edges(speaker_chances(sources, options))
        self._voice_edges = upper_edges(options.voice_chances)
        self._channel_edges = [
            upper_edges(options.channel_chances[: len(channels)]) for channels in sources.banks
        ]

    @property
    def classes(self) -> int:
        """Number of classes: the voices of all speakers."""
        return int(self._drawn.classes.max()) + 1

    @property
    def target_size(self) -> int:
        """Length of the teacher's embeddings, 0 without a teacher."""
        return 0 if self._targets is None else self._targets.size

    def utterances(self, groups: Collection[str], frames: int) -> dict[str, list[Float32Array]]:
        """Clean speech of the first voice, by group.

        The beginnings of at most `SOME_FILES` files of each speaker of `groups`, as
        features (at most `frames`, n_mels).
        """
        speech: dict[str, list[Float32Array]] = {}
        for speaker, files in zip(self.speakers, self._drawn.files, strict=True):
            group = group_of(speaker)
            if group not in groups:
                continue
            for number in files[:SOME_FILES]:
                rows = self._banks[0][0][int(number)][:frames]
                power = np.exp(rows.astype(np.float32))
                speech.setdefault(group, []).append(features_of_power(power, self._spec))
        return speech

    def first_utterances(self, frames: int) -> list[Float32Array]:
        """Clean speech of each speaker: the beginning of the longest file, as features."""
        bank = self._banks[0][0]
        longest = [files[np.argmax(bank.lengths[files])] for files in self._drawn.files]
        rows = [bank[int(number)][:frames].astype(np.float32) for number in longest]
        return [features_of_power(np.exp(part), self._spec) for part in rows]

    def batch(self, step: int, progress: float) -> dict[str, NDArray[Any]]:
        """Draw batch number `step`.

        Returns:
            `features` (n, frames, n_mels) float32, `label` (n,) int32 and, with a
            teacher, `target` (n, d) float32 (zeros where there is none). `clean` holds
            the features of the crops without variation, where it is asked for: once
            for all views, whose samples follow one view after the other.
        """
        rng = np.random.default_rng([self._seed, step])
        frames = self._draw_length(progress, rng)
        drawn = rng.random(self._options.batch_size // self._views)
        speakers = np.searchsorted(self._speaker_edges, drawn, side="right")
        parts = self._disjoint_parts(speakers, frames, rng)
        samples = [
            self._sample(int(speaker), part, frames, rng)
            for speaker, part in zip(speakers, parts, strict=True)
        ]
        batch: dict[str, NDArray[Any]] = {
            "features": _by_view([sample.features for sample in samples]),
            "label": np.tile(np.array([sample.label for sample in samples], np.int32), self._views),
        }
        if self._with_clean:
            batch["clean"] = np.stack([sample.clean for sample in samples])
        if self._targets is not None:
            targets = np.stack([sample.target for sample in samples])
            batch["target"] = np.tile(targets.astype(np.float32), (self._views, 1))
        return batch

    def _draw_length(self, progress: float, rng: np.random.Generator) -> int:
        start = np.array(self._options.crop_start)
        end = np.array(self._options.crop_end)
        chances = (1 - progress) * start + progress * end
        return int(rng.choice(self._options.crop_frames, p=chances / chances.sum()))

    def _disjoint_parts(
        self, speakers: NDArray[np.int64], frames: int, rng: np.random.Generator
    ) -> list[Part]:
        """The part of its file that each sample may be cut from (see the module)."""
        parts = [WHOLE] * len(speakers)
        for speaker, drawn in zip(*np.unique(speakers, return_counts=True), strict=True):
            room = min(int(drawn), int(self._drawn.shortest[speaker]) // frames)
            if room > 1:
                order = np.resize(rng.permutation(room), drawn)
                for sample, number in zip(np.flatnonzero(speakers == speaker), order, strict=True):
                    parts[sample] = (number / room, (number + 1) / room)
        return parts

    def _sample(self, speaker: int, part: Part, frames: int, rng: np.random.Generator) -> _Sample:
        voice, channel = self._draw_voice(speaker, rng)
        bank = self._banks[voice][channel]
        power, parts = self._crop(bank, self._drawn.files[speaker], frames, rng=rng, part=part)
        views = [self._vary(speaker, power, rng)]
        for _ in range(self._views - 1):
            channel = self._draw_channel(voice, speaker, rng)
            views.append(self._vary(speaker, _rows(self._banks[voice][channel], parts), rng))
        target = np.zeros(0, np.float32)
        if self._targets is not None:
            target = self._targets.of_crop(voice, parts)
        return _Sample(
            features=views,
            clean=features_of_power(_rows(self._banks[voice][0], parts), self._spec),
            label=int(self._drawn.classes[voice, speaker]),
            target=target,
        )

    def _vary(self, speaker: int, power: Float32Array, rng: np.random.Generator) -> Float32Array:
        """Features of (frames, n_mels) powers of a speaker, with a variation."""
        noise = None
        if rng.random() < self._augment.noise_chance:
            noise = self._draw_noise(speaker, len(power), rng)
        return augment_mel(power, noise, self._augment, spec=self._spec, rng=rng)

    def _draw_voice(self, speaker: int, rng: np.random.Generator) -> tuple[int, int]:
        """Draw a voice and a channel until the bank holds the speaker."""
        while True:
            voice = int(np.searchsorted(self._voice_edges, rng.random(), side="right"))
            channel = int(np.searchsorted(self._channel_edges[voice], rng.random(), side="right"))
            if self._drawn.held[voice][channel][speaker]:
                return voice, channel

    def _draw_channel(self, voice: int, speaker: int, rng: np.random.Generator) -> int:
        """Draw a channel of a voice until the bank holds the speaker."""
        while True:
            channel = int(np.searchsorted(self._channel_edges[voice], rng.random(), side="right"))
            if self._drawn.held[voice][channel][speaker]:
                return channel

    def _crop(
        self,
        bank: Bank,
        files: NDArray[np.int64],
        frames: int,
        *,
        rng: np.random.Generator,
        part: Part = WHOLE,
    ) -> tuple[Float32Array, CropParts]:
        """Cut mel powers (frames, n_mels) from a part of a random file.

        The crop goes on with other files (or the same again) up to `frames`. Returns
        its files too, with the frames of each.
        """
        rows: list[NDArray[Any]] = []
        parts: list[tuple[int, NDArray[np.int64]]] = []
        missing = frames
        queue = rng.permutation(files)
        trim = rng.random() < self._augment.trim_chance
        while missing > 0:
            number = int(queue[len(parts) % len(queue)])
            powers = bank[number]
            first, end = (round(share * len(powers)) for share in part)
            if trim:
                usable = speech_frames(powers[first:end], self._augment, rng) + first
            else:
                usable = np.arange(first, end)
            start = int(rng.integers(max(len(usable) - missing, 0) + 1))
            usable = usable[start : start + missing]
            rows.append(powers[usable])
            parts.append((number, usable))
            missing -= len(usable)
        return np.exp(np.concatenate(rows).astype(np.float32)), parts

    def _draw_noise(self, speaker: int, frames: int, rng: np.random.Generator) -> Float32Array:
        babble = self._options.babble_chance
        made_up = babble + self._options.steady_chance
        kind = rng.random() * (1.0 if self._noise else made_up)
        if kind < babble:
            return self._babble(speaker, frames, rng)
        if kind < made_up:
            return stationary_noise(frames, self._spec.n_mels, rng)
        rows = self._noise[rng.integers(len(self._noise))]
        start = int(rng.integers(max(len(rows) - frames, 0) + 1))
        part = np.exp(rows[start : start + frames].astype(np.float32))
        return np.resize(part, (frames, part.shape[1]))

    def _babble(self, speaker: int, frames: int, rng: np.random.Generator) -> Float32Array:
        """Mel powers of 3 to 6 people talking, none of them `speaker`.

        Otherwise a person would be heard, and named, in their own noise.
        """
        files = self._drawn.files
        total = np.zeros((frames, self._spec.n_mels), np.float32)
        for _ in range(int(rng.integers(3, 7))):
            other = (speaker + rng.integers(1, len(files))) % len(files)
            voice, _ = self._crop(self._banks[0][0], files[other], frames, rng=rng)
            total += voice / max(float(voice.mean()), 1e-20)
        return total


def _by_view(samples: Sequence[Sequence[Float32Array]]) -> Float32Array:
    """Views of each sample (frames, n_mels) as (views * samples, frames, n_mels)."""
    return np.concatenate([np.stack(view) for view in zip(*samples, strict=True)])


def _rows(bank: Bank, parts: CropParts) -> Float32Array:
    """Mel powers (frames, n_mels) of a crop, through the channel of a bank.

    A codec may take the last frame of a file.
    """
    rows = [_frames(bank[number], usable) for number, usable in parts]
    return np.exp(np.concatenate(rows).astype(np.float32))


def _frames(powers: NDArray[Any], usable: NDArray[np.int64]) -> NDArray[Any]:
    return powers[np.minimum(usable, len(powers) - 1)]


def _is_audible(rows: NDArray[Any]) -> bool:
    return bool(np.exp(rows.astype(np.float32)).mean() > MIN_NOISE_POWER)
