"""Speech in a whole waveform: where it is, how much there is, and how clean it is.

`align.vad` finds the speech. The quality is plain numpy.

Waveforms are 16 kHz mono float32 in [-1, 1]. Times are seconds, levels are dB relative
to full scale.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from align.cut_off import measure_gathering
from align.echo import measure_decay_db_s
from align.treble import measure_treble_db
from align.vad import find_speech
from utils.arrays import RATE_HZ, Float32Array, Float64Array
from utils.media import Channel, SpeechAnalysis, SpeechQuality, SpeechSegment, Waveform

# Kept before and after each segment: soft beginnings and endings belong to the speech
_PADDING_S = 0.06

# Left out before and after each segment where the noise is measured
_GUARD_S = 0.1

# Sound without speech from which the noise can be told
_LEAST_REST_S = 0.3

_FULL_SCALE = 0.985

# Samples at full scale are clipped if they are as far from the constant part
_LEAST_SWING = 0.25
_FLOOR_DB = -90.0
_TOP_SNR_DB = 60.0
_BLOCK = RATE_HZ // 50  # 20 ms
_SILENCE = SpeechQuality(
    speech_s=0.0, duration_s=0.0, snr_db=0.0, clipping=0.0, level_db=_FLOOR_DB, score=0.0
)


def analyse_speech(waveform: Waveform | None, min_speech_s: float) -> SpeechAnalysis:
    """Find the speech of a waveform and measure its quality.

    Args:
        waveform: 16 kHz sound. None, or one without samples, has no speech.
        min_speech_s: seconds of speech below which the result holds no `speech`.

    Raises:
        ValueError: the waveform has another rate.
    """
    if waveform is None or len(waveform.samples) == 0:
        return SpeechAnalysis(speech=None, segments=(), quality=_SILENCE)
    if waveform.rate_hz != RATE_HZ:
        raise ValueError(
            f"Speech is analysed at {RATE_HZ} Hz. Received: rate_hz={waveform.rate_hz}."
        )
    segments = find_speech(_remove_offset(waveform).samples)
    quality = assess_speech(waveform, segments)
    waveform = _remove_offset(waveform)
    if quality.speech_s < min_speech_s:
        return SpeechAnalysis(speech=None, segments=segments, quality=quality)
    samples = cut_speech(waveform, segments)
    return SpeechAnalysis(
        speech=Waveform(samples, RATE_HZ),
        segments=segments,
        quality=quality,
        channel=measure_channel(samples),
    )


def measure_channel(speech: Float32Array) -> Channel:
    """Measure what the way to the file did to speech (n,)."""
    return Channel(
        treble_db=measure_treble_db(speech),
        gathering=measure_gathering(speech),
        decay_db_s=measure_decay_db_s(speech),
    )


def _remove_offset(waveform: Waveform) -> Waveform:
    """Take off the constant part (DC) that a cheap microphone adds."""
    samples = waveform.samples
    if not len(samples):
        return waveform
    return Waveform(samples - samples.mean(dtype=np.float64).astype(np.float32), RATE_HZ)


def cut_speech(
    waveform: Waveform, segments: Sequence[SpeechSegment], padding_s: float = _PADDING_S
) -> Float32Array:
    """Join the segments, each with `padding_s` before and after it.

    Returns:
        Samples (n,). Paddings that overlap are cut, so that no sample comes twice.
    """
    rate = waveform.rate_hz
    pieces = []
    end = 0
    for segment in segments:
        start = max(end, round((segment.start_s - padding_s) * rate))
        end = min(len(waveform.samples), round((segment.end_s + padding_s) * rate))
        pieces.append(waveform.samples[start:end])
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def find_source_time(
    joined_s: float, segments: Sequence[SpeechSegment], padding_s: float = _PADDING_S
) -> float:
    """Find when a moment of what `cut_speech` joined is in the waveform, in seconds."""
    left_s = joined_s
    end_s = 0.0
    for segment in segments:
        start_s = max(end_s, segment.start_s - padding_s)
        end_s = segment.end_s + padding_s
        if left_s <= end_s - start_s:
            return start_s + left_s
        left_s -= end_s - start_s
    return end_s


def cut_rest(
    waveform: Waveform, segments: Sequence[SpeechSegment], guard_s: float = _GUARD_S
) -> Float32Array:
    """Join the samples (n,) outside the segments, without `guard_s` before and after each."""
    is_rest = np.ones(len(waveform.samples), bool)
    for segment in segments:
        start = max(0, round((segment.start_s - guard_s) * waveform.rate_hz))
        end = round((segment.end_s + guard_s) * waveform.rate_hz)
        is_rest[start:end] = False
    return waveform.samples[is_rest]


def assess_speech(waveform: Waveform, segments: Sequence[SpeechSegment]) -> SpeechQuality:
    """Measure the quality of a waveform that has its speech in `segments`.

    A constant offset counts for nothing but for clipping: it brings samples to full scale.
    """
    clipping = measure_clipping(waveform.samples)
    waveform = _remove_offset(waveform)
    speech_s = float(sum(s.end_s - s.start_s for s in segments))
    speech = cut_speech(waveform, segments, padding_s=0.0)
    level_db = _to_db(float(np.mean(speech**2))) if len(speech) else _FLOOR_DB
    snr_db = estimate_snr_db(speech, cut_rest(waveform, segments))
    return SpeechQuality(
        speech_s=speech_s,
        duration_s=waveform.duration_s,
        snr_db=snr_db,
        clipping=clipping,
        level_db=level_db,
        score=score_speech(speech_s, snr_db, clipping, level_db),
    )


def measure_clipping(samples: Float32Array) -> float:
    """Measure the share of samples (n,) that swing to full scale, in [0, 1]."""
    if not len(samples):
        return 0.0
    swing = np.abs(samples - samples.mean(dtype=np.float64))
    return float(np.mean((np.abs(samples) >= _FULL_SCALE) & (swing >= _LEAST_SWING)))


def estimate_snr_db(speech: Float32Array, rest: Float32Array) -> float:
    """Estimate the ratio of speech to noise.

    The noise level is the mean, in dB, of two estimates:

    - The quietest tenth of the 20 ms blocks of `speech`, since speech has gaps even
      within words. It is too low for noise that comes and goes. Source: minimum
      statistics, R. Martin, "Noise power spectral density estimation based on optimal
      smoothing and minimum statistics", IEEE TSAP 9(5), 2001.
    - All of `rest`. It is too high when people are quiet while someone speaks. It
      counts from 0.3 s on.

    Args:
        speech: the samples (n,) of the speech, which hold the noise as well.
        rest: the samples (m,) without speech.

    Returns:
        The ratio in dB, within [-10, 60]. It is 0 for less than 20 ms of speech.
    """
    if len(speech) < _BLOCK:
        return 0.0
    powers = np.sort(_block_powers(speech))
    noises = [powers[: max(1, len(powers) // 10)].mean()]
    if len(rest) >= _LEAST_REST_S * RATE_HZ:
        noises.append(_block_powers(rest).mean())
    noise = 10 ** (float(np.mean([_to_db(float(n)) for n in noises])) / 10)
    clean = max(float(powers.mean()) - noise, 1e-12)
    return float(np.clip(10 * np.log10(clean / noise), -10.0, _TOP_SNR_DB))


def score_speech(speech_s: float, snr_db: float, clipping: float, level_db: float) -> float:
    """Sum up the quality of speech in [0, 1].

    The score is the square root of the product of four factors in [0, 1], for length,
    noise, clipping and level. One bad property is enough for a low score.
    """
    length = np.clip(speech_s / 3.0, 0.0, 1.0)
    clean = np.clip((snr_db + 3) / 23, 0.0, 1.0)
    whole = np.clip(1 - clipping / 0.05, 0.0, 1.0)
    loud = np.clip((level_db + 60) / 25, 0.0, 1.0)
    return float(np.sqrt(length * clean * whole * loud))


def _block_powers(samples: Float32Array) -> Float64Array:
    """Mean square of each whole 20 ms block."""
    length = len(samples) // _BLOCK * _BLOCK
    blocks = samples[:length].reshape(-1, _BLOCK).astype(np.float64)
    return np.asarray((blocks**2).mean(axis=1))


def _to_db(power: float) -> float:
    return max(_FLOOR_DB, 10 * float(np.log10(max(power, 1e-12))))
