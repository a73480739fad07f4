"""From a media file to aligned faces and speech: decode, detect, align, listen, advise.

Importing this module loads no network; `Aligner.load` does. TensorFlow is not needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import chain
from pathlib import Path

import numpy as np

from align.decode import read_timed
from align.faces import FaceDetector, analyse_faces, find_faces
from align.heap import bound_heap, release_heap
from align.hints import View, advise
from align.limits import ReadLimits
from align.speech import analyse_speech
from utils.clock import timed
from utils.config import CaptureSettings
from utils.media import Capture, Clip, FaceDetection, Frame, SpeechAnalysis

Reader = Callable[[Path, str | None], AbstractContextManager[tuple[Clip, dict[str, float]]]]
"""Reads a clip by its path and its sender's name for it, with the times that it took."""

# Rows and columns of a picture from one that counts for its brightness to the next
_BRIGHTNESS_STEP = 8


class Aligner:
    """Makes a `Capture` of a media file. One instance serves all threads."""

    def __init__(self, settings: CaptureSettings, read: Reader | None = None) -> None:
        """Read clips by `read` (`align.decoders`), or else in this process."""
        self._settings = settings
        self._limits = ReadLimits.from_settings(settings)
        self._read = read or self._read_here
        self._detector = FaceDetector()

    def load(self) -> None:
        """Load the face detector.

        It is idempotent, and several threads may call it. `analyse` loads what is
        missing.
        """
        bound_heap()
        self._detector.load()

    def analyse(self, path: Path, *, filename: str | None = None) -> Capture:
        """Read a media file and find the main person's face and speech in it.

        Args:
            path: the file.
            filename: what the sender calls it, for messages.

        Returns:
            The capture. It may hold neither a face nor speech; its hints say why.

        Raises:
            MediaError: the file cannot be read (see `align.decode.read_clip`).
        """
        capture = self._analyse(path, filename)
        release_heap()
        return capture

    def _analyse(self, path: Path, filename: str | None) -> Capture:
        started = time.perf_counter()
        with self._read(path, filename) as (clip, timings):
            read_ms = (time.perf_counter() - started) * 1000
            timings["decode"] = read_ms - timings["sound"]
            return self._examine(clip, timings)

    @contextmanager
    def _read_here(
        self, path: Path, filename: str | None
    ) -> Iterator[tuple[Clip, dict[str, float]]]:
        yield read_timed(path, self._limits, filename)

    def _examine(self, clip: Clip, timings: dict[str, float]) -> Capture:
        with timed(timings, "detect"):
            detections = find_faces(self._detector, clip.frames)
        with timed(timings, "align"):
            faces = analyse_faces(clip.frames, detections, self._settings.min_face_px)
        with timed(timings, "speech"):
            speech = _hear(clip, self._settings.min_speech_s)
        view = _glance(clip.frames, detections)
        return Capture(
            face_analysis=faces,
            speech_analysis=speech,
            has_picture=bool(clip.frames),
            has_sound=clip.waveform is not None,
            duration_s=clip.duration_s,
            source_sha256=clip.source_sha256,
            hints=advise(clip, self._settings, faces=faces, speech=speech, view=view),
            timings_ms=timings,
        )


def _hear(clip: Clip, min_speech_s: float) -> SpeechAnalysis:
    """Analyse the first sound with speech, or the first sound where none has any."""
    first = analyse_speech(clip.waveform, min_speech_s)
    others = (analyse_speech(sound, min_speech_s) for sound in clip.waveforms[1:])
    return next((speech for speech in chain([first], others) if speech.speech), first)


def _glance(frames: Sequence[Frame], detections: Sequence[Sequence[FaceDetection]]) -> View:
    """Look at the pictures: at every eighth row and column, and at the faces."""
    levels = [frame.image[::_BRIGHTNESS_STEP, ::_BRIGHTNESS_STEP].mean() for frame in frames]
    faces = chain.from_iterable(detections)
    return View(
        brightness=float(np.mean(levels)) / 255 if levels else 0.0,
        widest_face_px=max((face.width_px for face in faces), default=0.0),
    )
