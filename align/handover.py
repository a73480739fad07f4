"""Handing a clip over between two processes: its arrays lie in shared memory.

The description of a clip is JSON. So nothing that one process writes is ever run by the
other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from operator import index
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from align.audience import Audience
from align.film import MOST_SIDE_PX
from align.film import RATE_HZ as FILM_HZ
from align.limits import ReadLimits
from utils.arrays import RATE_HZ, Float32Array, GreyArray, ImageArray
from utils.media import Clip, Coding, Frame, GreyFrame, Waveform

# Arrays begin at multiples of it
_ALIGNMENT = 64


def needed_bytes(limits: ReadLimits) -> int:
    """Bytes that the largest clip within `limits` takes."""
    frames_px = limits.most_frames * limits.max_side_px**2
    sounds = int(limits.read_s * RATE_HZ) * 4 * limits.max_sounds
    arrays = limits.most_frames + limits.max_sounds
    # Some of the film may be decoded twice, and the first frames of it lie there unused
    film = 2 * (math.ceil(limits.film_s * FILM_HZ) + 1) if limits.film_s else 0
    most_px = max(frames_px, limits.kept_photo_px)
    grey = film * MOST_SIDE_PX**2
    return most_px * 3 + grey + sounds + (arrays + film) * _ALIGNMENT


class Sender:
    """Hands a clip over as its `Audience`, and the rest of it in the end.

    Arrays lie in the shared memory one after the other. A frame that was seen lies there
    alone: this process holds no copy.
    """

    def __init__(
        self,
        memory: memoryview,
        send: Callable[[dict[str, Any]], None],
        receive: Callable[[], bool] = lambda: False,
    ) -> None:
        """`send` tells the other process, which may be busy with what came before.

        `receive` waits for what it says to a question.
        """
        self._memory = memory
        self._first = _address(np.frombuffer(memory, np.uint8))
        self._send = send
        self._receive = receive
        self._end = 0
        self._seen_at: list[int] = []
        self._sounds: list[dict[str, Any]] = []
        self._film: list[dict[str, Any]] = []

    def hear(self, waveforms: tuple[Waveform, ...]) -> None:
        """Hand the sounds over."""
        self._sounds = [self._place_sound(waveform) for waveform in waveforms]
        self._send({"sounds": self._sounds})

    def see(self, frame: Frame) -> Frame:
        """Hand a frame over. The one returned lies in the shared memory."""
        place = self._place_image(frame)
        self._seen_at.append(place["start"])
        self._send({"frame": place, "film": self._film})
        self._film = []
        return Frame(_view_image(self._memory, place["start"], place["shape"]), frame.time_s)

    def room(self, shape: tuple[int, int]) -> GreyArray:
        """Return the next place of the shared memory."""
        place: GreyArray = self._take(shape, np.uint8)[1]
        return place

    def film(self, frame: GreyFrame) -> GreyFrame:
        """Hand a frame over with the next one that is seen, and return it where it lies."""
        place = self._place_image(frame)
        self._film.append(place)
        return _take_grey(place, self._memory)

    def is_enough(self, clip: Clip) -> bool:
        """Hand over what is read so far, and wait for whether that is enough."""
        self._send({"opening": self.finish(clip)})
        return self._receive()

    def spend_time(self) -> bool:
        """Have nothing to do: this process decodes."""
        return False

    def forget(self, count: int, filmed: int) -> None:
        """Give the place of the last frames to those to come."""
        if count:
            self._end = self._seen_at[-count]
            del self._seen_at[-count:]
        start = max(0, len(self._film) - filmed)
        filmed -= len(self._film) - start  # the others were never handed over
        del self._film[start:]
        self._send({"forget": count, "filmed": filmed})

    def finish(self, clip: Clip) -> dict[str, Any]:
        """Copy the pictures that are not handed over yet, and describe all of the clip.

        Its sounds are those that were handed over.

        Raises:
            ValueError: the arrays are larger than the memory.
        """
        return {
            "frames": [self._place_image(frame) for frame in clip.frames],
            "film": [self._place_image(frame) for frame in clip.film],
            "sounds": self._sounds,
            "sound_starts_s": clip.sound_starts_s,
            "duration_s": clip.duration_s,
            "source_sha256": clip.source_sha256,
            "missing_s": clip.missing_s,
            "coding": asdict(clip.coding),
        }

    def _place_image(self, frame: Frame | GreyFrame) -> dict[str, Any]:
        start = self._put(frame.image)
        return {"start": start, "shape": frame.image.shape, "time_s": frame.time_s}

    def _place_sound(self, waveform: Waveform) -> dict[str, Any]:
        start = self._put(waveform.samples)
        return {"start": start, "count": len(waveform.samples), "rate_hz": waveform.rate_hz}

    def _put(self, array: ImageArray | GreyArray | Float32Array) -> int:
        """Copy an array to the end, unless it lies in the memory, and return where it is."""
        start = _address(array) - self._first
        if 0 <= start < len(self._memory):
            return start
        start, place = self._take(array.shape, array.dtype)
        np.copyto(place, array)
        return start

    def _take(self, shape: Sequence[int], dtype: DTypeLike) -> tuple[int, Any]:
        """Take the next place, and return where it begins, and its array."""
        start = self._end
        place = _view(self._memory, start, shape, dtype)
        self._end += -(-place.nbytes // _ALIGNMENT) * _ALIGNMENT
        return start, place


def take_over(description: dict[str, Any], memory: memoryview) -> Clip:
    """Make the clip of a description. Its arrays are views of `memory`.

    Raises:
        KeyError, TypeError, ValueError: the description is not one of `Sender.finish`.
    """
    return Clip(
        frames=tuple(_take_frame(frame, memory) for frame in description["frames"]),
        waveforms=tuple(_view_sound(memory, sound) for sound in description["sounds"]),
        duration_s=description["duration_s"],
        source_sha256=description["source_sha256"],
        missing_s=description["missing_s"],
        film=tuple(_take_grey(frame, memory) for frame in description["film"]),
        sound_starts_s=tuple(description["sound_starts_s"]),
        coding=Coding(**description["coding"]),
    )


def take_news(news: dict[str, Any], memory: memoryview, audience: Audience) -> Callable[[], object]:
    """Understand what a `Sender` sent, and return what tells it to an audience.

    Sounds are copied, so that they may be heard for longer than the memory is valid. It
    raises what `take_over` does. What is told of an opening returns the answer to it.
    """
    if "opening" in news:
        return partial(audience.is_enough, take_over(news["opening"], memory))
    if "sounds" in news:
        sounds = (_view_sound(memory, sound) for sound in news["sounds"])
        copies = tuple(Waveform(s.samples.copy(), s.rate_hz) for s in sounds)
        return partial(audience.hear, copies)
    if "frame" in news:
        film = [_take_grey(frame, memory) for frame in news["film"]]
        return partial(_show, audience, film, _take_frame(news["frame"], memory))
    return partial(audience.forget, index(news["forget"]), index(news["filmed"]))


def _show(audience: Audience, film: Sequence[GreyFrame], frame: Frame) -> None:
    for one in film:
        audience.film(one)
    audience.see(frame)


def _take_grey(frame: dict[str, Any], memory: memoryview) -> GreyFrame:
    return GreyFrame(_view_image(memory, frame["start"], frame["shape"]), frame["time_s"])


def _take_frame(frame: dict[str, Any], memory: memoryview) -> Frame:
    return Frame(_view_image(memory, frame["start"], frame["shape"]), frame["time_s"])


def _view_image(memory: memoryview, start: int, shape: Sequence[int]) -> ImageArray:
    image: ImageArray = _view(memory, start, shape, np.uint8)
    return image


def _view_sound(memory: memoryview, sound: dict[str, Any]) -> Waveform:
    samples: Float32Array = _view(memory, sound["start"], [sound["count"]], np.float32)
    return Waveform(samples, sound["rate_hz"])


def _address(array: Any) -> int:
    """Where an array begins. Its `ctypes.data` is the same, made of three objects."""
    address: int = array.__array_interface__["data"][0]
    return address


def _view(memory: memoryview, start: int, shape: Sequence[int], dtype: DTypeLike) -> Any:
    count = math.prod(shape)
    return np.frombuffer(memory, dtype, count, start).reshape(shape)
