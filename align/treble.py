"""How much of a sound lies above what a telephone carries.

Samples are 16 kHz mono float32. Levels are dB.
"""

from __future__ import annotations

import numpy as np

from utils.arrays import RATE_HZ, Float32Array, Float64Array

TELEPHONE_DB = -60.0
"""Treble below which the sound came through a telephone band.

Of 1,709 recordings of microphones the least has -57 dB. Of 186 through AMR or G.711 the
most has -65 dB.
"""
_BASS_HZ = (300.0, 3400.0)
_TREBLE_HZ = (4500.0, 7500.0)
_WINDOW = 512
_ENOUGH = 10 * RATE_HZ
_LEAST_POWER = 1e-20


def measure_treble_db(speech: Float32Array) -> float:
    """Measure the power of 4.5 to 7.5 kHz against that of a telephone band.

    Args:
        speech: samples (n,), of which the first 10 s count.

    Returns:
        The ratio in dB, and 0 where there is nothing to measure.
    """
    count = min(len(speech), _ENOUGH) // _WINDOW
    if not count:
        return 0.0
    blocks = speech[: count * _WINDOW].reshape(count, _WINDOW) * np.hanning(_WINDOW)
    powers = (np.abs(np.fft.rfft(blocks, axis=1)) ** 2).mean(axis=0)
    return float(10 * np.log10(_mean_of(powers, _TREBLE_HZ) / _mean_of(powers, _BASS_HZ)))


def _mean_of(powers: Float64Array, band_hz: tuple[float, float]) -> float:
    hz = np.fft.rfftfreq(_WINDOW, 1 / RATE_HZ)
    return float(powers[(hz >= band_hz[0]) & (hz <= band_hz[1])].mean()) + _LEAST_POWER
