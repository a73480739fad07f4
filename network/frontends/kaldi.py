"""Kaldi-compatible filterbank features.

For speaker models that were trained on them (WeSpeaker, 3D-Speaker, ECAPA and others).
They are computed by `kaldi-native-fbank`, an optional package that is imported when a
model's card asks for these features. Logarithms are natural. Dither is 0, so that the
same speech always gives the same features. The shipped voice network has its own front
end, `network.frontends.log_mel`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from utils.arrays import RATE_HZ, Float32Array
from utils.errors import ModelError

WINDOWS = ("povey", "hamming", "hann", "rectangular", "blackman")
INSTALL = "Install it: pip install -r requirements-optional.txt"


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


def kaldi_fbank(samples: Float32Array, spec: KaldiSpec) -> Float32Array:
    """Compute the log filterbank energies of one utterance.

    Args:
        samples: (n,) waveform in [-1, 1] at `spec.rate_hz`, zero-padded when shorter
            than one window.
        spec: The settings.

    Returns:
        (frames, n_mels) float32, natural logarithm. Each column has mean 0 when
        `spec.mean_norm`.

    Raises:
        ModelError: `kaldi-native-fbank` is not installed.
    """
    knf = load_kaldi()
    window = round(spec.rate_hz * spec.window_ms / 1000)
    padded = np.pad(np.asarray(samples, np.float32), (0, max(0, window - len(samples))))
    fbank = knf.OnlineFbank(_options(knf, spec))
    fbank.accept_waveform(spec.rate_hz, (padded * np.float32(spec.scale)).tolist())
    fbank.input_finished()
    frames = [fbank.get_frame(i) for i in range(fbank.num_frames_ready)]
    features = np.stack(frames).astype(np.float32)
    if spec.mean_norm:
        features -= features.mean(axis=0, dtype=np.float64).astype(np.float32)
    return features


def load_kaldi() -> Any:
    """Import `kaldi_native_fbank`. Raises ModelError where it is not installed."""
    try:
        import kaldi_native_fbank
    except ImportError:
        raise ModelError(
            "This voice model needs the package kaldi-native-fbank, which is not installed.",
            INSTALL,
        ) from None
    return kaldi_native_fbank


def _options(knf: Any, spec: KaldiSpec) -> Any:
    options = knf.FbankOptions()
    frame = options.frame_opts
    mel = options.mel_opts
    frame.dither = 0.0
    frame.samp_freq = spec.rate_hz
    frame.frame_length_ms = spec.window_ms
    frame.frame_shift_ms = spec.hop_ms
    frame.window_type = spec.window
    frame.preemph_coeff = spec.preemphasis
    frame.remove_dc_offset = spec.remove_dc
    frame.snip_edges = spec.snip_edges
    mel.num_bins = spec.n_mels
    mel.low_freq = spec.fmin_hz
    mel.high_freq = spec.fmax_hz
    return options
