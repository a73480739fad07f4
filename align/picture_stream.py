"""Decoding frames of a video at chosen times, however long it is.

`align.video` samples a short clip whose packets it holds. Here the packets pass by once,
and are decoded only where frames are wanted. So hours need as much memory as seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer

from align.container import (
    UNDECODABLE,
    TimedPacket,
    Track,
    choose_picture,
    choose_sounds,
    measure_time_s,
    open_container,
)
from align.decode import identify_kind
from align.limits import ReadLimits
from align.upright import DisplayMatrices
from align.video import measure_shown_s, prepare_codec, to_frame
from utils.media import Frame

Looks = Sequence[Sequence[float]]
"""Times of each look in seconds of the sound, increasing. No look begins within another."""

LOOK_FRAMES = 12
"""Most frames of a look."""

# Compressed bytes that wait until it is known whether they are decoded
_MOST_BYTES = 32 << 20

# Frames a second from which those that no other refers to are skipped
_SPARE_RATE = 20

# A frame this much before or after the times of a look belongs to it
_SLACK_S = 0.1


@contextmanager
def open_pictures(
    path: Path, looks: Looks, filename: str | None = None
) -> Iterator[Iterator[tuple[Frame, ...]]]:
    """Open the picture of a video.

    Args:
        path: the file.
        looks: when frames are wanted.
        filename: what the sender calls the file, for messages.

    Yields:
        The frames of each look in turn, of one size. A look has none where nothing is
        shown, or where it cannot be decoded.

    Raises:
        MediaError: the file cannot be opened, or its frames are too large.
    """
    kind = identify_kind(path, filename or path.name)
    with open_container(path, kind) as container:
        track = choose_picture(container)
        yield iter(()) if track is None else _show(container, track, looks)


def _show(container: InputContainer, track: Track, looks: Looks) -> Iterator[tuple[Frame, ...]]:
    """Sort the frames into the looks that they belong to."""
    limits = ReadLimits()
    starts = [(min(times), max(times)) for times in looks]
    frames: list[Frame] = []
    number = 0
    wanted = list(chain.from_iterable(looks))
    for frame in _Decoder(container, track, limits).decode(wanted):
        while number < len(looks) and frame.time_s > starts[number][1] + _SLACK_S:
            yield _of_one_size(frames)
            frames = []
            number += 1
        if number < len(looks) and frame.time_s >= starts[number][0] - _SLACK_S:
            frames.append(frame)
    for _ in looks[number:]:
        yield _of_one_size(frames)
        frames = []


def _of_one_size(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    same = [frame for frame in frames if frame.image.shape == frames[0].image.shape]
    return tuple(same[:LOOK_FRAMES])


class _Decoder:
    """Decodes a picture stream where a frame is wanted next."""

    def __init__(self, container: InputContainer, track: Track, limits: ReadLimits) -> None:
        self._container = container
        self._track = track
        self._limits = limits
        self._matrices = DisplayMatrices()
        self._codec: Any = track.stream.codec_context
        prepare_codec(self._codec, limits)
        is_quick = float(track.stream.average_rate or 0) >= _SPARE_RATE
        self._codec.skip_frame = "NONREF" if is_quick else "DEFAULT"
        self._wanted: list[float] = []
        self._held: list[TimedPacket] = []
        self._held_bytes = 0
        self._is_begun = False
        self._ahead_s = 0.0

    def decode(self, wanted_s: Sequence[float]) -> Iterator[Frame]:
        """Yield the first frame at or after each time, with its time by the sound's clock."""
        self._wanted = list(wanted_s)
        for packet in self._packets():
            if packet.is_keyframe:
                yield from self._end_group()
            if not self._wanted:
                return
            self._hold(packet)
            if self._held_bytes > _MOST_BYTES or self._is_due(packet):
                yield from self._decode_held()
        yield from self._end_group()

    def _packets(self) -> Iterator[TimedPacket]:
        """Yield the packets by the clock of the sound. Damage in the middle ends them."""
        try:
            for packet in self._container.demux(self._track.stream):
                is_first = self._track.first_s is None
                time_s = measure_time_s(packet, self._track)
                if time_s is None:
                    continue
                if is_first:
                    self._ahead_s = _measure_ahead_s(self._container, self._track)
                yield TimedPacket(packet, time_s + self._ahead_s)
        except UNDECODABLE:
            return

    def _hold(self, packet: TimedPacket) -> None:
        self._held.append(packet)
        self._held_bytes += packet.packet.size

    def _is_due(self, packet: TimedPacket) -> bool:
        return packet.time_s >= self._wanted[0]

    def _end_group(self) -> Iterator[Frame]:
        """Take what is wanted of the packets before a keyframe, and forget the others."""
        if self._wanted and any(map(self._is_due, self._held)):
            yield from self._decode_held()
        if self._is_begun:
            yield from self._feed(None)
            self._codec.flush_buffers()
        self._is_begun = False
        self._held = []
        self._held_bytes = 0

    def _decode_held(self) -> Iterator[Frame]:
        held = self._held
        self._held = []
        self._held_bytes = 0
        self._is_begun = True
        for one in held:
            yield from self._feed(one.packet)

    def _feed(self, packet: av.Packet[Any] | None) -> Iterator[Frame]:
        try:
            pictures = self._codec.decode(packet)
        except UNDECODABLE:
            return
        for picture in pictures:
            time_s = self._time_s(picture)
            if picture.is_corrupt or not self._wanted or time_s < self._wanted[0]:
                continue
            later = [t for t in self._wanted if t > time_s]
            if len(self._wanted) - len(later) > 1:  # what is not skipped is too rare
                self._codec.skip_frame = "DEFAULT"
            self._wanted = later
            yield to_frame(picture, time_s, self._matrices.read(picture), self._limits)

    def _time_s(self, picture: av.VideoFrame) -> float:
        return measure_shown_s(picture, self._track) + self._ahead_s


def _measure_ahead_s(container: InputContainer, track: Track) -> float:
    """When the picture begins, by the clock of the sound."""
    sounds = choose_sounds(container)
    stream = sounds[0].stream if sounds else track.stream
    return (track.first_s or 0.0) - float((stream.start_time or 0) * stream.time_base)
