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

from align.cascade import CROPS
from align.faces import FaceDetector, FirstLook
from align.film import RATE_HZ as FILM_HZ
from align.mouth_film import MouthFinder, guess_places
from utils.beside import beside
from utils.demand import Demand
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
"""Makes the capture of the opening of a clip. None where it shows nobody plainly."""

Heard = tuple[SpeechAnalysis, int, float]
"""The speech, the number of the sound that has it, and the milliseconds that it took."""

Hear = Callable[[tuple[Waveform, ...], Callable[[Heard], None]], None]
"""Hears the sounds of a clip, and tells what was heard before it does more with that."""

# Frames of a film that are kept: those of a minute
_MOST_FILM = 60 * FILM_HZ


class Ahead(ExitStack):
    """An `Audience` that looks at each frame and its mouth, and hears the sound beside.

    As a context, it ends when the hearing has ended.

    Attributes:
        look_ms: milliseconds that the looks took, and those of the opening that is enough.
        mouth_ms: milliseconds that mouths took.
        mouths: finds them.
        opening: what was made of the opening. None where it is not enough.
    """

    def __init__(
        self,
        detector: FaceDetector,
        hear: Hear,
        most_frames: int,
        examine: Examine,
        *,
        demand: Demand | None = None,
    ) -> None:
        """Look at no more than `most_frames`. What `examine` makes may meet the `demand`."""
        super().__init__()
        self._detector = detector
        self._hear = hear
        self._most_frames = most_frames
        self._examine = examine
        self._demand = demand
        self._is_examined = False
        self._hearing: Future[None] | None = None
        self._heard: Future[Heard] = Future()
        self._look: FirstLook | None = None
        self._seen_s: list[float] = []
        self._film: list[GreyFrame] = []
        self._has_sound = False
        self.look_ms = 0.0
        self.mouth_ms = 0.0
        self.mouths = MouthFinder(detector)
        self.opening: Capture | None = None

    def hear(self, waveforms: tuple[Waveform, ...]) -> None:
        """Begin to hear, unless something is heard already. Without sound no mouth is needed."""
        self._has_sound = bool(waveforms)
        if self._hearing is None:
            self._hearing = self.enter_context(beside(partial(self._hear_and_tell, waveforms)))

    def _hear_and_tell(self, waveforms: tuple[Waveform, ...]) -> None:
        try:
            self._hear(waveforms, self._heard.set_result)
        except BaseException as error:
            if not self._heard.done():
                self._heard.set_exception(error)
            raise

    def see(self, frame: Frame) -> Frame:
        """Look at the next frame."""
        started = time.perf_counter()
        if len(self._seen_s) < self._most_frames:
            self._look = self._look or FirstLook(self._detector)
            self._look.add(frame.image)
            self._seen_s.append(frame.time_s)
        self.look_ms += (time.perf_counter() - started) * 1000
        self._find_mouths(frame)
        return frame

    def forget(self, count: int, filmed: int) -> None:
        """Forget all that was seen, if only some of it is void. It is looked at in the end.

        Film without a frame that was seen after it was not looked at.
        """
        self._film = self._film[: max(0, len(self._film) - filmed)]
        if count:
            self._look = None
            self._most_frames = 0
            self.mouths = MouthFinder(self._detector)

    def film(self, frame: GreyFrame) -> GreyFrame:
        """Keep the frame, until the face is found in the frames beside it."""
        if self._has_sound and len(self._film) < _MOST_FILM:
            self._film.append(frame)
        return frame

    def _find_mouths(self, frame: Frame) -> None:
        """Find mouths in the film where one face alone is seen so far, a batch at a time."""
        started = time.perf_counter()
        count = self._look.search_count if self._look else 0
        if not self._look or count != len(self._seen_s):
            return
        film = [one for one in self._film if one.time_s <= frame.time_s]
        film = film[: len(film) // CROPS * CROPS]
        if film and not self.mouths.knows(len(film)):
            detections = self._look.finish()
            if all(len(faces) == 1 for faces in detections):
                boxes = [face.box_xyxy for (face,) in detections]
                self.mouths.find(film, guess_places(self._seen_s, boxes, film, frame))
        self.mouth_ms += (time.perf_counter() - started) * 1000

    def is_enough(self, clip: Clip) -> bool:
        """Examine the opening where the demand allows it: once, as it takes time."""
        started = time.perf_counter()
        if self._demand is None or self._is_examined or not self._is_allowed(clip, self._demand):
            return False
        self._is_examined = True
        capture = self._examine(clip, self)
        if capture is None or not self._demand.is_met(capture):
            return False
        self.opening = capture
        self.look_ms += (time.perf_counter() - started) * 1000
        return True

    def _is_allowed(self, clip: Clip, demand: Demand) -> bool:
        self.hear(clip.waveforms)
        speech, heard, _ = self.result()
        start_s = next(iter(clip.sound_starts_s[heard:]), 0.0)
        until_s = max((frame.time_s for frame in clip.frames), default=0.0)
        return demand.allows(speech, -start_s, until_s - start_s)

    def find(self, frames: Sequence[Frame]) -> list[list[FaceDetection]] | None:
        """What the looks found in these frames. None where others were seen."""
        is_all = self._look and [frame.time_s for frame in frames] == self._seen_s
        return self._look.finish() if self._look and is_all else None

    def result(self) -> Heard:
        """Wait for what was heard."""
        assert self._hearing is not None
        return self._heard.result()

    def finish(self) -> None:
        """Wait until all is done with the sound. Raises what that raised."""
        if self._hearing is not None:
            self._hearing.result()
