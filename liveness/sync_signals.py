"""What a mouth and the sound do at the same time, as numbers that can be compared. Pure.

A mouth is its grey levels and how they change. The sound is its level in 12 mel bands, now
and two steps of 40 ms before and after. From both, the mean over a second and a half is
taken off: light, pose, loudness and timbre say nothing about time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from network.frontends.log_mel import FrontendSpec, log_mel
from utils.arrays import Float32Array, Float64Array
from utils.media import MouthFilm, Waveform

BANDS = FrontendSpec(n_mels=12, window_ms=32.0, fmin_hz=80.0, fmax_hz=7000.0, floor_db=50.0)
"""Front end of the sound."""

OFFSETS_S = np.array([-0.08, -0.04, 0.0, 0.04, 0.08])
"""Moments of the sound that belong to one frame, in seconds from it."""

WINDOW_S = 1.5
"""Time over which the mean is taken off."""

# A change is counted per so many seconds, the time from one frame to the next
_STEP_S = 0.1

# Grey levels below which a mouth has no contrast
_LEAST_CONTRAST = 1.0


@dataclass(frozen=True)
class Spectrum:
    """Levels of a sound in 12 mel bands.

    `levels` (m, 12) float32 are logarithms of power. The first is heard at `start_s`, and
    the others each `step_s` later.
    """

    levels: Float32Array
    start_s: float
    step_s: float


@dataclass(frozen=True)
class Stretch:
    """Signals of a stretch in which somebody talks.

    Attributes:
        mouths: (n, 280) signals of the mouth.
        times_s: (n,) when it is seen.
        spectrum: of the sound.
    """

    mouths: Float64Array
    times_s: Float64Array
    spectrum: Spectrum

    def hear(self, lag_s: float = 0.0) -> Float64Array:
        """Signals (n, 60) of the sound, looked at `lag_s` later than the mouth."""
        return measure_sound(self.spectrum, self.times_s, lag_s)


def measure_stretch(film: MouthFilm) -> Stretch:
    """Measure all mouths of a film, at least two, and its sound."""
    mouths = measure_mouths(film.mouths, film.times_s)
    return Stretch(mouths, film.times_s, measure_spectrum(film.sound))


def measure_mouths(mouths: Float32Array, times_s: Float64Array) -> Float64Array:
    """Describe mouths by their grey levels and how these change.

    Args:
        mouths: (n, 10, 14) grey levels in order of time, n at least 2.
        times_s: (n,) when each is seen.

    Returns:
        (n, 280), free of what lasts for longer than `WINDOW_S`.
    """
    levels = mouths.reshape(len(mouths), -1).astype(np.float64)
    levels = (levels - levels.mean()) / (levels.std() + _LEAST_CONTRAST)
    changes = np.gradient(levels, times_s, axis=0) * _STEP_S
    return take_off_mean(np.concatenate([levels, changes], axis=1), times_s)


def measure_spectrum(sound: Waveform) -> Spectrum:
    """Measure the levels of a sound in mel bands, a hundred times a second."""
    levels = log_mel(sound.samples, BANDS)
    return Spectrum(levels, BANDS.window_ms / 2000, BANDS.hop_ms / 1000)


def measure_sound(spectrum: Spectrum, times_s: Float64Array, lag_s: float = 0.0) -> Float64Array:
    """Describe the sound that is heard with each frame.

    Args:
        spectrum: of the sound.
        times_s: (n,) when the frames are seen.
        lag_s: how much later the sound is looked at.

    Returns:
        (n, 60), free of what lasts for longer than `WINDOW_S`.
    """
    moments = times_s[:, None] + lag_s + OFFSETS_S - spectrum.start_s
    indices = np.round(moments / spectrum.step_s).astype(int)
    last = len(spectrum.levels) - 1
    levels = spectrum.levels[np.clip(indices, 0, last)].reshape(len(times_s), -1)
    return take_off_mean(levels.astype(np.float64), times_s)


def take_off_mean(signals: Float64Array, times_s: Float64Array) -> Float64Array:
    """Take the mean of the time about each moment off signals (n, d)."""
    is_near = np.abs(times_s[:, None] - times_s[None]) <= WINDOW_S / 2
    weights = is_near / is_near.sum(axis=1, keepdims=True)
    return np.asarray(signals - weights @ signals, np.float64)
