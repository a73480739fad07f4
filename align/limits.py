"""Bounds on what is read of one media file.

No file can take the service's time or memory.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from utils.config import CaptureSettings
from utils.errors import MediaTooLargeError

_MEBI = 1 << 20


@dataclass(frozen=True)
class ReadLimits:
    """How much of one media file is read, and what is refused.

    - `read_s`: how much of a clip is read, from its start.
    - `max_clip_s`: the longest clip that is accepted.
    - `max_frames`: how many frames are sampled.
    - `share`: share of the clip, from its start, from which they are.
    - `max_sounds`: how many sound tracks are read.
    - `max_side_px`: the longest side of a video frame; larger ones are shrunk.
    - `kept_photo_px`: the most pixels that are kept of a photograph; larger ones are
      shrunk. It is much, as a face may be small in it.
    - `max_frame_px`, `max_photo_px`: the most pixels of a video frame or photograph;
      larger ones are refused.
    - `decode_s`: the processor time after which decoding stops with what it has.
    - `max_bytes`: how many compressed bytes are held.
    - `film_s`: how much of a clip is kept as small grey frames too, from its start.
    """

    read_s: float = 60.0
    max_clip_s: float = 600.0
    max_frames: int = 12
    share: float = 1.0
    max_sounds: int = 4
    max_side_px: int = 1280
    kept_photo_px: int = 24_000_000
    max_frame_px: int = 36_000_000
    max_photo_px: int = 64_000_000
    decode_s: float = 60.0
    max_bytes: int = 512 * _MEBI
    film_s: float = 0.0

    @classmethod
    def from_settings(cls, settings: CaptureSettings, film_s: float = 0.0) -> ReadLimits:
        """Take the limits that the operator sets. The others keep their defaults."""
        return cls(
            film_s=film_s,
            read_s=settings.read_s,
            max_clip_s=settings.max_clip_s,
            max_frames=settings.max_frames,
        )

    @property
    def of_first_half(self) -> ReadLimits:
        """The same with half of the frames, all of the first half of the clip."""
        return replace(self, max_frames=-(-self.max_frames // 2), share=self.share / 2)


class Deadline:
    """The end of an allowance of processor time.

    The time is that of this process with all its threads. So a clip loses nothing on a
    machine that is busy with other work.
    """

    def __init__(self, seconds: float) -> None:
        self._end_s = time.process_time() + seconds

    @property
    def is_over(self) -> bool:
        """Whether the allowance is used up."""
        return time.process_time() > self._end_s


def refuse_many_pixels(size: tuple[int, int], most: int, *, hint: str) -> None:
    """Refuse a picture of more than `most` pixels with MediaTooLargeError.

    `size` is its width and height. `hint` is what to do about it.
    """
    width, height = size
    if width * height > most:
        raise MediaTooLargeError(
            f"A picture may have {most / 1e6:.0f} million pixels. Received: {width} × {height}.",
            hint,
        )
