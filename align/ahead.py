"""What is done of a clip while the rest of it is decoded: hearing, and a first look.

A decoder leaves half of two processors idle, and the first frames are there long before
the last ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial

from align.faces import FaceDetector, FirstLook
from utils.beside import beside
from utils.media import (
    Capture,
    Clip,
    FaceDetection,
    Frame,
    GreyFrame,
    SpeechAnalysis,
    Waveform,
)

Examine = Callable[[Clip, "Ahead"], Capture | None]
"""Makes the capture of the opening of a clip. None where it is not enough."""

Heard = tuple[SpeechAnalysis, int, float]
"""The speech, the number of the sound that has it, and the milliseconds that it took."""


class Ahead(ExitStack):
    """An `Audience` that looks at each frame and hears the sound beside.

    As a context, it ends when the hearing has ended.

    Attributes:
        look_ms: milliseconds that the looks took, and those of the opening that is enough.
        opening: what was made of the opening. None where it is not enough.
        is_examined: whether the opening was examined, which takes time, and is done once.
    """

    def __init__(
        self,
        detector: FaceDetector,
        hear: Callable[[tuple[Waveform, ...]], Heard],
        most_frames: int,
        examine: Examine,
    ) -> None:
        """Look at no more than `most_frames`. `examine` is asked about the opening."""
        super().__init__()
        self._detector = detector
        self._hear = hear
        self._most_frames = most_frames
        self._examine = examine
        self._hearing: Future[Heard] | None = None
        self._look: FirstLook | None = None
        self._seen_s: list[float] = []
        self.look_ms = 0.0
        self.opening: Capture | None = None
        self.is_examined = False

    def hear(self, waveforms: tuple[Waveform, ...]) -> None:
        """Begin to hear, unless something is heard already."""
        if self._hearing is None:
            self._hearing = self.enter_context(beside(partial(self._hear, waveforms)))

    def see(self, frame: Frame) -> Frame:
        """Look at the next frame."""
        started = time.perf_counter()
        if len(self._seen_s) < self._most_frames:
            self._look = self._look or FirstLook(self._detector)
            self._look.add(frame.image)
            self._seen_s.append(frame.time_s)
        self.look_ms += (time.perf_counter() - started) * 1000
        return frame

    def forget(self, count: int) -> None:
        """Forget all that was seen, if only some of it is void. It is looked at in the end."""
        del count
        self._look = None
        self._most_frames = 0

    def film(self, frame: GreyFrame) -> GreyFrame:
        """Return the frame, which is looked at in the end."""
        return frame

    def is_enough(self, clip: Clip) -> bool:
        """Examine the opening."""
        started = time.perf_counter()
        self.opening = self._examine(clip, self)
        if self.opening is not None:
            self.look_ms += (time.perf_counter() - started) * 1000
        return self.opening is not None

    def find(self, frames: Sequence[Frame]) -> list[list[FaceDetection]] | None:
        """What the looks found in these frames. None where others were seen."""
        is_all = self._look and [frame.time_s for frame in frames] == self._seen_s
        return self._look.finish() if self._look and is_all else None

    def result(self) -> Heard:
        """Wait for what was heard."""
        assert self._hearing is not None
        return self._hearing.result()
