"""What voice batches are drawn from, and the chances of speakers, voices and channels."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from train.data.datasets import Listing, group_of
from train.voice.banks import Bank
from train.voice.targets import Targets
from utils.arrays import BoolArray, Float64Array
from utils.errors import DatasetError


@dataclass(frozen=True)
class SampleOptions:
    """What is drawn (table `[sampling]` of the configuration).

    Attributes:
        batch_size: Samples of a batch.
        crop_frames: The lengths that a batch may have.
        crop_start, crop_end: Chances of these lengths at the start and at the end of
            the schedule.
        speaker_power: A speaker's chance grows with the seconds there are of them to
            this power.
        group_weights: Factor on the chance of the speakers of a group
            (`train.data.datasets.group_of`), 1 where it is not named.
        voice_chances: Chance of each voice. Everybody must be in one with a chance: in
            the first if in no other.
        channel_chances: Chance of each channel, one for each of the voice with most.
            The others have the first alone.
        babble_chance: Part of the noisy crops whose noise is 3 to 6 other people
            talking.
        steady_chance: Part of them whose noise is synthetic and steady. The rest takes
            recorded noises.

    Raises:
        ValueError: A length has no chance, or none has one.
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

    def __post_init__(self) -> None:
        for name in ("crop_start", "crop_end"):
            chances = getattr(self, name)
            if len(chances) != len(self.crop_frames) or sum(chances) <= 0:
                raise ValueError(
                    f"{name} must be one chance for each of crop_frames, and one above 0."
                    f" Received: {name}={chances}, crop_frames={self.crop_frames}"
                )


@dataclass(frozen=True)
class VoiceSources:
    """What batches are drawn from.

    Attributes:
        listing: The training files.
        banks: For each voice, feature banks of `listing` through one channel or more.
            The first of the first voice holds every file. Others may leave speakers
            out, who then are not drawn from there.
        noise: Log-mel powers of noise files, empty for none.
        targets: The teacher's targets for the same voices, None without a teacher.
        prosodies: How many of the last voices are the first voice's people with another
            prosody: of the same classes.
    """

    listing: Listing
    banks: Sequence[Sequence[Bank]]
    noise: Sequence[NDArray[Any]] = ()
    targets: Targets | None = None
    prosodies: int = 0


@dataclass(frozen=True)
class Speakers:
    """The speakers of a listing.

    Attributes:
        files: Numbers of the files of each.
        held: By voice and channel, (speakers,) whether the bank holds all files of
            each.
        shortest: (speakers,) frames of the only file in its shortest rendering, 0 where
            there are more files.
        classes: (voices, speakers) class numbers, -1 where a voice has no class.
    """

    files: list[NDArray[np.int64]]
    held: list[list[BoolArray]]
    shortest: NDArray[np.int64]
    classes: NDArray[np.int64]


def sort_speakers(sources: VoiceSources) -> Speakers:
    ids = np.array(sources.listing.label_ids())
    order = np.argsort(ids, kind="stable")
    files = np.split(order, np.flatnonzero(np.diff(ids[order])) + 1)
    held = [_holds_by_channel(channels, files) for channels in sources.banks]
    # Each voice but the prosodies is a speaker of its own.
    own = len(sources.banks) - sources.prosodies
    spoken = np.array([channels[0] for channels in held[:own]])
    classes = np.where(spoken, np.cumsum(spoken).reshape(spoken.shape) - 1, -1)
    return Speakers(
        files=files,
        held=held,
        shortest=np.array([_shortest_frames(sources.banks, numbers) for numbers in files]),
        classes=np.concatenate([classes, *[classes[:1]] * sources.prosodies]),
    )


def _holds_by_channel(
    channels: Sequence[Bank], files: Sequence[NDArray[np.int64]]
) -> list[BoolArray]:
    return [_holds(bank, files) for bank in channels]


def _holds(bank: Bank, files: Sequence[NDArray[np.int64]]) -> BoolArray:
    return np.array([bank.lengths[numbers].all() for numbers in files])


def _shortest_frames(banks: Sequence[Sequence[Bank]], files: NDArray[np.int64]) -> int:
    """Frames of a speaker's only file in its shortest rendering, 0 for several files."""
    if len(files) > 1:
        return 0
    lengths = [int(bank.lengths[files[0]]) for bank in itertools.chain.from_iterable(banks)]
    return min((length for length in lengths if length), default=0)


def speaker_chances(sources: VoiceSources, options: SampleOptions) -> Float64Array:
    lengths = sources.banks[0][0].lengths.astype(np.float64)
    seconds = np.bincount(sources.listing.label_ids(), weights=lengths)
    weights = [options.group_weights.get(group_of(label), 1.0) for label in sources.listing.labels]
    return np.asarray(seconds**options.speaker_power * weights, np.float64)


def check_chances(options: SampleOptions, banks: Sequence[Sequence[Bank]]) -> None:
    """Check that there is a chance for each voice and channel.

    A voice or channel without a chance would never be heard, and a chance without one
    would end the training.
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


def check_heard(options: SampleOptions, held: Sequence[Sequence[BoolArray]]) -> None:
    """Check that everybody is in a voice and channel with a chance.

    Otherwise `VoiceBatches` would look for them without an end. `held` says who is
    there, by voice and channel.
    """
    chances = options.channel_chances
    heard: list[BoolArray] = []
    for chance, channels in zip(options.voice_chances, held, strict=True):
        if chance > 0:
            pairs = zip(chances, channels, strict=False)
            heard += [mask for other, mask in pairs if other > 0]
    is_mute = any(sum(chances[: len(channels)]) == 0 for channels in held)
    is_negative = min(*options.voice_chances, *chances) < 0
    if is_negative or is_mute or not heard or not np.any(heard, axis=0).all():
        raise DatasetError(
            "voice_chances and channel_chances must not be negative, and let everybody be heard."
            f" Received: voice_chances={options.voice_chances},"
            f" channel_chances={options.channel_chances}",
            "Give the first of both a chance above 0.",
        )


def upper_edges(chances: ArrayLike) -> Float64Array:
    """Upper edges in [0, 1] of intervals as wide as the chances, for `searchsorted`."""
    edges = np.cumsum(np.asarray(chances, np.float64))
    return edges[:-1] / edges[-1]
