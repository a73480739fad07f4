"""Decoding the sound of a file block by block, however long it is.

`align.sound` holds a whole clip, of bounded length. Here a block is decoded when it is
asked for, so hours of sound need as much memory as seconds. Samples are 16 kHz mono
float32 in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from av.container import InputContainer

from align.container import (
    UNDECODABLE,
    UNSTATED,
    choose_picture,
    choose_sounds,
    open_container,
)
from align.decode import identify_kind
from align.sound import Resampler, Scale, mix
from utils.arrays import RATE_HZ, Float32Array
from utils.errors import MediaCorruptError, MediaTooLongError, NoBiometricError

BLOCK = RATE_HZ
"""Most samples of a block: a second."""
MOST_CHANNELS = 8
"""Number of channels that are heard each by itself. Others are left out."""
_WITH_SOUND = "Record with a microphone that is on, or name a file with sound."

Combine = Callable[[Float32Array], Float32Array]
"""Samples (n, channels) of one format to (n,), or to (n, channels) of a fixed number."""


@dataclass(frozen=True)
class SoundStream:
    """The sound of an open file.

    Attributes:
        blocks: samples (n,) in order, `BLOCK` of them at most. With several channels
            (n, channels).
        duration_s: length that the file states, 0.0 where it states none.
        channels: number of channels that are heard each by itself. 1: they are mixed.
        has_picture: whether the file is a video. Cover art is no picture.
    """

    blocks: Iterator[Float32Array]
    duration_s: float
    channels: int = 1
    has_picture: bool = False


@contextmanager
def open_sound(
    path: Path, *, max_s: float, filename: str | None = None, is_separate: bool = False
) -> Iterator[SoundStream]:
    """Open the sound of a video or sound file.

    Args:
        path: the file.
        max_s: the longest sound that is accepted, in seconds.
        filename: what the sender calls the file, for messages.
        is_separate: keep the channels apart, the first `MOST_CHANNELS` of them.

    Raises:
        MediaNotFoundError, MediaEmptyError, MediaTypeError: there is no such file, or
            it is in no format that is read.
        NoBiometricError: it has no sound.
        MediaTooLongError: it is longer than `max_s`, which a file that states no length
            shows only while its blocks are read.
        MediaCorruptError: it cannot be opened, or no block of it can be decoded.
    """
    kind = identify_kind(path, filename or path.name)
    if kind.is_photo:
        raise NoBiometricError(f"A picture has no sound. Received: {kind.name!r}", _WITH_SOUND)
    with open_container(path, kind) as container:
        tracks = choose_sounds(container)
        if not tracks:
            raise NoBiometricError("The file has no sound track.", _WITH_SOUND)
        duration_s = (container.duration or 0) / 1e6
        if container.format.name in UNSTATED and duration_s > max_s:
            duration_s = 0.0  # it may be a jump of the clock. What is decoded is counted below
        _refuse_long(duration_s, max_s)
        stream = tracks[0].stream
        channels = min(stream.channels or 1, MOST_CHANNELS) if is_separate else 1
        combine = _keeper(channels) if channels > 1 else mix
        scale = Scale()
        blocks = _join(_decode(container, stream, scale), combine, scale)
        has_picture = choose_picture(container) is not None
        yield SoundStream(_refuse_longer(blocks, max_s), duration_s, channels, has_picture)


def _decode(container: InputContainer, stream: Any, scale: Scale) -> Iterator[Float32Array]:
    """Yield parts (n, channels) of the sound. Damage costs the damaged packets only."""
    resampler = Resampler()
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, *UNDECODABLE):
            break
        yield from _decode_packet(packet, resampler, scale)
    yield from resampler.push(None)


def _decode_packet(packet: Any, resampler: Resampler, scale: Scale) -> Iterator[Float32Array]:
    try:
        for frame in packet.decode():
            scale.look_at(frame)
            if resampler.is_new_format(frame):
                yield from resampler.push(None)
            yield from resampler.push(frame)
    except UNDECODABLE:
        return


def _keeper(channels: int) -> Combine:
    """Make what gives each part (n, any) so many channels. Those that lack are silent."""

    def keep(part: Float32Array) -> Float32Array:
        missing = max(0, channels - part.shape[1])
        return np.pad(part[:, :channels], ((0, 0), (0, missing)))

    return keep


def _join(parts: Iterator[Float32Array], combine: Combine, scale: Scale) -> Iterator[Float32Array]:
    """Join parts (n, channels) to blocks of `BLOCK`. The last one may be shorter."""
    pending: Float32Array | None = None
    for part in _gather(parts):
        ready = combine(scale.clip_levels(part))
        pending = ready if pending is None else np.concatenate([pending, ready])
        while len(pending) >= BLOCK:
            yield pending[:BLOCK]
            pending = pending[BLOCK:]
    if pending is not None and len(pending):
        yield pending


def _gather(parts: Iterator[Float32Array]) -> Iterator[Float32Array]:
    """Gather short parts to a second or more: so much is mixed in one way."""
    gathered: list[Float32Array] = []
    for part in parts:
        if gathered and part.shape[1] != gathered[0].shape[1]:
            yield np.concatenate(gathered)
            gathered = []
        gathered.append(part)
        if sum(map(len, gathered)) >= BLOCK:
            yield np.concatenate(gathered)
            gathered = []
    if gathered:
        yield np.concatenate(gathered)


def _refuse_longer(blocks: Iterator[Float32Array], max_s: float) -> Iterator[Float32Array]:
    count = 0
    for block in blocks:
        count += len(block)
        _refuse_long(count / RATE_HZ, max_s)
        yield block
    if not count:
        raise MediaCorruptError("No sound in the file can be decoded: it is damaged or cut off.")


def _refuse_long(duration_s: float, max_s: float) -> None:
    if duration_s > max_s:
        raise MediaTooLongError(
            f"A recording may last {max_s:g} s. Received: {duration_s:.0f} s or more.",
            "Cut the recording into parts.",
        )
