"""Decoding the sound track to 16 kHz mono float32 in [-1, 1].

Damage costs the damaged packets only.
"""

from __future__ import annotations

import time

import av
import numpy as np

from align.container import Track
from align.limits import ReadLimits
from utils.arrays import RATE_HZ, Float32Array
from utils.media import Waveform


def decode_sound(track: Track, limits: ReadLimits) -> Waveform | None:
    """Decode the packets of a sound track, at most `limits.read_s` seconds.

    Returns:
        The sound, or None when there is no track or nothing of it can be decoded.
    """
    if track.stream is None or not track.packets:
        return None
    deadline = time.monotonic() + limits.decode_s
    codec = track.stream.codec_context
    mixer = _Mixer()
    parts = []
    for packet in [*(p.packet for p in track.packets), None]:
        try:
            for frame in codec.decode(packet):
                parts += mixer.push(frame)
        except (av.error.FFmpegError, ValueError):
            continue
        if time.monotonic() > deadline:
            break
    parts += mixer.push(None)
    return _to_waveform(parts, limits.read_s)


class _Mixer:
    """Resampler to 16 kHz mono, renewed when the format changes in mid-stream.

    Mono is the mean of the channels. ffmpeg's own mixing of floats adds them up, and
    would drive loud stereo beyond full scale.
    """

    def __init__(self) -> None:
        self._resampler: av.AudioResampler | None = None
        self._format: tuple[object, ...] = ()

    def push(self, frame: av.AudioFrame | None) -> list[Float32Array]:
        """Take the next frame, or None to flush, and return the samples that are ready."""
        if frame is None or _format_of(frame) == self._format:
            return self._resample(frame)
        flushed = self._resample(None)
        self._resampler = av.AudioResampler(format="fltp", layout=frame.layout, rate=RATE_HZ)
        self._format = _format_of(frame)
        return flushed + self._resample(frame)

    def _resample(self, frame: av.AudioFrame | None) -> list[Float32Array]:
        if self._resampler is None:
            return []
        try:
            frames = self._resampler.resample(frame)
        except av.error.EOFError:
            return []
        return [np.asarray(f.to_ndarray(), np.float32).mean(axis=0) for f in frames]


def _format_of(frame: av.AudioFrame) -> tuple[object, ...]:
    return (frame.format.name, frame.layout.name, frame.sample_rate)


def _to_waveform(parts: list[Float32Array], read_s: float) -> Waveform | None:
    if not parts:
        return None
    samples = np.concatenate(parts)[: int(read_s * RATE_HZ)].astype(np.float32)
    if not len(samples):
        return None
    return Waveform(np.clip(np.nan_to_num(samples), -1.0, 1.0), RATE_HZ)
