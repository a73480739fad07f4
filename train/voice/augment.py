"""Variation of training speech at each step: noise, band, echo, masks, direction.

It works on mel powers, where it is cheap arithmetic. Noise powers add to speech powers
(the cross term is zero on average), and a low-pass is the loss of the upper mel bands.
SpecAugment is by Park et al. 2019. Waveforms are varied before a training, see
`train/voice/channels.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from network.frontends.features import Spec, features_of_power
from network.frontends.log_mel import FrontendSpec
from utils.arrays import BoolArray, Float32Array

# What is left of a band that a channel does not pass, as powers of ten of its power.
# The least is below every floor. More than the floor would keep all that was said there,
# as features are normalised by band.
LOST = (-12.0, -6.0)


@dataclass(frozen=True)
class MelAugment:
    """Strength of the variations of a crop (table `[augment]` of the configuration).

    Attributes:
        noise_chance: Part of the crops that noise or babble is added to.
        snr_db: Lowest and highest signal-to-noise ratio.
        trim_chance: Part of the crops that are taken from speech without its pauses, as
            a voice activity detector leaves it.
        trim_db: How far below the file's loudest frame a frame counts as a pause:
            lowest and highest.
        floor_db: Lowest and highest dynamic range of the features. The depth of pauses
            is a mark of the recording, not of the person. A network that never meets
            another depth learns it as the person's.
        echo_chance: Part of the crops that get the reverberation of a room.
        phone_chance: Part of the crops that come through a telephone line.
        band_chance: Part of the crops that lose the bands above (rarely: below) a
            random edge.
        tilt_db: Largest gain of the random spectral tilt between lowest and highest
            band, relative to floor and noise.
        time_masks, time_mask_frames: SpecAugment's number of masks and their largest
            length.
        band_masks, band_mask_bands: The same for mel bands.
        reversed_chance: Part of the crops that are heard backwards: the same voice
            without words.

    Raises:
        ValueError: A lowest is above its highest.
    """

    noise_chance: float = 0.7
    snr_db: tuple[float, float] = (0.0, 30.0)
    trim_chance: float = 0.5
    trim_db: tuple[float, float] = (20.0, 40.0)
    floor_db: tuple[float, float] = (45.0, 75.0)
    echo_chance: float = 0.0
    phone_chance: float = 0.0
    band_chance: float = 0.15
    tilt_db: float = 15.0
    time_masks: int = 1
    time_mask_frames: int = 20
    band_masks: int = 1
    band_mask_bands: int = 10
    reversed_chance: float = 0.0

    def __post_init__(self) -> None:
        for name in ("snr_db", "trim_db", "floor_db"):
            lowest, highest = getattr(self, name)
            if lowest > highest:
                raise ValueError(
                    f"{name} must be a lowest and a highest. Received: {name}={lowest}, {highest}"
                )


def augment_mel(
    power: Float32Array,
    noise: Float32Array | None,
    options: MelAugment,
    *,
    spec: Spec,
    rng: np.random.Generator,
) -> Float32Array:
    """Turn the mel powers of a crop into varied features for the network.

    Args:
        power: (frames, n_mels) mel power of the crop.
        noise: (frames, n_mels) mel power of a noise at any level, None for no noise.
        options: Strengths.
        spec: The front end. Its normalisation ends the chain, with a random floor.
            Masks (0, which is the mean) and reversal follow: the service also hears a
            clip backwards with its echo.
        rng: Source of all chance. A chance of 0 draws nothing.
    """
    if options.echo_chance and rng.random() < options.echo_chance:
        power = echo(power, spec.hop_ms, rng)
    if noise is not None:
        power = add_noise(power, noise, rng.uniform(*options.snr_db))
    if options.phone_chance and rng.random() < options.phone_chance:
        power = narrow_band(power, rng)
    power = power * _tilt(power.shape[1], options.tilt_db, rng)
    if rng.random() < options.band_chance:
        power = cut_band(power, rng)
    if isinstance(spec, FrontendSpec):
        spec = replace(spec, floor_db=float(rng.uniform(*options.floor_db)))
    features = mask(features_of_power(power, spec), options, rng)
    if options.reversed_chance and rng.random() < options.reversed_chance:
        return features[::-1]
    return features


def _tilt(bands: int, most_db: float, rng: np.random.Generator) -> Float32Array:
    gain_db = rng.uniform(-1, 1) * most_db
    return np.power(10, gain_db / 10 * np.linspace(-0.5, 0.5, bands)).astype(np.float32)


def speech_frames(
    rows: NDArray[np.float16], options: MelAugment, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Numbers of those of (frames, n_mels) log powers that are no pauses.

    They lie above a random threshold, or 0 to 20 frames away from such a frame.
    """
    energy_db = 10 * np.log10(np.exp(rows.astype(np.float32)).sum(axis=1) + 1e-12)
    speech = energy_db > energy_db.max() - rng.uniform(*options.trim_db)
    return np.flatnonzero(widen(speech, int(rng.choice((0, 3, 8, 20)))))


