"""Decoding the sampled frames of a video.

Only what is needed is decoded, and only what is wanted is converted. The display matrix
(a phone held upright) and non-square pixels are obeyed. Images are RGB uint8 (h, w, 3).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, cast

import av

from align.audience import Audience, Nobody
from align.container import TimedPacket, Track
from align.film import Film
from align.limits import Deadline, ReadLimits, refuse_many_pixels
from align.sampling import Group, plan
from align.upright import display_matrix, pixel_aspect, shown_size, turn_upright
from utils.arrays import ImageArray
from utils.errors import MediaTooLargeError
from utils.media import Frame

_THREADS = min(4, os.cpu_count() or 1)

# Packets per wanted frame from which the frames that no other refers to are skipped
_SPARE_UNREFERENCED = 4

# Two times this near are those of one frame
_SAME_S = 1e-4

_EXCESSIVE = "Record at a lower resolution."


def decode_frames(
    track: Track,
    limits: ReadLimits,
    film: Film | None = None,
    audience: Audience | None = None,
) -> tuple[Frame, ...]:
    """Decode at most `limits.max_frames` frames, evenly over the packets of a track.

    What cannot be decoded is left out. `film` is shown the frames in between, too, and
    `audience` those that are wanted, as soon as they are decoded.

    Raises:
        MediaTooLargeError: a frame has more than `limits.max_frame_px` pixels, or there
            is none after `limits.decode_s`.
    """
    if track.stream is None or not track.packets:
        return ()
    film = film or Film(0.0)
    decoder = _Decoder(track, limits, film, audience or Nobody())
    times = [packet.time_s for packet in track.packets]
    keyframes = [packet.is_keyframe for packet in track.packets]
    frames: list[Frame] = []
    for group in plan(times, keyframes, limits.max_frames, limits.share, film_s=film.end_s):
        frames += decoder.decode(group)
        if decoder.is_late:
            _refuse_slow(frames, limits)
            break
    return tuple(frames)


class _Decoder:
    """The decoder of one picture track, and the time that it may take."""

    def __init__(self, track: Track, limits: ReadLimits, film: Film, audience: Audience) -> None:
        self._track = track
        self._film = film
        self._audience = audience
        self._limits = limits
        self._codec = track.stream.codec_context
        prepare_codec(self._codec, limits)
        self._deadline = Deadline(limits.decode_s)

    @property
    def is_late(self) -> bool:
        """Whether the allowance of processor time is used up."""
        return self._deadline.is_over

    def decode(self, group: Group) -> list[Frame]:
        """Decode the wanted frames of a group."""
        stop = group.start + 1 if group.keyframe_only else group.stop
        packets = self._track.packets[group.start : stop]
        # Only frames that nothing refers to may be skipped: the others are then exactly
        # what a full decoding gives. (Skipping all bidirectional frames would be faster
        # still, but H.264 may refer to them, and the pictures come out smeared.)
        if len(packets) >= _SPARE_UNREFERENCED * len(group.wanted_s):
            earlier = self._film.frames
            frames = self._decode(packets, group.wanted_s, skip="NONREF")
            times = [packet.time_s for packet in packets]
            if len(frames) >= len(group.wanted_s) and self._film.is_dense(min(times), max(times)):
                return frames
            # Too much was skipped for the film, or of an unusual stream
            self._film.rewind(earlier)
            self._audience.forget(len(frames))
        return self._decode(packets, group.wanted_s, skip="DEFAULT")

    def _decode(
        self, packets: list[TimedPacket], wanted_s: tuple[float, ...], *, skip: str
    ) -> list[Frame]:
        self._codec.skip_frame = skip
        wanted = list(wanted_s)
        frames = []
        spare = None
        for picture in self._pictures(packets):
            time_s = max(0.0, measure_shown_s(picture, self._track))
            self._film.show(picture, time_s)
            spare = (picture, time_s)
            if wanted and time_s >= wanted[0] - _SAME_S:
                frames.append(self._show(picture, time_s))
                wanted = [t for t in wanted if t > time_s + _SAME_S]
                spare = None
            if not wanted and time_s >= self._film.end_s:
                break
        # The wanted frame itself is skipped or damaged: the last one before it stands in
        if wanted and spare is not None:
            frames.append(self._show(*spare))
        self._codec.flush_buffers()
        return frames

    def _show(self, picture: av.VideoFrame, time_s: float) -> Frame:
        return self._audience.see(to_frame(picture, time_s, self._limits))

    def _pictures(self, packets: list[TimedPacket]) -> Iterator[av.VideoFrame]:
        """Yield the decoded frames in the order of showing, without damaged ones."""
        for packet in [*(p.packet for p in packets), None]:
            try:
                for frame in self._codec.decode(packet):
                    if not frame.is_corrupt:
                        yield frame
            except (av.error.FFmpegError, ValueError):
                continue
            if self.is_late:
                return


def _refuse_slow(frames: list[Frame], limits: ReadLimits) -> None:
    if not frames:
        raise MediaTooLargeError(
            f"No picture of the clip could be decoded in {limits.decode_s:g} s of processor time.",
            _EXCESSIVE,
        )


def prepare_codec(codec: Any, limits: ReadLimits) -> None:
    """Let the decoder of a picture use some threads, and bound its frames.

    Raises:
        MediaTooLargeError: a frame has more than `limits.max_frame_px` pixels.
    """
    refuse_many_pixels((codec.width, codec.height), limits.max_frame_px, hint=_EXCESSIVE)
    codec.thread_type = "AUTO"
    codec.thread_count = _THREADS
    codec.options = {"max_pixels": str(limits.max_frame_px)}


def measure_shown_s(frame: av.VideoFrame, track: Track) -> float:
    """Return when a frame is shown, in seconds from the first packet of its track."""
    stamp = frame.pts if frame.pts is not None else frame.dts
    # The frame's own time base is unset while draining
    seconds = 0.0 if stamp is None else float(stamp * track.stream.time_base)
    return seconds - (track.first_s or 0.0)


def to_frame(frame: av.VideoFrame, time_s: float, limits: ReadLimits) -> Frame:
    """Make an upright RGB frame of a decoded one, `limits.max_side_px` at most."""
    aspect = pixel_aspect(frame)
    width, height = shown_size(frame.width, frame.height, aspect, limits.max_side_px)
    size: dict[str, Any] = {}
    if (width, height) != (frame.width, frame.height):
        size = {"width": width, "height": height, "interpolation": "AREA"}
    image = cast(ImageArray, frame.to_ndarray(format="rgb24", **size))
    return Frame(turn_upright(image, display_matrix(frame)), time_s)
