"""Decoding the sampled frames of a video.

Only what is needed is decoded, and only what is wanted is converted. The display matrix
(a phone held upright) and non-square pixels are obeyed. Images are RGB uint8 (h, w, 3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import av
import numpy as np

from align.audience import Audience, Nobody
from align.container import UNDECODABLE, TimedPacket, Track, scale_ticks
from align.film import Film
from align.limits import (
    LEAST_OPENED_S,
    LEAST_OPENING_S,
    MOST_OPENING_S,
    OPENING_S,
    Deadline,
    ReadLimits,
    refuse_many_pixels,
)
from align.sampling import Group, choose_nearest, choose_times, plan
from align.upright import DisplayMatrices, pixel_aspect, shown_size, turn_upright
from utils.arrays import ImageArray
from utils.errors import MediaTooLargeError
from utils.media import Frame
from utils.processors import PROCESSORS

_THREADS = min(4, PROCESSORS)

# Pixels of all frames up to which one thread decodes as fast as the frames are looked at: those
# of 5 s of 1280 × 720. A second one takes 16 % more of a processor for the same work
_SMALL_PX = 160_000_000

# Packets per wanted frame from which the frames that no other refers to are skipped
_SPARE_UNREFERENCED = 4

# Two times this near are those of one frame
_SAME_S = 1e-4

# How near an even frame stands for one of an opening, in steps of its frames
_NEAR = 0.75

_EXCESSIVE = "Record at a lower resolution."

Ask = Callable[[tuple[Frame, ...]], bool]
"""Says whether the frames so far, with the film so far, are enough of a clip."""


def decode_frames(
    track: Track,
    limits: ReadLimits,
    film: Film | None = None,
    audience: Audience | None = None,
    *,
    ask: Ask | None = None,
    hear: Callable[[], object] = lambda: None,
) -> tuple[Frame, ...]:
    """Decode at most `limits.frames` frames, evenly over the packets of a track.

    What cannot be decoded is left out. `film` is shown the frames in between, too, and
    `audience` those that are wanted, as soon as they are decoded.

    For a fast answer, `ask` is asked whether what is decoded of a longer clip is enough. Its
    opening has more frames, which do not stay otherwise. `hear` is called before a frame is
    shown: sounds come first.

    Raises:
        MediaTooLargeError: a frame has more than `limits.max_frame_px` pixels, or there
            is none after `limits.decode_s`.
    """
    if track.stream is None or not track.packets:
        return ()
    times = [packet.time_s for packet in track.packets]
    keyframes = [packet.is_keyframe for packet in track.packets]
    shown = [packet for packet in track.packets if packet.is_shown]
    shown_s = [packet.time_s for packet in shown]
    if not shown:
        return ()
    shown_keys = [packet.is_keyframe for packet in shown]
    even = choose_times(shown_s, shown_keys, limits.frames)
    film = film or Film(0.0)
    if limits.is_fast:
        film.end_s = min(film.end_s, max(even) + _SAME_S)
    has_opening = limits.is_fast and max(shown_s) >= LEAST_OPENED_S
    more = _choose_more(shown_s, shown_keys, even) if has_opening else []
    asked = ask if has_opening else None
    decoder = _Decoder(track, limits, film, audience or Nobody(), ask=asked, hear=hear)
    for group in plan(times, keyframes, sorted([*even, *more]), film_s=film.end_s):
        decoder.decode(group)
        if decoder.is_late:
            _refuse_slow(decoder.frames, limits)
        if decoder.is_late or decoder.has_enough:
            break
    frames = decoder.frames
    if decoder.has_enough or not (more and frames):
        return tuple(frames)
    nearest = choose_nearest([frame.time_s for frame in frames], even)
    return tuple(frames[index] for index in nearest)


def _choose_more(
    times_s: Sequence[float], keyframes: Sequence[bool], even: Sequence[float]
) -> list[float]:
    """Choose the times of frames that an opening needs beside the even ones."""
    count = len(even)
    if not count:
        return []
    near_s = _NEAR * OPENING_S / count
    dense = choose_times(times_s, keyframes, count, OPENING_S)
    return [time_s for time_s in dense if np.abs(np.subtract(even, time_s)).min() > near_s]


class _Decoder:
    """The decoder of one picture track, and the time that it may take.

    Attributes:
        frames: those that were wanted, so far.
        has_enough: no more of them are needed.
    """

    def __init__(
        self,
        track: Track,
        limits: ReadLimits,
        film: Film,
        audience: Audience,
        *,
        ask: Ask | None,
        hear: Callable[[], object],
    ) -> None:
        self._track = track
        self._hear = hear
        self._film = film
        self._audience = audience
        self._ask = ask
        self._limits = limits
        self._matrices = DisplayMatrices()
        self._codec = track.stream.codec_context
        total_px = self._codec.width * self._codec.height * len(track.packets)
        prepare_codec(self._codec, limits, threads=1 if total_px <= _SMALL_PX else _THREADS)
        self._deadline = Deadline(limits.decode_s)
        self.frames: list[Frame] = []
        self.has_enough = False

    @property
    def is_late(self) -> bool:
        """Whether the allowance of processor time is used up."""
        return self._deadline.is_over

    def decode(self, group: Group) -> None:
        """Decode the wanted frames of a group."""
        stop = group.start + 1 if group.keyframe_only else group.stop
        packets = self._track.packets[group.start : stop]
        # Only frames that nothing refers to may be skipped: the others are then exactly
        # what a full decoding gives. (Skipping all bidirectional frames would be faster
        # still, but H.264 may refer to them, and the pictures come out smeared.)
        if len(packets) >= _SPARE_UNREFERENCED * len(group.wanted_s):
            before = len(self.frames)
            earlier = self._film.frames
            self._decode(packets, group.wanted_s, skip="NONREF")
            count = len(self.frames) - before
            times = [packet.time_s for packet in packets]
            is_whole = count >= len(group.wanted_s)
            if self.has_enough or (is_whole and self._film.is_dense(min(times), max(times))):
                return
            # Too much was skipped for the film, or of an unusual stream
            filmed = len(self._film.frames) - len(earlier)
            self._film.rewind(earlier)
            self._audience.forget(count, filmed)
            del self.frames[before:]
            self._ask = None
        self._decode(packets, group.wanted_s, skip="DEFAULT")

    def _decode(
        self, packets: list[TimedPacket], wanted_s: tuple[float, ...], *, skip: str
    ) -> None:
        self._codec.skip_frame = skip
        wanted = list(wanted_s)
        spare = None
        for picture in self._pictures(packets):
            time_s = max(0.0, measure_shown_s(picture, self._track))
            matrix = self._matrices.read(picture)
            self._film.show(picture, time_s, matrix)
            spare = (picture, time_s, matrix)
            if wanted and time_s >= wanted[0] - _SAME_S:
                self._show(*spare)
                wanted = [t for t in wanted if t > time_s + _SAME_S]
                spare = None
            if self.has_enough or (not wanted and time_s >= self._film.end_s):
                break
        # The wanted frame itself is skipped or damaged: the last one before it stands in
        if wanted and spare is not None and not self.has_enough:
            self._show(*spare)
        self._codec.flush_buffers()

    def _show(self, picture: av.VideoFrame, time_s: float, matrix: tuple[int, ...] | None) -> None:
        self._hear()
        self.frames.append(self._audience.see(to_frame(picture, time_s, matrix, self._limits)))
        if self._ask is not None and LEAST_OPENING_S <= time_s <= MOST_OPENING_S:
            is_filmed = self._film.is_dense(0.0, time_s)
            self.has_enough = is_filmed and self._ask(tuple(self.frames))

    def _pictures(self, packets: list[TimedPacket]) -> Iterator[av.VideoFrame]:
        """Yield the decoded frames in the order of showing, without damaged ones."""
        for packet in [*(p.packet for p in packets), None]:
            if self.is_late:
                return
            try:
                for frame in self._codec.decode(packet):
                    if not frame.is_corrupt:
                        yield frame
            except UNDECODABLE:
                continue


def _refuse_slow(frames: list[Frame], limits: ReadLimits) -> None:
    if not frames:
        raise MediaTooLargeError(
            f"No picture of the clip could be decoded in {limits.decode_s:g} s of processor time.",
            _EXCESSIVE,
        )


def prepare_codec(codec: Any, limits: ReadLimits, threads: int = _THREADS) -> None:
    """Let the decoder of a picture use some threads, and bound its frames.

    Raises:
        MediaTooLargeError: a frame has more than `limits.max_frame_px` pixels.
    """
    refuse_many_pixels((codec.width, codec.height), limits.max_frame_px, hint=_EXCESSIVE)
    codec.thread_type = "AUTO"
    codec.thread_count = threads
    codec.options = {"max_pixels": str(limits.max_frame_px)}
    # Of H.264 alone: pictures of VP8 drift much further from those that it refers to
    if limits.is_fast and codec.name == "h264":
        codec.options |= {"skip_loop_filter": "all"}


def measure_shown_s(frame: av.VideoFrame, track: Track) -> float:
    """Return when a frame is shown, in seconds from the first packet of its track."""
    stamp = frame.pts if frame.pts is not None else frame.dts
    # The frame's own time base is unset while draining
    seconds = 0.0 if stamp is None else scale_ticks(stamp, track.time_base)
    return seconds - (track.first_s or 0.0)


def to_frame(
    frame: av.VideoFrame, time_s: float, matrix: tuple[int, ...] | None, limits: ReadLimits
) -> Frame:
    """Make an RGB frame of a decoded one and its display matrix.

    It is upright, and `limits.max_side_px` at most.
    """
    aspect = pixel_aspect(frame)
    width, height = shown_size(frame.width, frame.height, aspect, limits.max_side_px)
    size: dict[str, Any] = {}
    if (width, height) != (frame.width, frame.height):
        size = {"width": width, "height": height, "interpolation": "AREA"}
    # Otherwise each frame would start threads of its own
    image = cast(ImageArray, frame.to_ndarray(format="rgb24", threads=1, **size))
    return Frame(turn_upright(image, matrix), time_s)
