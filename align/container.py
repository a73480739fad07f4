"""Opening a media file and taking its packets apart, without decoding them.

PyAV does it with ffmpeg's libraries. The packets of the first `read_s` seconds are held
in memory. Times are seconds from the start of the stream they belong to.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.stream import Disposition

from align.limits import Deadline, ReadLimits
from align.sniff import MediaKind
from utils.errors import MediaCorruptError, MediaTooLongError

# A container may name other files or addresses: only the file itself is ever opened. To
# learn of its streams, their first pictures are decoded and thrown away: these need no
# filter over the edges of blocks
_OPEN_OPTIONS = {"protocol_whitelist": "file", "skip_loop_filter": "all"}

UNDECODABLE = (av.error.FFmpegError, ValueError, NotImplementedError, ArithmeticError)
"""What PyAV raises for a file or a packet that is damaged, or of a rare kind."""

# Frames per second of a stream that does not state its rate, or one that no camera has
_USUAL_RATE = 25

# Seconds between two frames of the fastest camera, as good as a clock of milliseconds has it
_LEAST_APART_S = 0.0015

# Time that packets are given which are decoded and not shown, as before a cut that an edit list
# makes. Frames that are shown begin at 0
_HIDDEN_S = -1e-6
_MOST_HIDDEN = 10_000  # such packets, which count for no length. A group of pictures has fewer

# No picture stands and no sound is silent for so long between two packets: the clock was set
# anew, as where recordings of a camera are joined, or a time stamp is damaged
_MOST_GAP_S = 600.0
# Time stamps in the order of decoding go back by less, and by fewer frames: matroska states those
# of showing alone, and H.264 shows a frame at most so many later
_MOST_BACK_S = 1.0
_MOST_BACK = 16
UNSTATED = ("mpegts", "mpeg")
"""Formats that state no length: ffmpeg takes it from the time stamps at both ends."""
# So much of a sound is hidden at most for its decoder to begin with. It counts for the clock, as
# in the clips that the model of `audio_visual_sync` was fitted to
_PRIMING_S = 0.25
# So many packets in a row may have one time: a hidden frame and the one that is shown
_MOST_SAME = 2


@dataclass(frozen=True)
class TimedPacket:
    """A compressed packet and when it is shown.

    `time_s` counts from the first packet of its stream that is shown. It is below 0 where
    the packet is decoded for others alone.
    """

    packet: av.Packet[Any]
    time_s: float

    @property
    def is_keyframe(self) -> bool:
        """Whether decoding may start here."""
        return bool(self.packet.is_keyframe)

    @property
    def is_shown(self) -> bool:
        """Whether it is shown or heard."""
        return self.time_s >= 0


@dataclass
class _Stamp:
    """Time stamp of packets in a row that share one: in ticks, and how many they are.

    `end_s` is when the frame after it is due, by the clock of the file. `decoded` is when
    it is decoded, in ticks of the file.
    """

    ticks: int | None = None
    same: int = 0
    end_s: float = 0.0
    decoded: int | None = None


@dataclass
class Track:
    """One stream of the file and its packets in decoding order.

    `stream` is None when the file has no such stream. The other times are by the clock
    of the file: `first_s` is the time stamp of its first packet that is shown, `end_s` is
    where its last packet ends, held or not, and `stated_end_s` is the end that the header states,
    None where it states none.
    """

    stream: Any = None
    packets: list[TimedPacket] = field(default_factory=list)
    first_s: float | None = None
    end_s: float = 0.0
    stated_end_s: float | None = None
    _last: _Stamp = field(default_factory=_Stamp)
    _hidden_s: float | None = None  # time of the first packet, where it is not shown
    _shift: int = 0  # ticks that are added to those of the file, where its clock was set anew

    @cached_property
    def time_base(self) -> Fraction:
        """Seconds a tick of the clock. PyAV makes a fraction of it each time it is asked."""
        return Fraction(self.stream.time_base or 0)

    @cached_property
    def step_s(self) -> float:
        """How long a frame is shown, by the rate that is stated. 0.0: none that a camera has."""
        rate = float(getattr(self.stream, "average_rate", None) or 0)
        return 1 / rate if 0 < rate <= 1 / _LEAST_APART_S else 0.0


@dataclass
class Demuxed:
    """The picture and sound packets of one file.

    `audio` is the sound track with the default flag, or else the first one, and
    `other_audio` are those beside it.
    `duration_s` is that of the whole file as far as it is known, `stated_s` what the
    header says (0 = nothing). `is_all_read` says that it has no other streams but cover
    art, `to_the_end` that no limit stopped the reading.
    """

    video: Track
    audio: Track
    duration_s: float
    stated_s: float
    is_all_read: bool
    to_the_end: bool = True
    other_audio: tuple[Track, ...] = ()

    @property
    def end_s(self) -> float:
        """Where the last packet of all tracks ends, by the clock of the file."""
        tracks = (self.video, self.audio, *self.other_audio)
        return max(track.end_s for track in tracks)


@contextmanager
def open_container(path: Path, kind: MediaKind) -> Iterator[InputContainer]:
    """Open a file with the demuxer of its kind.

    Raises:
        MediaCorruptError: it cannot be opened.
    """
    try:
        container = av.open(
            str(path), format=kind.demuxer, options=_OPEN_OPTIONS, metadata_errors="ignore"
        )
    except (*UNDECODABLE, MemoryError) as error:
        raise MediaCorruptError(
            f"The file begins like {kind.name}, but cannot be opened: {_reason(error)}."
        ) from None
    with container:
        yield container


def demux(container: InputContainer, limits: ReadLimits) -> Demuxed:
    """Read the packets of the picture stream that is shown, and of the sound streams.

    Raises:
        MediaTooLongError: the file is longer than `limits.max_clip_s`.
    """
    stated_s = (container.duration or 0) / 1e6
    if container.format.name in UNSTATED and stated_s > limits.max_clip_s:
        stated_s = 0.0  # it may be a jump of the clock
    _refuse_long(stated_s, limits)
    video = _choose_streams(container, "video")[:1]
    audio = choose_sounds(container)[: limits.max_sounds]
    tracks = [*video, *audio]
    result = Demuxed(
        video=video[0] if video else Track(),
        audio=audio[0] if audio else Track(),
        duration_s=stated_s,
        stated_s=stated_s,
        is_all_read=_is_all_read(container, tracks),
        other_audio=tuple(audio[1:]),
    )
    if not tracks:
        return result
    reader = _PacketReader(tracks, limits, stop_early=stated_s > 0)
    result.to_the_end = reader.read(container)
    _refuse_long(reader.end_s, limits)
    result.duration_s = max(stated_s, reader.end_s)
    return result


def choose_picture(container: InputContainer) -> Track | None:
    """Choose the picture stream with the default flag, or else the first. None: there is none."""
    return next(iter(_choose_streams(container, "video")), None)


def choose_sounds(container: InputContainer) -> list[Track]:
    """Choose the sound streams that can be decoded, the one with the default flag first."""
    return _choose_streams(container, "audio")


def _choose_streams(container: InputContainer, kind: str) -> list[Track]:
    """Choose the streams of a kind that can be decoded and are no cover art.

    Those with the default flag come first, as players show and play them.
    """
    tracks = [
        Track(stream, stated_end_s=_stated_end_s(stream))
        for stream in container.streams
        if stream.type == kind and not _is_cover(stream) and stream.codec_context is not None
    ]
    return sorted(tracks, key=lambda track: not track.stream.disposition & Disposition.default)


def _is_all_read(container: InputContainer, tracks: list[Track]) -> bool:
    chosen = [track.stream for track in tracks]
    return all(stream in chosen or _is_cover(stream) for stream in container.streams)


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def _stated_end_s(stream: Any) -> float | None:
    if not stream.duration:
        return None
    return float(((stream.start_time or 0) + stream.duration) * stream.time_base)


class _PacketReader:
    """Fills tracks with their packets, within the limits.

    `end_s` is where the last packet seen ends, from the start of its stream.
    """

    def __init__(self, tracks: list[Track], limits: ReadLimits, *, stop_early: bool) -> None:
        self._tracks = {track.stream.index: track for track in tracks}
        self._limits = limits
        self._stop_early = stop_early
        self._deadline = Deadline(limits.decode_s)
        self._size = 0
        self._hidden = 0
        self._past_end: set[int] = set()
        self.end_s = 0.0

    def read(self, container: InputContainer) -> bool:
        """Read the packets. Damage in the middle ends the file, which is no error.

        Returns:
            Whether no limit stopped the reading.
        """
        try:
            for packet in container.demux([t.stream for t in self._tracks.values()]):
                self._take(packet)
                if self._is_enough():
                    return False
        except UNDECODABLE:
            pass
        return True

    def _take(self, packet: av.Packet[Any]) -> None:
        track = self._tracks.get(packet.stream_index)  # none of the last one, which is empty
        time_s = None if track is None else measure_time_s(packet, track)
        if track is None or time_s is None:
            return
        self._hidden += time_s < 0
        if time_s >= 0:
            end_s = time_s + scale_ticks(packet.duration or 0, track.time_base)
            self.end_s = max(self.end_s, end_s)
            track.end_s = max(track.end_s, (track.first_s or 0.0) + end_s)
        if time_s <= self._limits.read_s and self._size < self._limits.max_bytes:
            track.packets.append(TimedPacket(packet, time_s))
            self._size += packet.size
        else:
            self._past_end.add(packet.stream_index)

    def _is_enough(self) -> bool:
        return (
            self.end_s > self._limits.max_clip_s
            or self._hidden > _MOST_HIDDEN
            or self._deadline.is_over
            or (self._stop_early and len(self._past_end) == len(self._tracks))
        )


def measure_time_s(packet: av.Packet[Any], track: Track) -> float | None:
    """When a packet is shown, from the first packet of its stream that is.

    None for an empty packet, and below 0 for one that is not shown. A packet without a
    usable time is given one: a frame after the packet before it.
    """
    if packet.size == 0:
        return None
    stamp = _read_stamp(packet, track)
    if not _is_usable(stamp, track):
        stamp = packet.pts = round(track._last.end_s / (track.time_base or 1))
    time_s = scale_ticks(stamp or 0, track.time_base)
    last = track._last
    last.end_s = (time_s if last.same == 1 else last.end_s) + _step_s(packet, track)
    if packet.is_discard:
        track._hidden_s = time_s if track._hidden_s is None else track._hidden_s
        return _HIDDEN_S
    if track.first_s is None:
        track.first_s = _begin(time_s, track)
    return max(0.0, time_s - track.first_s)


def _begin(time_s: float, track: Track) -> float:
    """When a track begins whose first packet that is shown has this time."""
    hidden_s = track._hidden_s
    if hidden_s is None or track.stream.type != "audio" or time_s - hidden_s > _PRIMING_S:
        return time_s
    return hidden_s


def _read_stamp(packet: av.Packet[Any], track: Track) -> int | None:
    """Read the time of a packet in ticks. After a jump of the clock it goes on as before."""
    stamp: int | None = packet.pts if packet.pts is not None else packet.dts
    if stamp is None or not track.time_base:
        return stamp
    if _is_jump(packet, stamp, track):
        track._shift = round(track._last.end_s / track.time_base) - stamp
    track._last.decoded = packet.dts
    if track._shift:
        stamp = packet.pts = stamp + track._shift
    return stamp


def _is_jump(packet: av.Packet[Any], stamp: int, track: Track) -> bool:
    """Whether the clock of the file was set anew before a packet of this time."""
    last = track._last
    if last.same == 0:
        return False
    ahead_s = scale_ticks(stamp + track._shift, track.time_base) - last.end_s
    back = 0 if last.decoded is None or packet.dts is None else last.decoded - packet.dts
    most_back_s = max(_MOST_BACK_S, _MOST_BACK * track.step_s)
    return abs(ahead_s) > _MOST_GAP_S or scale_ticks(back, track.time_base) > most_back_s


def _is_usable(stamp: int | None, track: Track) -> bool:
    """Whether a packet has a time of its own.

    Packets in a row share one where all have the same, or none. So do frames that come
    faster than from any camera: some programs count them in the ticks of a clock.
    """
    last = track._last
    if _shares(stamp, track):
        last.same += 1
    else:
        last.same = 1
        last.ticks = stamp
    return stamp is not None and last.same <= _MOST_SAME


def _shares(stamp: int | None, track: Track) -> bool:
    """Whether a packet has the time of those before it, or too little after them."""
    first = track._last.ticks
    if stamp is None or first is None or track.stream.type == "audio":
        return stamp == first
    passed_s = scale_ticks(abs(stamp - first), track.time_base)
    return passed_s < track._last.same * _LEAST_APART_S


def _step_s(packet: av.Packet[Any], track: Track) -> float:
    """How long a packet is shown or heard, by what its stream states."""
    if track.step_s:
        return track.step_s
    is_sound = track.stream.type == "audio"
    heard_s = scale_ticks(packet.duration or 0, track.time_base) if is_sound else 0.0
    return heard_s or 1 / _USUAL_RATE


def scale_ticks(ticks: int, time_base: Fraction) -> float:
    """Turn ticks of a clock to seconds, as `float(ticks * time_base)` in a tenth of the time."""
    return ticks * time_base.numerator / time_base.denominator


def _refuse_long(duration_s: float, limits: ReadLimits) -> None:
    if duration_s > limits.max_clip_s:
        raise MediaTooLongError(
            f"A clip may last {limits.max_clip_s:g} s. Received: {duration_s:.0f} s or more."
        )


def _reason(error: BaseException) -> str:
    """The library's word for the failure, without the path that it appends."""
    text = getattr(error, "strerror", "") or type(error).__name__
    return str(text).lower()
