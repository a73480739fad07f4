"""The voices in each ten seconds of a stream: when each speaks, and a vector of each.

A stream is looked at in windows that overlap, so that a voice is told apart by all that
surrounds it. Which voices of two windows are one is decided later (`speech.clusters`).
Samples are 16 kHz mono float32 in [-1, 1]. A frame lasts `align.segmentation.STEP_S`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from align.segmentation import STEP, STEP_S, WINDOW_S, segment_windows
from utils.arrays import RATE_HZ, BoolArray, Float32Array, IndexArray

_HOP_FRAMES = 148
HOP = _HOP_FRAMES * STEP
"""Samples from one window to the next: 2.5 s, so that four windows see each moment."""
_WINDOW = round(WINDOW_S * RATE_HZ)
# Windows that the network is given together
_TOGETHER = 4

# Less speech of one voice alone makes no vector, and more makes no better one
_LEAST_S = 0.4
_MOST = round(6.0 / STEP_S)

# Speech that another window embedded counts again, where so much of it is of the voice,
# and where it is so much of what would be embedded
_OF_VOICE = 0.8
_OF_SPEECH = 2 / 3

# Stretches of so much speech stand for themselves, between pauses of so much
_STRETCH_S = 1.0
_PAUSE_S = 0.2

# Frames so much weaker than the loud ones of a window are silent (power: 40 dB)
_SILENT = 1e-4
_LOUD_PERCENT = 95.0

# A frame's own samples begin here, counted from the first that it sees
_MIDDLE = 360

Embed = Callable[[Float32Array], Float32Array]
"""Speech (n,) of one voice to a vector (512,) of unit length."""


@dataclass(frozen=True)
class LocalVoice:
    """A voice within one window, or what it says between two pauses.

    Attributes:
        active: (frames,) whether it speaks.
        clean_s: seconds in which it speaks alone.
        vector: (512,) of what it says alone. None: that is too little.
        speaker: whom the network takes it for, within the window. Several stretches of
            one speaker may turn out to be two people.
    """

    active: BoolArray
    clean_s: float
    vector: Float32Array | None
    speaker: int = 0


@dataclass(frozen=True)
class VoiceWindow:
    """What is heard in a window.

    `first` counts frames of the stream up to the window, which has `frames` of them.
    """

    first: int
    frames: int
    voices: tuple[LocalVoice, ...]


class VoiceWindows:
    """Listens to one stream, however it is cut into blocks."""

    def __init__(self, embed: Embed) -> None:
        self._heard = _HeardSpeech(embed)
        # Samples from `_first` on, which is where the next window begins
        self._samples = np.zeros(0, np.float32)
        self._first = 0
        self._heard_until = 0

    def accept(self, samples: Float32Array) -> list[VoiceWindow]:
        """Take the next samples (n,) and return windows that are full."""
        self._samples = np.concatenate([self._samples, samples])
        windows: list[VoiceWindow] = []
        while self._count_full() >= _TOGETHER:
            windows += self._look_at(_TOGETHER)
        return windows

    def finish(self) -> list[VoiceWindow]:
        """End the stream and return the windows that are left. The last one ends with it."""
        windows = self._look_at(self._count_full())
        if self._first + len(self._samples) > self._heard_until:
            windows += self._look([self._samples])
        return windows

    def _count_full(self) -> int:
        """Count the windows that the samples fill."""
        return max(0, (len(self._samples) - _WINDOW) // HOP + 1)

    def _look_at(self, count: int) -> list[VoiceWindow]:
        """Look at the next full windows, and go on behind them."""
        if not count:
            return []
        starts = range(0, count * HOP, HOP)
        windows = self._look([self._samples[start : start + _WINDOW] for start in starts])
        self._heard_until = self._first + starts[-1] + _WINDOW
        self._samples = self._samples[count * HOP :]
        self._first += count * HOP
        return windows

    def _look(self, sounds: Sequence[Float32Array]) -> list[VoiceWindow]:
        """Look at windows of equal length (n,), the first of which begins at `_first`."""
        both = zip(sounds, segment_windows(np.stack(sounds)), strict=True)
        first = self._first // STEP
        return [
            _look_at_one(samples, active, first + n * _HOP_FRAMES, self._heard)
            for n, (samples, active) in enumerate(both)
        ]


class _HeardSpeech:
    """Speech of the last windows with its vectors.

    Windows overlap, so that most of what a voice says was embedded before. The network
    is asked once about it.
    """

    def __init__(self, embed: Embed) -> None:
        self._embed = embed
        # Frames of the stream (n,), and the vector of what is said in them
        self._last: list[tuple[IndexArray, Float32Array]] = []

    def embed(self, samples: Float32Array, clean: BoolArray, first: int) -> Float32Array:
        """Embed what one voice says alone in a window (n,).

        `clean` (frames,) says where that is, and `first` counts frames up to the window.
        Of long speech the end is embedded, which the next windows hear as well.
        """
        frames = np.flatnonzero(clean)
        self._last = [heard for heard in self._last if heard[0][-1] >= first]
        before = self._find(frames + first)
        if before is not None:
            return before
        part = np.zeros_like(clean)
        part[frames[-_MOST:]] = True
        vector = self._embed(
            np.concatenate([samples[start:end] for start, end in _samples_of(part)])
        )
        self._last.append((frames[-_MOST:] + first, vector))
        return vector

    def _find(self, frames: IndexArray) -> Float32Array | None:
        """Find the vector of nearly the same speech."""
        least = _OF_SPEECH * min(len(frames), _MOST)
        nearest: Float32Array | None = None
        for heard, vector in self._last:
            shared = len(np.intersect1d(heard, frames, assume_unique=True))
            if shared >= max(least, _OF_VOICE * len(heard)):
                least = shared
                nearest = vector
        return nearest


def _look_at_one(
    samples: Float32Array, active: BoolArray, first: int, heard: _HeardSpeech
) -> VoiceWindow:
    """Say what is heard in a window (n,) in which voices are `active` (frames, 3)."""
    silent = find_pauses(samples, len(active))
    alone = (active.sum(axis=1) == 1) & ~silent
    voices: list[LocalVoice] = []
    for speaker in np.flatnonzero(active.any(axis=0)):
        for stretch in cut_stretches(active[:, speaker], alone, silent):
            clean = stretch & alone
            clean_s = float(np.count_nonzero(clean) * STEP_S)
            enough = clean_s >= _LEAST_S
            vector = heard.embed(samples, clean, first) if enough else None
            voices.append(LocalVoice(stretch, clean_s, vector, int(speaker)))
    return VoiceWindow(first, len(active), tuple(voices))


def find_pauses(samples: Float32Array, frames: int) -> BoolArray:
    """Find the silent frames (frames,) of a window (n,) that make a pause together.

    Where one speaker follows another after a short pause, the network often hears one
    speaker throughout.
    """
    silent = np.zeros(frames, np.bool_)
    if not frames:
        return silent
    own = np.zeros(frames * STEP)
    given = samples[_MIDDLE : _MIDDLE + frames * STEP]
    own[: len(given)] = given
    power = np.square(own.reshape(frames, STEP)).mean(axis=1)
    weak = power <= _SILENT * np.percentile(power, _LOUD_PERCENT)
    for start, end in find_runs(weak):
        silent[start:end] = end - start >= round(_PAUSE_S / STEP_S)
    return silent


def cut_stretches(active: BoolArray, alone: BoolArray, silent: BoolArray) -> list[BoolArray]:
    """Cut what one speaker says (frames,) into stretches with pauses between them.

    Those with a second or more in which nobody else speaks stand for themselves. The
    others are one together. Pauses are where the speaker is not `active`, or all is
    `silent`.
    """
    long: list[BoolArray] = []
    rest = active.copy()
    for start, end in bridge(find_runs(active & ~silent), round(_PAUSE_S / STEP_S)):
        stretch = np.zeros_like(active)
        stretch[start:end] = active[start:end]
        if np.count_nonzero(stretch & alone) * STEP_S >= _STRETCH_S:
            long.append(stretch)
            rest &= ~stretch
    if len(long) <= 1:
        return [active]
    return [*long, rest] if rest.any() else long


def bridge(runs: list[tuple[int, int]], pause: int) -> list[tuple[int, int]]:
    """Join runs with fewer than `pause` rows between them."""
    bridged: list[tuple[int, int]] = []
    for start, end in runs:
        if bridged and start - bridged[-1][1] < pause:
            bridged[-1] = (bridged[-1][0], end)
        else:
            bridged.append((start, end))
    return bridged


def find_runs(active: BoolArray) -> list[tuple[int, int]]:
    """Find where `active` (n,) is true: the first row of each run, and the one after it."""
    edges = np.flatnonzero(np.diff(active.astype(np.int8), prepend=0, append=0))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _samples_of(active: BoolArray) -> Iterator[tuple[int, int]]:
    """Yield the samples of each run of frames."""
    for start, end in find_runs(active):
        yield start * STEP + _MIDDLE, end * STEP + _MIDDLE
