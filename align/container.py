"""Opening a media file and taking its packets apart, without decoding yet (PyAV, that
is ffmpeg's libraries).

Packets of the first `read_s` seconds are kept in memory; times are seconds from the
start of the stream they belong to.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.stream import Disposition

from align.limits import ReadLimits
from align.sniff import MediaKind
from utils.errors import MediaCorruptError, MediaTooLongError

_OPEN_OPTIONS = {"protocol_whitelist": "file"}
"""A container may name other files or addresses: only the file itself is ever opened."""


@dataclass(frozen=True)
class TimedPacket:
    """A compressed packet and when it is shown, in seconds from the first packet of its
    stream.
    """

    packet: av.Packet
    time_s: float

    @property
    def is_keyframe(self) -> bool:
        """Whether decoding may start here."""
        return bool(self.packet.is_keyframe)


@dataclass
class Track:
    """One stream of the file: the stream (None when the file has none) and its packets
    in decoding order.

    `first_s` = time stamp of its first packet, `end_s` = where its last packet ends,
    kept or not; `stated_end_s` = where the header says that it ends, None where it does
    not say. All three by the clock of the file.
    """

    stream: Any = None
    packets: list[TimedPacket] = field(default_factory=list)
    first_s: float | None = None
    end_s: float = 0.0
    stated_end_s: float | None = None


@dataclass
class Demuxed:
    """The picture and sound packets of one file.

    `duration_s` is that of the whole file as far as it is known, `stated_s` what the
    header says (0 = nothing); `is_all_read`: it has no other streams (cover art aside);
    `to_the_end`: no limit stopped the reading.
    """

    video: Track
    audio: Track
    duration_s: float
    stated_s: float
    is_all_read: bool
    to_the_end: bool = True


@contextmanager
def open_container(path: Path, kind: MediaKind) -> Iterator[InputContainer]:
    """Open `path` with the demuxer of its kind. Raises MediaCorruptError when it cannot
    be read.
    """
    try:
        container = av.open(
            str(path), format=kind.demuxer, options=_OPEN_OPTIONS, metadata_errors="ignore"
        )
    except (av.error.FFmpegError, ValueError, MemoryError) as error:
        raise MediaCorruptError(
            f"The file begins like {kind.name}, but cannot be opened: {_reason(error)}."
        ) from None
    with container:
        yield container


def demux(container: InputContainer, limits: ReadLimits) -> Demuxed:
    """Read the packets of the first picture and sound stream. Raises MediaTooLongError
    beyond `limits.max_clip_s`.
    """
    stated_s = (container.duration or 0) / 1e6
    _refuse_long(stated_s, limits)
    tracks = _choose_streams(container)
    streams = [t.stream for t in tracks.values()]
    others = [s for s in container.streams if s not in streams and not _is_cover(s)]
    result = Demuxed(
        tracks.get("video", Track()),
        tracks.get("audio", Track()),
        stated_s,
        stated_s,
        is_all_read=not others,
    )
    if not streams:
        return result
    end_s, result.to_the_end = _collect(
        container, {t.stream.index: t for t in tracks.values()}, limits, stop_early=stated_s > 0
    )
    _refuse_long(end_s, limits)
    result.duration_s = max(stated_s, end_s)
    return result


def _choose_streams(container: InputContainer) -> dict[str, Track]:
    """The first picture stream that is no cover art, and the first sound stream."""
    chosen: dict[str, Track] = {}
    for stream in container.streams:
        if (
            stream.type in ("video", "audio")
            and stream.type not in chosen
            and not _is_cover(stream)
            and stream.codec_context is not None
        ):
            chosen[stream.type] = Track(stream, stated_end_s=_stated_end_s(stream))
    return chosen


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def _stated_end_s(stream: Any) -> float | None:
    return (
        float(((stream.start_time or 0) + stream.duration) * stream.time_base)
        if stream.duration
        else None
    )


def _collect(
    container: InputContainer, tracks: dict[int, Track], limits: ReadLimits, stop_early: bool
) -> tuple[float, bool]:
    """Fill the tracks; returns the time of the last packet seen, and whether no limit
    stopped the reading. Damage in the middle ends it, too: that is no error.
    """
    deadline = time.monotonic() + limits.decode_s
    size = 0
    end_s = 0.0
    past_end: set[int] = set()
    try:
        for packet in container.demux([t.stream for t in tracks.values()]):
            track = tracks[packet.stream_index]
            at_s = _time_s(packet, track)
            if at_s is None:
                continue
            lasts_s = _seconds(packet.duration, packet)
            end_s = max(end_s, at_s + lasts_s)
            track.end_s = max(track.end_s, (track.first_s or 0.0) + at_s + lasts_s)
            if at_s <= limits.read_s and size < limits.max_bytes:
                track.packets.append(TimedPacket(packet, at_s))
                size += packet.size
            else:
                past_end.add(packet.stream_index)
            if (
                end_s > limits.max_clip_s
                or time.monotonic() > deadline
                or (stop_early and len(past_end) == len(tracks))
            ):
                return end_s, False
    except (av.error.FFmpegError, ValueError):
        pass
    return end_s, True


def _time_s(packet: av.Packet, track: Track) -> float | None:
    """Seconds since the first packet of the stream; None for an empty packet. Packets
    without a time take the one of their decoding.
    """
    if packet.size == 0:
        return None
    stamp = packet.pts if packet.pts is not None else packet.dts
    at_s = _seconds(stamp, packet) if stamp is not None else _guessed_s(track)
    if track.first_s is None:
        track.first_s = at_s
    return max(0.0, at_s - track.first_s)


def _guessed_s(track: Track) -> float:
    """A time for a packet that has none: one frame after the packet before it."""
    rate = float(getattr(track.stream, "average_rate", None) or 25)
    return (track.first_s or 0.0) + (track.packets[-1].time_s + 1 / rate if track.packets else 0.0)


def _seconds(ticks: int | None, packet: av.Packet) -> float:
    return float(ticks * packet.time_base) if ticks and packet.time_base else 0.0


def _refuse_long(duration_s: float, limits: ReadLimits) -> None:
    if duration_s > limits.max_clip_s:
        raise MediaTooLongError(
            f"A clip may last {limits.max_clip_s:g} s. Received: {duration_s:.0f} s or more."
        )


def _reason(error: BaseException) -> str:
    """The library's word for the failure, without the path that it appends."""
    text = getattr(error, "strerror", "") or type(error).__name__
    return str(text).lower()
