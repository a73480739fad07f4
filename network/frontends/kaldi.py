"""Kaldi-compatible filterbank features.

Most speaker models were trained on them (WeSpeaker, 3D-Speaker, ECAPA and others). They
agree with Kaldi's own to float32 precision. Logarithms are natural. Dither is 0, so that
the same speech always gives the same features. The filters are sparse: a dense product
keeps threads of BLAS busy, which identifications need.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from utils.arrays import RATE_HZ, Float32Array, Float64Array
from utils.errors import ModelError

WINDOWS = ("povey", "hamming", "hann", "rectangular", "blackman")
# Kaldi takes logarithms of nothing smaller.
LEAST_ENERGY = float(np.finfo(np.float32).eps)
# Frames that are transformed at once: an hour of speech needs no more memory than this.
FRAMES_AT_ONCE = 20000


@dataclass(frozen=True)
class KaldiSpec:
    """Settings of Kaldi's `compute-fbank-feats`.

    The defaults are Kaldi's with 80 bands. `fmax_hz` 0 or below counts from half of
    `rate_hz`, as in Kaldi. `scale` is what samples in [-1, 1] are multiplied with: 32768
    where the model was trained on 16-bit integers as Kaldi reads them, 1 where it was
    not. `mean_norm` subtracts each band's mean.
    """

    rate_hz: int = RATE_HZ
    n_mels: int = 80
    window_ms: float = 25.0
    hop_ms: float = 10.0
    window: str = "povey"
    fmin_hz: float = 20.0
    fmax_hz: float = 0.0
    preemphasis: float = 0.97
    remove_dc: bool = True
    snip_edges: bool = True
    scale: float = 32768.0
    mean_norm: bool = True

    def __post_init__(self) -> None:
        if self.window not in WINDOWS:
            raise ModelError(
                f"A Kaldi window is one of {', '.join(WINDOWS)}. Received: window={self.window!r}"
            )
        top_hz = self.fmax_hz if self.fmax_hz > 0 else self.rate_hz / 2 + self.fmax_hz
        if not 0 <= self.fmin_hz < top_hz <= self.rate_hz / 2:
            raise ModelError(
                "Kaldi's band edges must satisfy 0 <= fmin_hz < fmax_hz <= rate_hz / 2. Received:"
                f" fmin_hz={self.fmin_hz:g}, fmax_hz={self.fmax_hz:g}, rate_hz={self.rate_hz}"
            )
        if min(self.n_mels, self.window_ms, self.hop_ms, self.scale) <= 0:
            raise ModelError(
                "n_mels, window_ms, hop_ms and scale must be positive. Received:"
                f" n_mels={self.n_mels}, window_ms={self.window_ms:g}, hop_ms={self.hop_ms:g},"
                f" scale={self.scale:g}"
            )

    @property
    def window_samples(self) -> int:
        """Window length in samples."""
        return int(self.rate_hz * self.window_ms / 1000)

    @property
    def hop_samples(self) -> int:
        """Hop in samples."""
        return int(self.rate_hz * self.hop_ms / 1000)

    def frames(self, n_samples: int) -> int:
        """Count the frames of `n_samples`.

        There is one at least: shorter input is zero-padded.
        """
        n_samples = max(n_samples, self.window_samples)
        if self.snip_edges:
            return 1 + (n_samples - self.window_samples) // self.hop_samples
        return (n_samples + self.hop_samples // 2) // self.hop_samples

    def samples(self, frames: int) -> int:
        """Count the samples that make so many frames."""
        return self.window_samples + (frames - 1) * self.hop_samples

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON types, for a card."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> KaldiSpec:
        """Read the settings from a card.

        What is not in it has Kaldi's default. Raises ModelError for an unknown key.
        """
        names = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - names):
            raise ModelError(
                f"Kaldi settings are {', '.join(sorted(names))}. Received: {', '.join(unknown)}"
            )
        return cls(**values)


def kaldi_power(samples: Float32Array, spec: KaldiSpec) -> Float32Array:
    """Compute the filterbank energies of one utterance, before the logarithm.

    Args:
        samples: (n,) waveform in [-1, 1] at `spec.rate_hz`, zero-padded when shorter
            than one window.
        spec: The settings.

    Returns:
        (frames, n_mels) float32, 0 or more.
    """
    windows = _cut_windows(np.asarray(samples, np.float64) * spec.scale, spec)
    parts = [
        _window_power(windows[first : first + FRAMES_AT_ONCE], spec)
        for first in range(0, len(windows), FRAMES_AT_ONCE)
    ]
    return np.concatenate(parts)


def log_energy(power: Float32Array, spec: KaldiSpec) -> Float32Array:
    """Turn energies (frames, n_mels) of one whole utterance into features.

    Returns (frames, n_mels) float32, their natural logarithm. Each column has mean 0
    when `spec.mean_norm`.
    """
    features = np.log(np.maximum(power, np.float32(LEAST_ENERGY)))
    if spec.mean_norm:
        features -= features.mean(axis=0, dtype=np.float64).astype(np.float32)
    return features


def _cut_windows(samples: Float64Array, spec: KaldiSpec) -> Float64Array:
    """View (frames, window_samples), mirrored beyond both ends unless these are snipped."""
    samples = np.pad(samples, (0, max(0, spec.window_samples - len(samples))))
    count = spec.frames(len(samples))
    start = 0
    if not spec.snip_edges:
        start = spec.hop_samples // 2 - spec.window_samples // 2
        end = start + (count - 1) * spec.hop_samples + spec.window_samples
        beyond = (max(0, -start), max(0, end - len(samples)))
        samples = np.pad(samples, beyond, mode="symmetric")
    windows = sliding_window_view(samples, spec.window_samples)
    return windows[max(0, start) :: spec.hop_samples][:count]


def _window_power(windows: Float64Array, spec: KaldiSpec) -> Float32Array:
    """Energies (n, n_mels) of windows (n, window_samples)."""
    means = windows.mean(axis=1, keepdims=True) if spec.remove_dc else 0.0
    frames = windows - means
    frames[:, 1:] -= spec.preemphasis * frames[:, :-1]
    frames[:, 0] -= spec.preemphasis * frames[:, 0]
    frames *= _window(spec)
    spectrum = np.fft.rfft(frames, _transform_samples(spec))
    power = spectrum.real**2 + spectrum.imag**2
    return np.asarray(power[:, :-1] @ _sparse_filters(spec), np.float32)


def _transform_samples(spec: KaldiSpec) -> int:
    """The next power of 2 that the window fits into."""
    return 1 << (spec.window_samples - 1).bit_length()


@cache
def _window(spec: KaldiSpec) -> Float64Array:
    """Make the window (window_samples,)."""
    around = 2 * np.pi * np.arange(spec.window_samples)
    turn = around / (spec.window_samples - 1)
    windows: dict[str, Float64Array] = {
        "povey": (0.5 - 0.5 * np.cos(turn)) ** 0.85,
        # Periodic, as in kaldi-native-fbank and PyTorch.
        "hann": 0.5 - 0.5 * np.cos(around / spec.window_samples),
        "hamming": 0.54 - 0.46 * np.cos(turn),
        "rectangular": np.ones_like(turn),
        "blackman": 0.42 - 0.5 * np.cos(turn) + 0.08 * np.cos(2 * turn),
    }
    return windows[spec.window]


@cache
def _sparse_filters(spec: KaldiSpec) -> Any:
    """Keep what is not 0 of `_mel_filters` alone."""
    from scipy.sparse import csc_array

    return csc_array(_mel_filters(spec))


def _mel_filters(spec: KaldiSpec) -> Float64Array:
    """Make the filters (transform / 2, n_mels): triangles on the mel scale."""
    nyquist_hz = spec.rate_hz / 2
    top_hz = spec.fmax_hz if spec.fmax_hz > 0 else nyquist_hz + spec.fmax_hz
    edges = np.linspace(_mel(spec.fmin_hz), _mel(top_hz), spec.n_mels + 2)
    half = _transform_samples(spec) // 2
    bins = _mel(np.arange(half) * nyquist_hz / half)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    filters: Float64Array = np.maximum(np.minimum(rising, falling), 0.0)
    return filters


def _mel(frequency_hz: Any) -> Any:
    return 1127.0 * np.log1p(np.asarray(frequency_hz) / 700.0)
