"""The acoustic front end: log-mel features of a waveform, in training and in serving.

Everything that decides a feature's value stands in `FrontendSpec`, which travels in the
card beside the weights, so that a network is always fed what it was trained on. Mel
filters and power spectrum are librosa's (Slaney scale and normalisation, Hann window, no
centring). Frame `i` covers samples `i * hop` to `i * hop + n_fft` and nothing is padded,
so that features of a crop are a crop of the features.

Two normalisations make the features independent of the recording level and of a fixed
linear channel:

- The floor of the logarithm is relative to the loudest mel band of the utterance
  (`floor_db` below it).
- Each band's mean over the utterance is subtracted (cepstral mean normalisation, in the
  log-mel domain).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any

import numpy as np

from network.frontends.librosa_import import import_librosa
from utils.arrays import RATE_HZ, Float32Array

# Mel powers below this are digital silence. The logarithm stays finite where an utterance
# holds nothing but zeros.
SILENCE_POWER = 1e-12


@dataclass(frozen=True)
class FrontendSpec:
    """Settings of the log-mel front end.

    The defaults are those of the shipped voice network.

    Attributes:
        rate_hz: Sample rate that the waveform must have.
        n_mels: Mel bands.
        window_ms: Length of the Hann window.
        hop_ms: Distance between frames.
        n_fft: Length of the Fourier transform in samples. The window is zero-padded to
            it.
        fmin_hz, fmax_hz: Lower and upper edge of the mel filters.
        floor_db: Dynamic range. Mel powers more than this below the utterance's loudest
            are raised to it.
        mean_norm: Subtract each band's mean over the utterance.
    """

    rate_hz: int = RATE_HZ
    n_mels: int = 80
    window_ms: float = 25.0
    hop_ms: float = 10.0
    n_fft: int = 512
    fmin_hz: float = 20.0
    fmax_hz: float = 7600.0
    floor_db: float = 70.0
    mean_norm: bool = True

    def __post_init__(self) -> None:
        if self.n_fft < self.window_samples:
            raise ValueError(
                f"`n_fft` must be at least the window of {self.window_samples} samples. Received:"
                f" n_fft={self.n_fft}"
            )
        if not 0 <= self.fmin_hz < self.fmax_hz <= self.rate_hz / 2:
            raise ValueError(
                "Mel edges must satisfy 0 <= fmin_hz < fmax_hz <= rate_hz / 2. "
                f"Received: fmin_hz={self.fmin_hz}, fmax_hz={self.fmax_hz}, rate_hz={self.rate_hz}"
            )
        if self.hop_samples < 1 or self.n_mels < 1 or self.floor_db <= 0:
            raise ValueError(
                "`hop_ms`, `n_mels` and `floor_db` must be positive. "
                f"Received: hop_ms={self.hop_ms}, n_mels={self.n_mels}, floor_db={self.floor_db}"
            )

    @property
    def window_samples(self) -> int:
        """Window length in samples."""
        return round(self.rate_hz * self.window_ms / 1000)

    @property
    def hop_samples(self) -> int:
        """Hop in samples."""
        return round(self.rate_hz * self.hop_ms / 1000)

    def frames(self, n_samples: int) -> int:
        """Count the frames that `log_mel` makes of `n_samples`.

        There is one at least: shorter input is zero-padded.
        """
        return 1 + max(0, n_samples - self.n_fft) // self.hop_samples

    def samples(self, frames: int) -> int:
        """Count the samples that make so many frames."""
        return self.n_fft + (frames - 1) * self.hop_samples

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON types, for a card."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FrontendSpec:
        """Read what `to_dict` returned, from a card.

        Raises:
            ValueError: A key is missing or unknown. A card of another front end must not
                be half understood.
        """
        names = {field.name for field in fields(cls)}
        if set(values) != names:
            raise ValueError(
                f"A front-end spec needs exactly the keys {sorted(names)}. Received:"
                f" missing={sorted(names - set(values))}, unknown={sorted(set(values) - names)}"
            )
        return cls(**values)


def mel_power(samples: Float32Array, spec: FrontendSpec) -> Float32Array:
    """Compute the mel power spectrogram, before floor and logarithm.

    Args:
        samples: (n,) waveform in [-1, 1] at `spec.rate_hz`, zero-padded when shorter
            than one transform.
        spec: The front end.

    Returns:
        (frames, n_mels) float32, power >= 0.

    Raises:
        ValueError: `samples` is not one-dimensional, is empty, or holds NaN or infinity.
    """
    spectrum = import_librosa().stft(
        _check_samples(samples, spec),
        n_fft=spec.n_fft,
        hop_length=spec.hop_samples,
        win_length=spec.window_samples,
        window="hann",
        center=False,
    )
    power = spectrum.real**2 + spectrum.imag**2
    return np.ascontiguousarray(power.T @ _mel_filters(spec), dtype=np.float32)


def _check_samples(samples: Float32Array, spec: FrontendSpec) -> Float32Array:
    """Return the samples, zero-padded to one transform at least. Raises ValueError."""
    samples = np.asarray(samples, dtype=np.float32)
    if samples.ndim != 1 or samples.size == 0:
        raise ValueError(
            f"`samples` must be one-dimensional and not empty. Received: shape={samples.shape}"
        )
    if not np.isfinite(samples).all():
        raise ValueError("`samples` must be finite, without NaN or infinity.")
    if samples.size < spec.n_fft:
        samples = np.pad(samples, (0, spec.n_fft - samples.size))
    return samples


@cache
def _mel_filters(spec: FrontendSpec) -> Float32Array:
    """Make the mel filters (n_fft / 2 + 1, n_mels) of `spec`.

    They are cached, as librosa takes longer to make them than to use them.
    """
    mel = import_librosa().filters.mel(
        sr=spec.rate_hz, n_fft=spec.n_fft, n_mels=spec.n_mels, fmin=spec.fmin_hz, fmax=spec.fmax_hz
    )
    return np.ascontiguousarray(mel.T, dtype=np.float32)


def normalise(power: Float32Array, spec: FrontendSpec) -> Float32Array:
    """Turn mel power into features: relative floor, natural logarithm, mean removed.

    Args:
        power: (frames, n_mels) mel power of one whole utterance (in training: of one
            whole crop).
        spec: The front end.

    Returns:
        (frames, n_mels) float32. Each column has mean 0 when `spec.mean_norm`.
    """
    floor = max(float(power.max()) * 10.0 ** (-spec.floor_db / 10.0), SILENCE_POWER)
    features = np.log(np.maximum(power, np.float32(floor)))
    if spec.mean_norm:
        features -= features.mean(axis=0, dtype=np.float64).astype(np.float32)
    return features


def log_mel(samples: Float32Array, spec: FrontendSpec) -> Float32Array:
    """Compute the log-mel features of one utterance, which a voice network takes.

    Args:
        samples: (n,) waveform in [-1, 1] at `spec.rate_hz`.
        spec: The front end.

    Returns:
        (frames, n_mels) float32, frames = `spec.frames(n)`. Natural logarithm of power,
        independent of the level of the input.

    Raises:
        ValueError: As `mel_power`.
    """
    return normalise(mel_power(samples, spec), spec)
