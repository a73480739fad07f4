"""How much of a sound lies above what a telephone carries.

Samples are 16 kHz mono float32. Levels are dB.
"""

from __future__ import annotations

import numpy as np

from utils.arrays import RATE_HZ, Float32Array, Float64Array

TELEPHONE_DB = -60.0
"""Treble below which the sound came through a telephone band.

Of 906 recordings of no telephone the least has -56 dB. Of 186 through AMR or G.711 the most
has -67 dB.
"""
_BASS_HZ = (300.0, 3400.0)
_TREBLE_HZ = (4500.0, 7500.0)
_WINDOW = 512
_ENOUGH = 10 * RATE_HZ
_LEAST_POWER = 1e-20
_BELOW = 0.75


def measure_treble_db(speech: Float32Array) -> float:
    """Measure the power of 4.5 to 7.5 kHz against that of a telephone band.

    Three quarters of the blocks have less treble than is measured: the click of an
    overdriven moment counts for nothing.

    Args:
        speech: samples (n,), of which the first 10 s count.

    Returns:
        The ratio in dB, and 0 where there is nothing to measure.
    """
    count = min(len(speech), _ENOUGH) // _WINDOW
    if not count:
        return 0.0
    blocks = speech[: count * _WINDOW].reshape(count, _WINDOW) * np.hanning(_WINDOW)
    powers = np.abs(np.fft.rfft(blocks, axis=1)) ** 2
    treble = np.quantile(_powers_in(powers, _TREBLE_HZ), _BELOW)
    bass = _powers_in(powers, _BASS_HZ).mean()
    return float(10 * np.log10((treble + _LEAST_POWER) / (bass + _LEAST_POWER)))


def _powers_in(powers: Float64Array, band_hz: tuple[float, float]) -> Float64Array:
    """Mean over a band, of each block: (blocks, frequencies) → (blocks,)."""
    hz = np.fft.rfftfreq(_WINDOW, 1 / RATE_HZ)
    is_inside = (hz >= band_hz[0]) & (hz <= band_hz[1])
    return np.asarray(powers[:, is_inside].mean(axis=1), np.float64)
