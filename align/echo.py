"""How fast the sound of speech dies away in the room it was recorded in.

Speech falls silent within a tenth of a second, many times a sentence. A room with echo
keeps it from doing so: its own decay is the fastest that is heard. Source: R. Ratnam et
al., "Blind estimation of reverberation time", JASA 114(5), 2003, and for sub-bands
J. Eaton et al., ICASSP 2013.

Samples are 16 kHz mono float32. Decays are dB/s, and negative.
"""

from __future__ import annotations

import numpy as np

from utils.arrays import RATE_HZ, Float32Array, Float64Array

STRONG_ECHO_DB_S = -108.0
"""Decay above which a room has a strong echo (docs/measurements/media.md has how sure that is)."""
_ENOUGH = 5 * RATE_HZ
_STEP = 2  # every second sample is enough for levels below 4 kHz
_BLOCK = 128  # 16 ms of them
_SPAN = 6  # blocks over which a decay is measured: a tenth of a second
_LEAST_BLOCKS = 60
_STEEPEST = 0.1
_LEAST_CHANGE_DB = 3.5  # levels of steady noise, which has no decay, change by about 2 dB
_EDGES_HZ = np.geomspace(250, 3750, 5)
_LEAST_POWER = 1e-10


def measure_decay_db_s(speech: Float32Array) -> float:
    """Measure how steeply the level falls where it falls most, as a median of four bands.

    Args:
        speech: samples (n,), of which the first 5 s count.

    Returns:
        The decay that one in ten is steeper than. It is minus infinity for less than 1 s, and
        for what is steady.
    """
    few = speech[:_ENOUGH:_STEP]
    count = len(few) // _BLOCK
    if count < _LEAST_BLOCKS:
        return -np.inf
    levels = _measure_levels_db(few[: count * _BLOCK].reshape(count, _BLOCK))
    if np.median(levels.std(axis=0)) < _LEAST_CHANGE_DB:
        return -np.inf
    falls = levels[_SPAN:] - levels[:-_SPAN]
    steep = np.sort(falls, axis=0)[int(_STEEPEST * len(falls))]
    return float(np.median(steep)) / (_SPAN * _BLOCK * _STEP / RATE_HZ)


def _measure_levels_db(blocks: Float32Array) -> Float64Array:
    """Levels of four bands: (n, 128) → (n, 4)."""
    spectra = np.abs(np.fft.rfft(blocks * np.hanning(_BLOCK), axis=1)) ** 2
    edges = np.rint(_EDGES_HZ * _BLOCK * _STEP / RATE_HZ).astype(int)
    powers = np.add.reduceat(spectra, edges, axis=1)[:, :-1]
    return np.asarray(10 * np.log10(powers + _LEAST_POWER), np.float64)
