"""Whether the peaks of a sound were cut off at some level, below full scale as well.

Of speech, each level is rarer than the one below it. Where peaks were cut off, levels gather
just below the cut, also after a change of loudness, of the sample rate, or a codec.
"""

from __future__ import annotations

import numpy as np

from utils.arrays import RATE_HZ, Float32Array

CUT_OFF = 1.25
"""Gathering from which peaks were cut off. 1 is none."""
_ENOUGH = 5 * RATE_HZ
_STEP = 2
_LEAST = RATE_HZ // 2
_LEVELS = 25
_PEAK_SHARE = 0.999  # single samples beyond are of a codec, or clicks
_AT_PEAK = 1.001
_SMOOTH = 3
_QUIET = 4  # levels with most of the samples
_FEW = 10.0  # samples by which levels differ by chance


def measure_gathering(speech: Float32Array) -> float:
    """Measure how much more frequent a level is than the rarest below it, 1 or more.

    Args:
        speech: samples (n,), of which the first 5 s count. Less than 0.5 s are not measured: 1.
    """
    loud = np.abs(speech[:_ENOUGH:_STEP])
    if len(loud) * _STEP < _LEAST:
        return 1.0
    some = loud[::_STEP]
    place = int(len(some) * _PEAK_SHARE)
    peak = float(np.partition(some, place)[place])
    if peak <= 0:
        return 1.0
    numbers = (loud * (_LEVELS / (_AT_PEAK * peak))).astype(np.int32)
    counts = np.bincount(np.minimum(numbers, _LEVELS), minlength=_LEVELS + 1)[:_LEVELS]
    smooth = np.convolve(counts, np.ones(_SMOOTH) / _SMOOTH, "valid")[_QUIET:] + _FEW
    return float((smooth / np.minimum.accumulate(smooth)).max())
