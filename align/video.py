"""Decoding the sampled frames of a video.

Only what is needed is decoded, and only what is wanted is converted. The display matrix
(a phone held upright) and non-square pixels are obeyed. Images are RGB uint8 (h, w, 3).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Any, cast

import av
import numpy as np

from align.container import TimedPacket, Track
from align.limits import Deadline, ReadLimits, refuse_many_pixels
from align.sampling import Group, plan
from utils.arrays import ImageArray
from utils.errors import MediaTooLargeError
from utils.media import Frame

_THREADS = min(4, os.cpu_count() or 1)

# Packets per wanted frame from which the frames that no other refers to are skipped
_SPARE_UNREFERENCED = 4

# Two times this near are those of one frame
_SAME_S = 1e-4

# How much wider than high, or higher than wide, a pixel may be
_WIDEST_ASPECT = 4

_EXCESSIVE = "Record at a lower resolution."


def decode_frames(track: Track, limits: ReadLimits) -> tuple[Frame, ...]:
    """Decode at most `limits.max_frames` frames, evenly over the packets of a track.

    What cannot be decoded is left out.

    Raises:
        MediaTooLargeError: a frame has more than `limits.max_frame_px` pixels, or there
            is none after `limits.decode_s`.
    """
    if track.stream is None or not track.packets:
        return ()
    decoder = _Decoder(track, limits)
    times = [packet.time_s for packet in track.packets]
    keyframes = [packet.is_keyframe for packet in track.packets]
    frames: list[Frame] = []
    for group in plan(times, keyframes, limits.max_frames, limits.share):
        frames += decoder.decode(group)
        if decoder.is_late:
            _refuse_slow(frames, limits)
            break
    return tuple(frames)


class _Decoder:
    """The decoder of one picture track, and the time that it may take."""

    def __init__(self, track: Track, limits: ReadLimits) -> None:
        self._track = track
        self._limits = limits
        self._codec = track.stream.codec_context
        size = (self._codec.width, self._codec.height)
        refuse_many_pixels(size, limits.max_frame_px, hint=_EXCESSIVE)
        self._codec.thread_type = "AUTO"
        self._codec.thread_count = _THREADS
        self._codec.options = {"max_pixels": str(limits.max_frame_px)}
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
            frames = self._decode(packets, group.wanted_s, skip="NONREF")
            if len(frames) >= len(group.wanted_s):
                return frames
            # Too much of an unusual stream was skipped
        return self._decode(packets, group.wanted_s, skip="DEFAULT")

    def _decode(
        self, packets: list[TimedPacket], wanted_s: tuple[float, ...], *, skip: str
    ) -> list[Frame]:
        self._codec.skip_frame = skip
        wanted = list(wanted_s)
        frames = []
        spare = None
        for picture in self._pictures(packets):
            time_s = self._time_s(picture)
            spare = (picture, time_s)
            if wanted and time_s >= wanted[0] - _SAME_S:
                frames.append(_to_frame(picture, time_s, self._limits))
                wanted = [t for t in wanted if t > time_s + _SAME_S]
                spare = None
            if not wanted:
                break
        # The wanted frame itself is skipped or damaged: the last one before it stands in
        if wanted and spare is not None:
            frames.append(_to_frame(*spare, self._limits))
        self._codec.flush_buffers()
        return frames

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

    def _time_s(self, frame: av.VideoFrame) -> float:
        stamp = frame.pts if frame.pts is not None else frame.dts
        # The frame's own time base is unset while draining
        seconds = 0.0 if stamp is None else float(stamp * self._track.stream.time_base)
        return max(0.0, seconds - (self._track.first_s or 0.0))


def _refuse_slow(frames: list[Frame], limits: ReadLimits) -> None:
    if not frames:
        raise MediaTooLargeError(
            f"No picture of the clip could be decoded in {limits.decode_s:g} s of processor time.",
            _EXCESSIVE,
        )


def _to_frame(frame: av.VideoFrame, time_s: float, limits: ReadLimits) -> Frame:
    aspect = _pixel_aspect(frame)
    width, height = shown_size(frame.width, frame.height, aspect, limits.max_side_px)
    size: dict[str, Any] = {}
    if (width, height) != (frame.width, frame.height):
        size = {"width": width, "height": height, "interpolation": "AREA"}
    image = cast(ImageArray, frame.to_ndarray(format="rgb24", **size))
    return Frame(turn_upright(image, _display_matrix(frame)), time_s)


def shown_size(width: int, height: int, aspect: float, most: int) -> tuple[int, int]:
    """Width and height of a picture with square pixels.

    Args:
        width, height: of the stored picture.
        aspect: width of a stored pixel over its height.
        most: the longest side of the result.
    """
    if not 1 / _WIDEST_ASPECT <= aspect <= _WIDEST_ASPECT:
        aspect = 1.0
    wide = width * max(1.0, aspect)
    tall = height / min(1.0, aspect)
    shrink = min(1.0, most / max(wide, tall))
    return max(1, round(wide * shrink)), max(1, round(tall * shrink))


def turn_upright(image: ImageArray, matrix: tuple[int, ...] | None) -> ImageArray:
    """Turn (and mirror) an image as its display matrix says, to the nearest quarter turn.

    The matrix (9 entries, row major, 16.16 fixed point) maps a stored point (x, y) to
    the shown (a·x + c·y, b·x + d·y), y downwards: ISO/IEC 14496-12 (track header) and
    libavutil/display.h. Its determinant is negative when the image is mirrored as well.
    None shows the image as it is stored.
    """
    if matrix is None:
        return image
    a, b, _, c, d = matrix[:5]
    if a * d - b * c < 0:
        image = image[:, ::-1]
        a = -a
        b = -b
    # Clockwise, since y points down
    quarters = round(np.arctan2(b, a) / (np.pi / 2))
    return np.ascontiguousarray(np.rot90(image, -quarters))


def _display_matrix(frame: av.VideoFrame) -> tuple[int, ...] | None:
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    return struct.unpack("=9i", bytes(data)[:36]) if data is not None else None


def _pixel_aspect(frame: av.VideoFrame) -> float:
    ratio = getattr(frame, "sample_aspect_ratio", None)
    return float(ratio) if ratio else 1.0
