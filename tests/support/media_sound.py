"""Sound that the tests make: tones, noise, music, and speech-like syllables that a
voice activity network takes for speech.

Arrays are mono float32 in [-1, 1]. A person is a number with a voice of their own
(pitch, vocal tract length, pace).
"""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

Samples = np.ndarray
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


def silence(seconds: float, rate_hz: int = RATE_HZ) -> Samples:
    """Digital silence."""
    return np.zeros(round(seconds * rate_hz), np.float32)


def tone(seconds: float, hz: float = 440.0, level: float = 0.3, rate_hz: int = RATE_HZ) -> Samples:
    """A sine."""
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(
        np.float32
    )


def noise(seconds: float, level: float = 0.05, seed: int = 0, rate_hz: int = RATE_HZ) -> Samples:
    """White noise of this RMS."""
    return np.clip(
        np.random.default_rng(seed).normal(0, level, round(seconds * rate_hz)), -1, 1
    ).astype(np.float32)


def music(seconds: float, level: float = 0.3, rate_hz: int = RATE_HZ) -> Samples:
    """Plucked chords: no speech in it."""
    out = np.zeros(round(seconds * rate_hz), np.float32)
    for beat, start in enumerate(range(0, len(out), rate_hz // 2)):
        t = np.arange(min(rate_hz // 2, len(out) - start)) / rate_hz
        root = 110 * 2 ** ((0, 5, 7, 3)[beat % 4] / 12)
        chord = sum(
            np.sin(2 * np.pi * root * ratio * k * t) / k
            for ratio in (1, 1.26, 1.5, 2)
            for k in (1, 2, 3)
        )
        out[start : start + len(t)] += (chord * np.exp(-3 * t)).astype(np.float32)
    return level * out / np.abs(out).max()


def speech(
    person: int = 0, seconds: float = 4.0, level: float = 0.3, take: int = 0, rate_hz: int = RATE_HZ
) -> Samples:
    """Syllables (a voiced source through formants, with hiss and pauses) in the voice
    of `person`; another `take` says other syllables.
    """
    voice = np.random.default_rng(7000 + person)
    words = np.random.default_rng([person, take])
    pitch_hz = voice.uniform(90, 230)
    tract = voice.uniform(0.88, 1.18)
    pace_s = voice.uniform(0.16, 0.22)
    count = round(seconds * rate_hz)
    parts: list[Samples] = []
    while sum(map(len, parts)) < count:
        parts.append(_hiss(words.uniform(0.03, 0.07), words, rate_hz))
        parts.append(_syllable(pitch_hz, tract, pace_s * words.uniform(0.8, 1.3), words, rate_hz))
        if words.random() < 0.15:
            parts.append(silence(words.uniform(0.05, 0.15), rate_hz))
    out = np.concatenate(parts)[:count]
    return (level * out / max(float(np.abs(out).max()), 1e-9)).astype(np.float32)


def _syllable(
    pitch_hz: float, tract: float, seconds: float, words: np.random.Generator, rate_hz: int
) -> Samples:
    n = round(seconds * rate_hz)
    glide = np.linspace(words.uniform(0.95, 1.15), words.uniform(0.85, 1.05), n) * (
        1 + 0.01 * words.normal(size=1)
    )
    phase = np.cumsum(pitch_hz * glide) / rate_hz
    source = np.diff(np.floor(phase), prepend=0.0) + 0.01 * words.normal(size=n)
    source = lfilter([1.0], [1.0, -0.97], source)  # falling glottal spectrum
    a, b = words.choice(len(_VOWELS_HZ), 2, replace=False)
    first, second = (_resonate(source, [tract * f for f in _VOWELS_HZ[v]], rate_hz) for v in (a, b))
    mix = np.linspace(0, 1, n)
    envelope = np.sin(np.pi * np.linspace(0.02, 0.98, n)) ** 0.6
    return ((first * (1 - mix) + second * mix) * envelope).astype(np.float32)


def _resonate(source: Samples, formants_hz: list[float], rate_hz: int) -> Samples:
    out = source
    for hz, width_hz in zip(formants_hz, (80, 100, 140), strict=True):
        radius = np.exp(-np.pi * width_hz / rate_hz)
        angle = 2 * np.pi * hz / rate_hz
        out = lfilter(
            [1 - 2 * radius * np.cos(angle) + radius**2],
            [1, -2 * radius * np.cos(angle), radius**2],
            out,
        )
    return out / max(float(np.sqrt(np.mean(out**2))), 1e-9)


def _hiss(seconds: float, words: np.random.Generator, rate_hz: int) -> Samples:
    n = round(seconds * rate_hz)
    return (lfilter([1, -0.95], [1.0], words.normal(size=n)) * 0.15 * np.hanning(n)).astype(
        np.float32
    )
