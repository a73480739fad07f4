"""Conditions that recordings are measured in: as they are, in a room, in noise.

A room is the direct sound with a tail of noise that decays exponentially, which is how
late reverberation behaves (J.-D. Polack, 1988). Noise is white. Both are the same in
every run. Samples are 16 kHz mono float32 in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.signal import oaconvolve

from utils.arrays import RATE_HZ, Float32Array

# The first echo comes later than the direct sound
_FIRST_ECHO_S = 0.005


@dataclass(frozen=True)
class Condition:
    """A name for reports, and what it makes of samples (n,): as many samples."""

    name: str
    change: Callable[[Float32Array], Float32Array]


def in_noise(snr_db: float) -> Condition:
    """White noise at a signal-to-noise ratio in dB."""
    return Condition(f"{snr_db:g} dB", lambda samples: add_noise(samples, snr_db))


def in_room(name: str, *, rt60_s: float, direct_db: float) -> Condition:
    """A room of which 60 dB are gone after `rt60_s`.

    `direct_db` is the level of the direct sound above that of all echoes.
    """
    response = make_response(rt60_s, direct_db)
    return Condition(name, lambda samples: reverberate(samples, response))


def add_noise(samples: Float32Array, snr_db: float) -> Float32Array:
    """Add white noise to samples (n,), always the same for one length."""
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    level = np.sqrt(power / 10 ** (snr_db / 10))
    noise = np.random.default_rng(0).normal(0.0, level, len(samples))
    return np.clip(samples + noise, -1.0, 1.0).astype(np.float32)


def make_response(rt60_s: float, direct_db: float) -> Float32Array:
    """Impulse response (n,) of a room, as `in_room` has it. The first sample is 1."""
    times_s = np.arange(round(rt60_s * RATE_HZ)) / RATE_HZ
    noise = np.random.default_rng(0).normal(size=len(times_s))
    tail = noise * 10 ** (-3 * times_s / rt60_s) * (times_s >= _FIRST_ECHO_S)
    tail *= np.sqrt(10 ** (-direct_db / 10) / np.square(tail).sum())
    tail[0] = 1.0
    return tail.astype(np.float32)


def reverberate(samples: Float32Array, response: Float32Array) -> Float32Array:
    """Put samples (n,) into the room of a response, at the level that they had: (n,)."""
    wet = oaconvolve(samples, response)[: len(samples)]
    peak = float(np.abs(wet).max(initial=0.0))
    gain = float(np.abs(samples).max(initial=0.0)) / max(peak, 1e-9)
    return np.asarray(wet * gain, np.float32)


CLEAN = Condition("clean", lambda samples: samples)
CONDITIONS = (
    CLEAN,
    in_room("room", rt60_s=0.4, direct_db=3.0),
    in_room("hall", rt60_s=1.0, direct_db=-3.0),
    *map(in_noise, (20.0, 10.0, 5.0, 0.0)),
)
"""The conditions of a report: a living room at 1 m or so, a hall at 3 m or more, noise."""