def widen(marked: BoolArray, reach: int) -> BoolArray:
    """Mark everything up to `reach` places away from a mark, too. (n,), n of any length."""
    # Not "same", which is as long as the longer of both.
    spread = np.convolve(marked, np.ones(2 * reach + 1), "full")
    return spread[reach : reach + len(marked)] > 0.5


def echo(power: Float32Array, hop_ms: float, rng: np.random.Generator) -> Float32Array:
    """Add the late reverberation of a random room to (frames, n_mels) powers.

    It has an RT60 of 0.2 to 0.9 s and lies 15 dB below to 3 dB above the speech.
    """
    # Part of the power that is left in the next frame.
    decay = 10 ** (-6 * hop_ms / (1000 * rng.uniform(0.2, 0.9)))
    level = 10 ** (rng.uniform(-15, 3) / 10)
    tail = lfilter([0, level * (1 - decay)], [1, -decay], power, axis=0)
    return power + tail.astype(np.float32)


def narrow_band(power: Float32Array, rng: np.random.Generator) -> Float32Array:
    """Pass (frames, n_mels) powers through a telephone line, roughly.

    It has nothing above 3.2 to 3.7 kHz, little below 100 to 400 Hz, and a noise that
    follows the speech (coarse samples).
    """
    frames, bands = power.shape
    low = int(rng.integers(0, bands // 8))
    high = int(rng.integers(round(0.71 * bands), round(0.76 * bands)))
    gains = np.full(bands, _lost(rng), np.float32)
    gains[:high] = 1
    gains[:low] = 10 ** (-rng.uniform(1, 3) * np.linspace(1, 0, low, endpoint=False))
    coarse = (
        power[:, :high].mean(axis=1, keepdims=True)
        * 10 ** (-rng.uniform(18, 45) / 10)
        * rng.standard_gamma(3.0, (frames, bands))
        / 3
    )
    return ((power + coarse) * gains).astype(np.float32)


def stationary_noise(frames: int, bands: int, rng: np.random.Generator) -> Float32Array:
    """Mel powers (frames, bands) of steady noise with a random smooth spectrum.

    So sound fans, amplifiers and lines.
    """
    knots_db = np.cumsum(rng.normal(0, 6, 6))
    colour_db = np.interp(np.linspace(0, 5, bands), np.arange(6), knots_db)
    return (10 ** (colour_db / 10) * rng.standard_gamma(3.0, (frames, bands))).astype(np.float32)


def add_noise(power: Float32Array, noise: Float32Array, snr_db: float) -> Float32Array:
    """Add noise at a ratio of mean powers.

    Bands in which the speech is digitally empty (a narrow channel) stay empty.
    """
    level = power.mean() / max(float(noise.mean()), 1e-20) * 10.0 ** (-snr_db / 10)
    open_bands = power.mean(axis=0) > power.mean() * 1e-6
    return power + noise * np.where(open_bands, np.float32(level), np.float32(0))


def cut_band(power: Float32Array, rng: np.random.Generator) -> Float32Array:
    """Lose the bands above a random edge in the upper half, or (1 of 4) the lowest few.

    Cheap microphones and links do so.
    """
    bands = power.shape[1]
    power = power.copy()
    if rng.random() < 0.25:
        power[:, : rng.integers(1, 1 + bands // 10)] *= _lost(rng)
    else:
        power[:, rng.integers(bands // 2, bands) :] *= _lost(rng)
    return power


def _lost(rng: np.random.Generator) -> np.float32:
    return np.float32(10 ** rng.uniform(*LOST))


def mask(features: Float32Array, options: MelAugment, rng: np.random.Generator) -> Float32Array:
    """Apply SpecAugment to mean-normalised features (frames, n_mels), in place.

    Masked stretches are 0, which is each band's mean.
    """
    frames, bands = features.shape
    longest = min(options.time_mask_frames, frames // 4)
    for part in _draw_stretches(frames, options.time_masks, longest, rng):
        features[part] = 0
    for part in _draw_stretches(
        bands, options.band_masks, min(options.band_mask_bands, bands), rng
    ):
        features[:, part] = 0
    return features


def _draw_stretches(
    length: int, most: int, longest: int, rng: np.random.Generator
) -> Iterator[slice]:
    """Draw up to `most` stretches of up to `longest` places each, none where that is 0."""
    for _ in range(rng.integers(most + 1) if longest else 0):
        width = int(rng.integers(1, longest + 1))
        start = int(rng.integers(length - width + 1))
        yield slice(start, start + width)
