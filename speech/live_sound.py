"""PCM16 of a socket as samples of 16 kHz mono float32 in [-1, 1], at any rate."""

from __future__ import annotations

import numpy as np
import soxr

from utils.arrays import RATE_HZ, Float32Array
from utils.errors import InvalidRequestError

_STEPS = np.float32(32768.0)


class PcmReader:
    """Reads one stream, however it is cut into messages."""

    def __init__(self, rate_hz: int = RATE_HZ) -> None:
        self._resampler = None
        if rate_hz != RATE_HZ:
            self._resampler = soxr.ResampleStream(rate_hz, RATE_HZ, 1, dtype="float32")

    def read(self, pcm16: bytes) -> Float32Array:
        """Read whole samples, little-endian, one channel, as (n,).

        Raises InvalidRequestError.
        """
        if len(pcm16) % 2:
            raise InvalidRequestError(
                "A message of sound must hold whole samples of 16 bits. Received:"
                f" {len(pcm16)} bytes",
                "Send PCM16, little-endian, one channel. The message was left out.",
            )
        samples = np.frombuffer(pcm16, "<i2").astype(np.float32) / _STEPS
        if self._resampler is None:
            return samples
        return np.asarray(self._resampler.resample_chunk(samples), np.float32)


def to_pcm16(samples: Float32Array) -> bytes:
    """Write samples (n,) as PCM16, little-endian."""
    steps = np.clip(np.rint(samples * _STEPS), -32768, 32767)
    return bytes(steps.astype("<i2").tobytes())
