"""Other voices out of the same recording: speed, formants, intonation.

Speed perturbation makes new speakers (Yamamoto et al. 2019). Another prosody is the
opposite of another speed: the pitch moves, the formants stay, and so does the speaker.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import soxr
from scipy.ndimage import gaussian_filter1d, map_coordinates
from scipy.signal import istft, stft

from utils.arrays import Float32Array

Levels = npt.NDArray[np.floating]
"""Logarithms of levels (frames, bins)."""

# Samples at 16 kHz. The quefrency lies below the pitch period up to 533 Hz.
ENVELOPE_FFT = 512
ENVELOPE_QUEFRENCY = 30
ENVELOPE_HOP = ENVELOPE_FFT // 4
# Natural logarithm of the largest gain of an envelope, 20 dB.
MOST_GAIN = 2.3
# Samples at 16 kHz, and steps of so many: intonation moves within 0.1 s to 0.3 s.
CONTOUR_STEP = 160
CONTOUR_SMOOTHING = 12
# Standard deviation of what is added to the natural logarithm of the pitch.
MAX_INTONATION = 0.2


def change_speed(samples: Float32Array, speed: float) -> Float32Array:
    """Play (n,) samples `speed` times as fast.

    Tempo, pitch and formants change together, as of another speaker.
    """
    if speed == 1.0:
        return samples
    return np.asarray(soxr.resample(samples, round(1000 * speed), 1000), np.float32)


def warp_formants(samples: Float32Array, factor: float | Float32Array) -> Float32Array:
    """Move the resonances of (n,) speech, as of another vocal tract.

    Pitch and tempo stay. The spectral envelope is the low-quefrency part of each
    frame's cepstrum. Each frame is multiplied by the ratio of the stretched envelope to
    its own (at most 20 dB either way). The envelope is smooth, so sharp resonances move
    in part.

    Args:
        samples: (n,) at 16 kHz.
        factor: Of the frequencies of resonances. (n,) where it changes with time.
    """
    if np.ndim(factor) == 0 and factor == 1.0:
        return samples
    padded = np.pad(samples, (0, max(0, ENVELOPE_FFT - len(samples))))
    _, _, spectrum = stft(padded, nperseg=ENVELOPE_FFT, noverlap=ENVELOPE_FFT - ENVELOPE_HOP)
    envelope = _envelope(np.log(np.maximum(np.abs(spectrum), 1e-6)).T)
    times = np.minimum(np.arange(len(envelope)) * ENVELOPE_HOP, len(samples) - 1)
    at_frame = np.broadcast_to(factor, len(samples))[times]
    stretched = _stretch(envelope, at_frame)
    gain = np.exp(np.clip(stretched - envelope, -MOST_GAIN, MOST_GAIN))
    _, warped = istft(spectrum * gain.T, nperseg=ENVELOPE_FFT, noverlap=ENVELOPE_FFT - ENVELOPE_HOP)
    return np.asarray(warped[: len(samples)], np.float32)


def _envelope(log_level: Levels) -> Levels:
    """The smooth part of levels: their low-quefrency cepstrum."""
    cepstrum = np.fft.irfft(log_level, axis=1)
    cepstrum[:, ENVELOPE_QUEFRENCY : ENVELOPE_FFT - ENVELOPE_QUEFRENCY + 1] = 0
    return np.fft.rfft(cepstrum, axis=1).real


def _stretch(envelope: Levels, factors: Float32Array) -> Levels:
    """Stretch each row along its bins by its factor, linearly."""
    bins = envelope.shape[1]
    sources = np.minimum(np.arange(bins) / factors[:, None], bins - 1.0)
    lower = np.minimum(sources.astype(int), bins - 2)
    part = sources - lower
    below = np.take_along_axis(envelope, lower, 1)
    above = np.take_along_axis(envelope, lower + 1, 1)
    return below * (1 - part) + above * part


def perturb_prosody(samples: Float32Array, factor: float, rng: np.random.Generator) -> Float32Array:
    """Make speech of the same speaker at another moment.

    (n,) speech is played at a speed that moves with time: `factor` times its pitch and
    tempo on the whole, with an intonation of its own on top (0 to `MAX_INTONATION`).
    The formants are moved back, as far as `warp_formants` does.

    About n / factor samples come out. What was said at second t is heard at about
    t / factor: within 5 s the intonation moves it by up to 0.1 s (median), in one
    rendering of twenty by more than 0.2 s.

    Samples are interpolated by cubic splines, which fold and mirror what lies near the
    top of the band. Resampled without that, slow speech has an empty band there, which
    sounds less like the speaker to the teacher CAM++ (cosine 0.65 instead of 0.74 at a
    factor of 0.8).
    """
    contour = _intonation(len(samples), rng)
    places = np.arange(len(samples))
    steps = np.arange(len(contour)) * CONTOUR_STEP
    # Duration of each sample.
    duration = np.exp(-np.interp(places, steps, contour)) / factor
    ends = np.cumsum(duration)
    sources = np.interp(np.arange(max(1, int(ends[-1]))), ends - duration, places)
    played = map_coordinates(samples, sources[None], order=3, mode="nearest").astype(np.float32)
    return warp_formants(played, duration[sources.astype(int)].astype(np.float32))


def _intonation(length: int, rng: np.random.Generator) -> Float32Array:
    """A random contour of the logarithm of the pitch, a value every `CONTOUR_STEP`."""
    noise = rng.standard_normal(length // CONTOUR_STEP + 2)
    contour = gaussian_filter1d(noise, CONTOUR_SMOOTHING, mode="nearest")
    spread = max(float(contour.std()), 1e-6)
    return (contour - contour.mean()) / spread * rng.uniform(0, MAX_INTONATION)
