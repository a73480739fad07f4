"""Sound files decoded to mono samples."""

from __future__ import annotations

import io

import av
import numpy as np
from numpy.typing import NDArray

from utils.arrays import RATE_HZ, Float32Array
from utils.errors import DatasetError

# Sound without a header, as KsponSpeech has it.
RAW_SUFFIX = ".pcm"
FULL_SCALE = np.float32(32768)
REMOVE_IT = "Remove it from the data set."


def decode_audio(data: bytes, rate_hz: int, name: str) -> NDArray[np.int16]:
    """Decode a whole sound file to mono int16 samples (n,) at `rate_hz`.

    Args:
        data: The bytes of the file.
        rate_hz: Sample rate of the result.
        name: Name of the file in error messages.

    Raises:
        DatasetError: The file cannot be decoded, or holds no sound.
    """
    if name.endswith(RAW_SUFFIX):
        return _decode_raw(data, rate_hz, name)
    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate_hz)
    frames: list[av.AudioFrame] = []
    try:
        with av.open(io.BytesIO(data), "r") as container:
            for frame in container.decode(audio=0):
                frames += resampler.resample(frame)
            frames += resampler.resample(None)
    except (av.FFmpegError, IndexError) as error:
        raise DatasetError(
            f"Every listed file must be decodable sound. Received: {name} ({_reason(error)})",
            REMOVE_IT,
        ) from error
    if not frames:
        raise DatasetError(f"Every listed file must hold sound. {name} holds none.", REMOVE_IT)
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])


def _reason(error: Exception) -> str:
    """What is wrong with a file, without what PyAV calls it."""
    is_foreign = isinstance(error, av.InvalidDataError | av.EOFError)
    if isinstance(error, av.FFmpegError) and not is_foreign:
        return str(error.strerror)
    return "no sound in a format that is known" if is_foreign else "no sound track"


def _decode_raw(data: bytes, rate_hz: int, name: str) -> NDArray[np.int16]:
    """Samples without a header: 16 bit, little-endian, 16 kHz mono."""
    samples = np.frombuffer(data[: len(data) // 2 * 2], "<i2")
    if not len(samples) or rate_hz != RATE_HZ:
        raise DatasetError(
            f"A file {RAW_SUFFIX} must hold 16-bit samples at {RATE_HZ} Hz, which are trained on at"
            f" this rate. Received: {name} for {rate_hz} Hz, with {len(samples)} samples"
        )
    return samples.astype(np.int16)


def as_float(samples: NDArray[np.int16]) -> Float32Array:
    """Convert int16 samples to float32 in [-1, 1)."""
    return samples.astype(np.float32) / FULL_SCALE


def decode_float(data: bytes, rate_hz: int, name: str) -> Float32Array:
    """Decode a whole sound file to mono float32 samples (n,) in [-1, 1) at `rate_hz`."""
    return as_float(decode_audio(data, rate_hz, name))
