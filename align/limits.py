"""Bounds on what is read of one media file.

No file can take the service's time or memory.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

from utils.errors import MediaTooLargeError
from utils.processors import PROCESSORS
from utils.settings.capture import CaptureSettings

OPENING_S = 5.0
"""Start of a clip that may be enough of it, in seconds."""

LEAST_OPENING_S = 3.0
"""Seconds of a clip that are looked at in any case."""

MOST_OPENING_S = 4.5
"""Seconds of a clip after which it is read whole."""

LEAST_OPENED_S = 7.0
"""Length of a clip from which its opening may be enough, in seconds.

Of a shorter one too little is left to be won for what the question costs.
"""

# Share of the frames that a fast answer looks at
_FAST_SHARE = 3 / 4

_MEBI = 1 << 20


@dataclass(frozen=True)
class ReadLimits:
    """How much of one media file is read, and what is refused.

    - `read_s`: how much of a clip is read, from its start.
    - `max_clip_s`: the longest clip that is accepted.
    - `max_frames`: how many frames are sampled, of which a fast answer has three quarters.
    - `is_fast`: whether less may be seen of a clip (docs/research/views.md): fewer frames, no
      film after the last of them, no smoothing of the edges of blocks (H.264), and of a longer
      clip the first seconds alone.
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
    is_fast: bool = False
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
            is_fast=settings.accuracy == "fast",
        )

    @property
    def of_whole_clip(self) -> ReadLimits:
        """The same for an answer that sees all there is."""
        return replace(self, is_fast=False)

    @property
    def frames(self) -> int:
        """How many frames are sampled, evenly over a clip."""
        return math.ceil(self.max_frames * _FAST_SHARE) if self.is_fast else self.max_frames

    @property
    def most_frames(self) -> int:
        """How many frames are decoded at most. Not all of them stay."""
        return self.frames * (2 if self.is_fast else 1)


class Deadline:
    """The end of an allowance of processor time.

    The time is that of this process with all its threads. So a clip loses nothing on a
    machine that is busy with other work.
    """

    def __init__(self, seconds: float) -> None:
        self._end_s = time.process_time() + seconds
        # All processors together cannot have used the allowance before. The clock of
        # processor time takes ten times as long to ask, and each packet asks
        self._earliest_s = time.monotonic() + seconds / PROCESSORS

    @property
    def is_over(self) -> bool:
        """Whether the allowance is used up."""
        return time.monotonic() >= self._earliest_s and time.process_time() > self._end_s


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
