"""Voices made of numbers: syllables, without words. Nobody was recorded.

A voiced source goes through formants, with hiss and pauses between. A person is a number
with a voice of their own: pitch, length of the vocal tract, pace.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from utils.arrays import Float32Array, Float64Array

Samples = Float32Array
RATE_HZ = 48_000
_VOWELS_HZ = (
    (730, 1090, 2440),
    (270, 2290, 3010),
    (300, 870, 2240),
    (530, 1840, 2480),
    (570, 840, 2410),
    (660, 1720, 2410),
    (440, 1020, 2240),
)
"""First three formants of vowels (G. Peterson and H. Barney, "Control methods used in a
study of the vowels", JASA 24, 1952).
"""


def speech(
    person: int = 0,
    seconds: float = 4.0,
    level: float = 0.3,
    *,
    take: int = 0,
    rate_hz: int = RATE_HZ,
) -> Samples:
    """Syllables in the voice of `person`, mono float32 in [-level, level].

    Another `take` says other ones. Voice activity takes them for speech.
    """
    rng = np.random.default_rng(7000 + person)
    voice = _Voice(pitch_hz=rng.uniform(90, 230), tract=rng.uniform(0.88, 1.18), rate_hz=rate_hz)
    pace_s = rng.uniform(0.16, 0.22)
    words = np.random.default_rng([person, take])
    count = round(seconds * rate_hz)
    parts: list[Samples] = []
    while sum(map(len, parts)) < count:
        parts.append(_hiss(words.uniform(0.03, 0.07), words, rate_hz))
        parts.append(_syllable(voice, pace_s * words.uniform(0.8, 1.3), words))
        if words.random() < 0.15:
            parts.append(np.zeros(round(words.uniform(0.05, 0.15) * rate_hz), np.float32))
    out = np.concatenate(parts)[:count]
    return (level * out / max(float(np.abs(out).max()), 1e-9)).astype(np.float32)


@dataclass(frozen=True)
class _Voice:
    """Pitch, factor on the formants, and the rate of the samples."""

    pitch_hz: float
    tract: float
    rate_hz: int


def _syllable(voice: _Voice, seconds: float, words: np.random.Generator) -> Samples:
    n = round(seconds * voice.rate_hz)
    glide = np.linspace(words.uniform(0.95, 1.15), words.uniform(0.85, 1.05), n) * (
        1 + 0.01 * words.normal(size=1)
    )
    phase = np.cumsum(voice.pitch_hz * glide) / voice.rate_hz
    source = np.diff(np.floor(phase), prepend=0.0) + 0.01 * words.normal(size=n)
    source = lfilter([1.0], [1.0, -0.97], source)  # falling glottal spectrum
    vowels = words.choice(len(_VOWELS_HZ), 2, replace=False)
    first, second = (_resonate(source, _VOWELS_HZ[vowel], voice) for vowel in vowels)
    mix = np.linspace(0, 1, n)
    envelope = np.sin(np.pi * np.linspace(0.02, 0.98, n)) ** 0.6
    return ((first * (1 - mix) + second * mix) * envelope).astype(np.float32)


def _resonate(source: Float64Array, formants_hz: tuple[float, ...], voice: _Voice) -> Float64Array:
    samples = source
    for hz, width_hz in zip(formants_hz, (80, 100, 140), strict=True):
        radius = np.exp(-np.pi * width_hz / voice.rate_hz)
        angle = 2 * np.pi * (voice.tract * hz) / voice.rate_hz
        gain = 1 - 2 * radius * np.cos(angle) + radius**2
        feedback = [1, -2 * radius * np.cos(angle), radius**2]
        samples = lfilter([gain], feedback, samples)
    return np.asarray(samples / max(float(np.sqrt(np.mean(samples**2))), 1e-9), np.float64)


def _hiss(seconds: float, words: np.random.Generator, rate_hz: int) -> Samples:
    n = round(seconds * rate_hz)
    hiss = lfilter([1, -0.95], [1.0], words.normal(size=n))
    return np.asarray(hiss * 0.15 * np.hanning(n), np.float32)
