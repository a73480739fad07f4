"""Sound made of numbers: tones, noise, music, and the syllables of `demo.voices`.

Arrays are mono float32 in [-1, 1].
"""

from __future__ import annotations

import itertools

import numpy as np

from demo.voices import RATE_HZ, Samples, speech
from utils.arrays import Float64Array

__all__ = ["RATE_HZ", "Samples", "music", "noise", "silence", "speech", "tone"]


def silence(seconds: float, rate_hz: int = RATE_HZ) -> Samples:
    """Digital silence."""
    return np.zeros(round(seconds * rate_hz), np.float32)


def tone(seconds: float, hz: float = 440.0, level: float = 0.3, rate_hz: int = RATE_HZ) -> Samples:
    """A sine."""
    phase = 2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz
    return (level * np.sin(phase)).astype(np.float32)


def noise(seconds: float, level: float = 0.05, rate_hz: int = RATE_HZ) -> Samples:
    """White noise of this RMS."""
    samples = np.random.default_rng(0).normal(0, level, round(seconds * rate_hz))
    return np.clip(samples, -1, 1).astype(np.float32)


def music(seconds: float, rate_hz: int = RATE_HZ) -> Samples:
    """Plucked chords, without speech."""
    samples = np.zeros(round(seconds * rate_hz), np.float32)
    for beat, start in enumerate(range(0, len(samples), rate_hz // 2)):
        time_s = np.arange(min(rate_hz // 2, len(samples) - start)) / rate_hz
        root_hz = 110 * 2 ** ((0, 5, 7, 3)[beat % 4] / 12)
        samples[start : start + len(time_s)] += _chord(root_hz, time_s)
    return np.asarray(0.3 * samples / np.abs(samples).max(), np.float32)


def _chord(root_hz: float, time_s: Float64Array) -> Samples:
    chord = np.zeros(len(time_s))
    for ratio, harmonic in itertools.product((1, 1.26, 1.5, 2), (1, 2, 3)):
        chord += np.sin(2 * np.pi * root_hz * ratio * harmonic * time_s) / harmonic
    return (chord * np.exp(-3 * time_s)).astype(np.float32)
