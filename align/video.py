"""Decoding the sampled frames of a video: only what is needed is decoded, only what is
wanted is converted.

Between keyframes, frames that no other frame refers to are skipped where they are not
needed. The display matrix (a phone held upright) and non-square pixels are obeyed.
Images are RGB uint8 (h, w, 3).
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from typing import Any, cast

import av
import numpy as np

from align.container import TimedPacket, Track
from align.limits import ReadLimits
from align.sampling import Group, plan
from utils.arrays import ImageArray
from utils.errors import MediaTooLargeError
from utils.media import Frame

_THREADS = min(4, os.cpu_count() or 1)
_SPARE_UNREFERENCED = 4  # frames per wanted one from which unreferenced frames are skipped
_UNIT = 1 << 16  # display matrix entries are 16.16 fixed point


def decode_frames(track: Track, limits: ReadLimits) -> tuple[Frame, ...]:
    """Decode at most `limits.max_frames` frames, evenly over the packets of `track`.
    What cannot be decoded is left out.

    Raises MediaTooLargeError for frames of more than `limits.max_frame_px` pixels.
    """
    if track.stream is None or not track.packets:
        return ()
    codec = track.stream.codec_context
    check_pixels(codec.width, codec.height, limits.max_frame_px)
    codec.thread_type = "AUTO"
    codec.thread_count = _THREADS
    codec.options = {"max_pixels": str(limits.max_frame_px)}
    deadline = time.monotonic() + limits.decode_s
    times = [p.time_s for p in track.packets]
    keys = [p.is_keyframe for p in track.packets]
    frames: list[Frame] = []
    for group in plan(times, keys, limits.max_frames):
        frames += _decode_group(codec, track, group, limits, deadline)
        if time.monotonic() > deadline:
            _refuse_slow(frames, limits)
            break
    return tuple(frames)


def _refuse_slow(frames: list[Frame], limits: ReadLimits) -> None:
    if not frames:
        message = (
            f"A clip must give its first picture within {limits.decode_s:g} s of decoding."
            " Received: one that did not."
        )
        raise MediaTooLargeError(message, "Record at a lower resolution.")


def check_pixels(width: int, height: int, most: int) -> None:
    """Refuse a picture of more than `most` pixels with MediaTooLargeError."""
    if width * height > most:
        raise MediaTooLargeError(
            f"A picture may have {most / 1e6:.0f} million pixels. Received: {width} × {height}.",
            "Record at a lower resolution.",
        )


def _decode_group(
    codec: Any, track: Track, group: Group, limits: ReadLimits, deadline: float
) -> list[Frame]:
    packets = track.packets[group.start : group.start + 1 if group.keyframe_only else group.stop]
    # Only frames that nothing refers to may be left out: what is kept is then exactly
    # what a full decoding gives. (Leaving out all bidirectional frames would be faster
    # still, but H.264 may refer to them, and the pictures come out smeared.)
    skip = "NONREF" if len(packets) >= _SPARE_UNREFERENCED * len(group.wanted_s) else "DEFAULT"
    found = _decode_wanted(codec, packets, track, group.wanted_s, limits, deadline, skip)
    # Too much of an unusual stream was skipped
    if skip != "DEFAULT" and len(found) < len(group.wanted_s):
        found = _decode_wanted(codec, packets, track, group.wanted_s, limits, deadline, "DEFAULT")
    return found


def _decode_wanted(
    codec: Any,
    packets: list[TimedPacket],
    track: Track,
    wanted_s: tuple[float, ...],
    limits: ReadLimits,
    deadline: float,
    skip: str,
) -> list[Frame]:
    codec.skip_frame = skip
    wanted = list(wanted_s)
    found = []
    last = None
    for frame in _pictures(codec, packets, deadline):
        at_s = _frame_time(frame, track)
        last = (frame, at_s)
        if wanted and at_s >= wanted[0] - 1e-4:
            found.append(_to_frame(frame, at_s, limits))
            wanted = [t for t in wanted if t > at_s + 1e-4]
            last = None
        if not wanted:
            break
    # The wanted frame itself was skipped or damaged: the last one before it stands in
    if wanted and last is not None:
        found.append(_to_frame(*last, limits))
    codec.flush_buffers()
    return found


def _pictures(codec: Any, packets: list[TimedPacket], deadline: float) -> Iterator[av.VideoFrame]:
    """Decoded frames in the order of showing; damaged packets and frames are passed
    over.
    """
    for packet in [*(p.packet for p in packets), None]:
        try:
            for frame in codec.decode(packet):
                if not frame.is_corrupt:
                    yield frame
        except (av.error.FFmpegError, ValueError):
            continue
        if time.monotonic() > deadline:
            return


def _frame_time(frame: av.VideoFrame, track: Track) -> float:
    stamp = frame.pts if frame.pts is not None else frame.dts
    # The frame's own time base is unset while draining
    seconds = float(stamp * track.stream.time_base) if stamp is not None else 0.0
    return max(0.0, seconds - (track.first_s or 0.0))


def _to_frame(frame: av.VideoFrame, at_s: float, limits: ReadLimits) -> Frame:
    width, height = shown_size(frame.width, frame.height, _pixel_aspect(frame), limits.max_side_px)
    same = (width, height) == (frame.width, frame.height)
    size: dict[str, Any] = (
        {} if same else {"width": width, "height": height, "interpolation": "AREA"}
    )
    image = cast(ImageArray, frame.to_ndarray(format="rgb24", **size))
    return Frame(upright(image, display_matrix(frame)), at_s)


def shown_size(width: int, height: int, aspect: float, most: int) -> tuple[int, int]:
    """Size with square pixels and a longest side of at most `most`; `aspect` = width of
    a pixel over its height.
    """
    if not 1 / 4 <= aspect <= 4:
        aspect = 1.0
    wide, tall = (width * aspect, float(height)) if aspect >= 1 else (float(width), height / aspect)
    shrink = min(1.0, most / max(wide, tall))
    return max(1, round(wide * shrink)), max(1, round(tall * shrink))


def upright(image: ImageArray, matrix: tuple[int, ...] | None) -> ImageArray:
    """Turn (and mirror) an image as its display matrix says, to the nearest quarter
    turn.

    The matrix (9 entries, row major, 16.16 fixed point) maps a stored point (x, y) to
    the shown (a·x + c·y, b·x + d·y), y downwards: ISO/IEC 14496-12 (track header) and
    libavutil/display.h. Its determinant is negative when the image is mirrored as well.
    """
    if matrix is None:
        return image
    a = matrix[0]
    b = matrix[1]
    c = matrix[3]
    d = matrix[4]
    if a * d - b * c < 0:
        image = image[:, ::-1]
        a = -a
        b = -b
    turns = round(np.arctan2(b, a) / (np.pi / 2))  # clockwise quarter turns, since y points down
    return np.ascontiguousarray(np.rot90(image, -turns))


def display_matrix(frame: av.VideoFrame) -> tuple[int, ...] | None:
    """The nine integers of the display matrix, or None when the frame is to be shown as
    it is stored.
    """
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    return struct.unpack("=9i", bytes(data)[:36]) if data is not None else None


def _pixel_aspect(frame: av.VideoFrame) -> float:
    ratio = getattr(frame, "sample_aspect_ratio", None)
    return float(ratio) if ratio else 1.0
