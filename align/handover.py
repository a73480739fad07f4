"""Handing a clip over between two processes: its arrays lie in shared memory.

The description of a clip is JSON. So nothing that one process writes is ever run by the
other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from align.film import MOST_SIDE_PX
from align.film import RATE_HZ as FILM_HZ
from align.limits import ReadLimits
from utils.arrays import RATE_HZ, Float32Array, ImageArray
from utils.media import Clip, Frame, GreyFrame, Waveform

# Arrays begin at multiples of it
_ALIGNMENT = 64


def needed_bytes(limits: ReadLimits) -> int:
    """Bytes that the largest clip within `limits` takes."""
    frames_px = limits.max_frames * limits.max_side_px**2
    sounds = int(limits.read_s * RATE_HZ) * 4 * limits.max_sounds
    arrays = limits.max_frames + limits.max_sounds
    film = math.ceil(limits.film_s * FILM_HZ) + 1 if limits.film_s else 0
    most_px = max(frames_px, limits.kept_photo_px)
    grey = film * MOST_SIDE_PX**2
    return most_px * 3 + grey + sounds + (arrays + film) * _ALIGNMENT


def hand_over(clip: Clip, memory: memoryview) -> dict[str, Any]:
    """Copy the arrays of a clip into `memory`, and describe the clip.

    Raises:
        ValueError: the arrays are larger than the memory.
    """
    end = 0
    pictures = []
    shown: tuple[Frame | GreyFrame, ...] = (*clip.frames, *clip.film)
    for frame in shown:
        start = end
        end = _put(frame.image, memory, start)
        pictures.append({"start": start, "shape": frame.image.shape, "time_s": frame.time_s})
    sounds = []
    for waveform in clip.waveforms:
        start = end
        end = _put(waveform.samples, memory, start)
        sounds.append({"start": start, "count": len(waveform.samples), "rate_hz": waveform.rate_hz})
    return {
        "frames": pictures[: len(clip.frames)],
        "film": pictures[len(clip.frames) :],
        "sounds": sounds,
        "sound_starts_s": clip.sound_starts_s,
        "duration_s": clip.duration_s,
        "source_sha256": clip.source_sha256,
        "missing_s": clip.missing_s,
    }


def take_over(description: dict[str, Any], memory: memoryview) -> Clip:
    """Make the clip of a description. Its arrays are views of `memory`.

    Raises:
        KeyError, TypeError, ValueError: the description is not one of `hand_over`.
    """
    frames = [
        Frame(_view_image(memory, frame["start"], frame["shape"]), frame["time_s"])
        for frame in description["frames"]
    ]
    film = [
        GreyFrame(_view_image(memory, frame["start"], frame["shape"]), frame["time_s"])
        for frame in description["film"]
    ]
    sounds = [_view_sound(memory, sound) for sound in description["sounds"]]
    return Clip(
        frames=tuple(frames),
        waveforms=tuple(sounds),
        duration_s=description["duration_s"],
        source_sha256=description["source_sha256"],
        missing_s=description["missing_s"],
        film=tuple(film),
        sound_starts_s=tuple(description["sound_starts_s"]),
    )


def _put(array: ImageArray | Float32Array, memory: memoryview, start: int) -> int:
    """Copy an array to `start`, and return where the next one begins."""
    place: Any = _view(memory, start, array.shape, array.dtype)
    np.copyto(place, array)
    return start + -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT


def _view_image(memory: memoryview, start: int, shape: Sequence[int]) -> ImageArray:
    image: ImageArray = _view(memory, start, shape, np.uint8)
    return image


def _view_sound(memory: memoryview, sound: dict[str, Any]) -> Waveform:
    samples: Float32Array = _view(memory, sound["start"], [sound["count"]], np.float32)
    return Waveform(samples, sound["rate_hz"])


def _view(memory: memoryview, start: int, shape: Sequence[int], dtype: DTypeLike) -> Any:
    count = math.prod(shape)
    return np.frombuffer(memory, dtype, count, start).reshape(shape)
