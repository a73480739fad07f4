"""Sound files decoded to mono samples."""

from __future__ import annotations

import io

import av
import numpy as np
from numpy.typing import NDArray

from utils.arrays import Float32Array
from utils.errors import DatasetError

FULL_SCALE = np.float32(32768)


def decode_audio(data: bytes, rate_hz: int, name: str) -> NDArray[np.int16]:
    """Decode a whole sound file to mono int16 samples (n,) at `rate_hz`.

    Args:
        data: The bytes of the file.
        rate_hz: Sample rate of the result.
        name: Name of the file in error messages.

    Raises:
        DatasetError: The file cannot be decoded, or holds no sound.
    """
    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate_hz)
    frames: list[av.AudioFrame] = []
    try:
        with av.open(io.BytesIO(data), "r") as container:
            for frame in container.decode(audio=0):
                frames += resampler.resample(frame)
            frames += resampler.resample(None)
    except (av.FFmpegError, IndexError) as error:
        raise DatasetError(
            f"Every listed file must be decodable sound. Received: {name} ({error})"
        ) from error
    if not frames:
        raise DatasetError(f"Every listed file must hold sound. {name} holds no samples.")
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])


def as_float(samples: NDArray[np.int16]) -> Float32Array:
    """Convert int16 samples to float32 in [-1, 1)."""
    return samples.astype(np.float32) / FULL_SCALE


def decode_float(data: bytes, rate_hz: int, name: str) -> Float32Array:
    """Decode a whole sound file to mono float32 samples (n,) in [-1, 1) at `rate_hz`."""
    return as_float(decode_audio(data, rate_hz, name))
