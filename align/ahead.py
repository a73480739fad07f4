"""What is done of a clip while the rest of it is decoded: hearing, and a first look.

A decoder leaves half of two processors idle, and the first frames are there long before
the last ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from functools import partial

import numpy as np

from align.cutting import Cutter
from align.faces import FaceDetector, FirstLook
from align.film import RATE_HZ as FILM_HZ
from align.limits import LEAST_OPENED_S
from align.mouth_film import MOUTHS, MouthFinder, guess_places
from utils.arrays import GreyArray
from utils.beside import beside
from utils.demand import Demand
from utils.media import (
    AlignedFace,
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

Show = Callable[[Sequence[AlignedFace]], bool]
"""Shows the faces so far, in order of time. Returns whether something was done with them."""

# Frames of a film that are kept: those of a minute
_MOST_FILM = 60 * FILM_HZ


class Ahead(ExitStack):
    """An `Audience` that looks at each frame, and hears the sound beside.

    While no frame is there, it cuts faces out of those that were, finds mouths, and shows
    the faces to who watches. As a context, it ends when the hearing has ended.

    Attributes:
        took_ms: milliseconds that "detect", "align", "mouth" and "watch" took so far. An
            opening that is enough counts as "detect".
        mouths: finds them.
        cutter: cuts faces out.
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
        watch: Show | None = None,
    ) -> None:
        """Look at no more than `most_frames`. What `examine` makes may meet the `demand`.

        `watch` is given the faces so far, if there is one in each frame. It is not where a
        sound is so long that the opening may be enough, of which other frames are seen.
        """
        super().__init__()
        self._detector = detector
        self._hear = hear
        self._most_frames = most_frames
        self._examine = examine
        self._demand = demand
        self._watch = watch
        self._is_examined = False
        self._hearing: Future[None] | None = None
        self._heard: Future[Heard] = Future()
        self._look: FirstLook | None = None
        self._seen: list[Frame] = []
        self._detections: list[list[FaceDetection]] | None = None
        self._film: list[GreyFrame] = []
        self._has_sound = False
        self.took_ms = dict.fromkeys(("detect", "align", "mouth", "watch"), 0.0)
        self.mouths = MouthFinder(detector)
        self.cutter = Cutter()
        self.opening: Capture | None = None

    def hear(self, waveforms: tuple[Waveform, ...]) -> None:
        """Begin to hear, unless something is heard already. Without sound no mouth is needed."""
        self._has_sound = bool(waveforms)
        if self._demand and any(one.duration_s >= LEAST_OPENED_S for one in waveforms):
            self._watch = None
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
        if len(self._seen) < self._most_frames:
            with self._timing("detect"):
                self._look = self._look or FirstLook(self._detector)
                self._look.add(frame.image)
            self._seen.append(frame)
            self._detections = None
        return frame

    @contextmanager
    def _timing(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.took_ms[stage] += (time.perf_counter() - started) * 1000

    def forget(self, count: int, filmed: int) -> None:
        """Forget all that was seen, if only some of it is void. It is looked at in the end.

        Film without a frame that was seen after it was not looked at.
        """
        self._film = self._film[: max(0, len(self._film) - filmed)]
        if count:
            self._look = None
            self._most_frames = 0
            self.mouths = MouthFinder(self._detector)
            self.cutter = Cutter()

    def room(self, shape: tuple[int, int]) -> GreyArray:
        """Return memory of this process."""
        return np.empty(shape, np.uint8)

    def film(self, frame: GreyFrame) -> GreyFrame:
        """Keep the frame, until the face is found in the frames beside it."""
        if len(self._film) < _MOST_FILM:
            self._film.append(frame)
        return frame

    def spend_time(self) -> bool:
        """Cut out a face, find mouths or show the faces, of what is seen so far."""
        if self._look is None:
            return False
        if self._detections is None:
            with self._timing("detect"):
                self._detections = self._look.list_so_far()
        if self._cut_face(self._detections):
            return True
        is_alone = all(len(faces) == 1 for faces in self._detections)
        faces = [face for (face,) in self._detections] if is_alone else []
        return bool(faces) and (self._find_mouths(faces) or self._show_faces(faces))

    def _find_mouths(self, faces: Sequence[FaceDetection]) -> bool:
        """Find mouths in the film of the only face of each frame, some at a time."""
        if not self._has_sound:
            return False
        film = [one for one in self._film if one.time_s <= self._seen[-1].time_s]
        film = film[: len(film) // MOUTHS * MOUTHS]
        if self.mouths.knows(len(film)):
            return False
        with self._timing("mouth"):
            boxes = [face.box_xyxy for face in faces]
            seen_s = [frame.time_s for frame in self._seen]
            self.mouths.find(film, guess_places(seen_s, boxes, film, self._seen[-1]))
        return True

    def _cut_face(self, detections: Sequence[Sequence[FaceDetection]]) -> bool:
        """Cut out the next face that is alone in its frame."""
        pairs = zip(self._seen, detections, strict=True)
        alone = [(frame, faces[0]) for frame, faces in pairs if len(faces) == 1]
        place = next((one for one in alone if not self.cutter.knows(one)), None)
        if place is None:
            return False
        with self._timing("align"):
            self.cutter.cut([place])
        return True

    def _show_faces(self, faces: Sequence[FaceDetection]) -> bool:
        if self._watch is None:
            return False
        aligned = self.cutter.cut(list(zip(self._seen, faces, strict=True)))
        with self._timing("watch"):
            return self._watch(aligned)

    def is_enough(self, clip: Clip) -> bool:
        """Examine the opening where the demand allows it: once, as it takes time."""
        if self._demand is None or self._is_examined or not self._is_allowed(clip, self._demand):
            return False
        self._is_examined = True
        started = time.perf_counter()
        before_ms = sum(self.took_ms.values())
        capture = self._examine(clip, self)
        if capture is None or not self._demand.is_met(capture):
            return False
        self.opening = capture
        other_ms = sum(self.took_ms.values()) - before_ms
        self.took_ms["detect"] += (time.perf_counter() - started) * 1000 - other_ms
        return True

    def _is_allowed(self, clip: Clip, demand: Demand) -> bool:
        self.hear(clip.waveforms)
        speech, heard, _ = self.result()
        start_s = next(iter(clip.sound_starts_s[heard:]), 0.0)
        until_s = max((frame.time_s for frame in clip.frames), default=0.0)
        return demand.allows(speech, -start_s, until_s - start_s)

    def find(self, frames: Sequence[Frame]) -> list[list[FaceDetection]] | None:
        """What the looks found in these frames. None where others were seen.

        While others are looked for in the last ones, the work goes on as if there are none.
        """
        if not self._look or [f.time_s for f in frames] != [f.time_s for f in self._seen]:
            return None
        with beside(self._look.finish) as last_look:
            while not last_look.done() and self.spend_time():
                pass
            with self._timing("detect"):
                return last_look.result()

    def result(self) -> Heard:
        """Wait for what was heard."""
        assert self._hearing is not None
        return self._heard.result()

    def finish(self) -> None:
        """Wait until all is done with the sound. Raises what that raised."""
        if self._hearing is not None:
            self._hearing.result()
