"""From a media file to aligned faces and speech: decode, detect, align, listen, advise.

Importing this module loads no network; `Aligner.load` does. TensorFlow is not needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

from align.ahead import Ahead, Heard
from align.audience import Audience
from align.decode import read_timed
from align.faces import FaceDetector, analyse_faces, find_faces
from align.heap import Heap, bound_heap, keep_heap
from align.hints import advise
from align.limits import ReadLimits
from align.mouth_film import film_mouth
from align.speech import analyse_speech
from align.surroundings import cut_surroundings
from utils.clock import timed
from utils.demand import Demand, Listen, Watch
from utils.media import (
    Capture,
    Clip,
    FaceAnalysis,
    Waveform,
)
from utils.settings.capture import CaptureSettings

Reader = Callable[
    [Path, str | None, ReadLimits, Audience], AbstractContextManager[tuple[Clip, dict[str, float]]]
]
"""Reads a clip by its path, its sender's name for it and limits, with the times it took.

The audience may be shown what is there before the rest is, or nothing.
"""

# The least quality of a face that is seen in every frame of an opening
_PLAIN_QUALITY = 0.5


class Aligner:
    """Makes a `Capture` of a media file. One instance serves all threads."""

    def __init__(
        self,
        settings: CaptureSettings,
        read: Reader | None = None,
        *,
        film_s: float = 0.0,
        looks_around: bool = False,
    ) -> None:
        """Read clips by `read` (`align.decoders`), or else in this process.

        `film_s`: seconds in which the mouth is filmed, 0 for none. `looks_around`: what
        is around the face is cut out, too.
        """
        self._looks_around = looks_around
        self._settings = settings
        self._limits = ReadLimits.from_settings(settings, film_s)
        self._read = read or self._read_here
        self._detector = FaceDetector(is_thorough=settings.accuracy == "thorough")
        self._heap = Heap()

    def load(self) -> None:
        """Load the face detector.

        It is idempotent, and several threads may call it. `analyse` loads what is
        missing.
        """
        bound_heap()
        keep_heap()
        self._detector.load()

    def analyse(
        self,
        path: Path,
        *,
        filename: str | None = None,
        demand: Demand | None = None,
        listen: Listen | None = None,
        watch: Watch | None = None,
    ) -> Capture:
        """Read a media file and find the main person's face and speech in it.

        Args:
            path: the file.
            filename: what the sender calls it, for messages.
            demand: what the opening must show, so that no more of the picture is read.
                None: all of the clip is read, also where answers are fast.
            listen: is given the speech, if there is some, in a thread of its own.
            watch: is given the faces so far while the decoder is silent, if each frame has one.

        Returns:
            The capture. It may hold neither a face nor speech; its hints say why.

        Raises:
            MediaError: the file cannot be read (see `align.decode.read_clip`).
        """
        limits = self._limits if demand else self._limits.of_whole_clip
        ahead = Ahead(
            self._detector,
            partial(self._hear, listen=listen),
            limits.most_frames,
            self._examine_opening,
            demand=demand if limits.is_fast else None,
            watch=partial(watch, frames=limits.frames) if watch else None,
        )
        capture = self._analyse(path, filename, limits, ahead)
        self._heap.tidy()
        return capture

    def _analyse(
        self, path: Path, filename: str | None, limits: ReadLimits, ahead: Ahead
    ) -> Capture:
        started = time.perf_counter()
        with ahead, self._read(path, filename, limits, ahead) as (clip, timings):
            read_ms = (time.perf_counter() - started) * 1000
            timings["decode"] = read_ms - timings["sound"] - sum(ahead.took_ms.values())
            if ahead.opening is None:
                capture = self._examine(clip, ahead, timings)
            else:
                capture = replace(ahead.opening, timings_ms=timings | ahead.opening.timings_ms)
            ahead.finish()
            return capture

    @contextmanager
    def _read_here(
        self, path: Path, filename: str | None, limits: ReadLimits, audience: Audience
    ) -> Iterator[tuple[Clip, dict[str, float]]]:
        yield read_timed(path, limits, filename, audience)

    def _examine_opening(self, clip: Clip, ahead: Ahead) -> Capture | None:
        """Examine the opening of a clip. None where it does not show one person plainly."""
        capture = self._see(clip, ahead, {})
        is_plain = _is_plain(capture.face_analysis)
        return self._film(clip, ahead, capture) if is_plain else None

    def _examine(self, clip: Clip, ahead: Ahead, timings: dict[str, float]) -> Capture:
        ahead.hear(clip.waveforms)
        capture = self._see(clip, ahead, timings)
        return self._film(clip, ahead, capture)

    def _see(self, clip: Clip, ahead: Ahead, timings: dict[str, float]) -> Capture:
        """Find faces and speech. The mouth is not filmed yet."""
        first_look = ahead.find(clip.frames)
        with timed(timings, "detect"):
            detections = find_faces(self._detector, clip.frames, first_look)
        with timed(timings, "align"):
            faces = analyse_faces(clip.frames, detections, self._settings.min_face_px, ahead.cutter)
        for stage in ("detect", "align"):
            timings[stage] += ahead.took_ms[stage]
        widths_px = [face.width_px for face in chain.from_iterable(detections)]
        speech, _, timings["speech"] = ahead.result()
        return Capture(
            face_analysis=faces,
            speech_analysis=speech,
            has_picture=bool(clip.frames),
            has_sound=clip.waveform is not None,
            duration_s=clip.duration_s,
            source_sha256=clip.source_sha256,
            hints=advise(
                clip,
                self._settings,
                faces=faces,
                speech=speech,
                widest_px=max(widths_px, default=0.0),
            ),
            timings_ms=timings,
            surroundings=cut_surroundings(clip.frames, faces.faces) if self._looks_around else (),
        )

    def _film(self, clip: Clip, ahead: Ahead, capture: Capture) -> Capture:
        """Film the mouth of the main person."""
        if not clip.film:
            return capture
        heard = ahead.result()[1]
        with timed(capture.timings_ms, "mouth"):
            film = film_mouth(ahead.mouths, clip, capture.face_analysis.faces, heard)
        capture.timings_ms["mouth"] += ahead.took_ms["mouth"]
        return replace(capture, mouth_film=film)

    def _hear(
        self,
        waveforms: tuple[Waveform, ...],
        tell: Callable[[Heard], None],
        *,
        listen: Listen | None,
    ) -> None:
        """Analyse the first sound with speech, or the first sound where none has any.

        What was heard is told before `listen`, which may take long, is given the speech.
        """
        least_s = self._settings.min_speech_s
        times: dict[str, float] = {}
        with timed(times, "speech"):
            first = analyse_speech(waveforms[0] if waveforms else None, least_s)
            others = (analyse_speech(sound, least_s) for sound in waveforms[1:])
            numbered = enumerate(chain([first], others))
            heard, speech = next((one for one in numbered if one[1].speech), (0, first))
        tell((speech, heard, times["speech"]))
        if listen and speech.speech:
            listen(speech.speech)


def _is_plain(faces: FaceAnalysis) -> bool:
    """Whether the faces of an opening are of one person, steady and clear."""
    is_steady = len(faces.faces) >= faces.frames_read
    is_clear = faces.quality is not None and faces.quality.score >= _PLAIN_QUALITY
    return is_steady and is_clear and faces.people_in_view == 1 and not faces.others
