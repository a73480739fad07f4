"""The one way from a media file to aligned faces and speech: decode, detect, align,
find speech, advise.

Importing this module loads no network; `Aligner.load` does. TensorFlow is not needed at
all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from align.decode import read_timed
from align.faces import FaceDetector, analyse_faces, find_faces
from align.heap import bound_heap, release_heap
from align.hints import View, hints_for
from align.limits import ReadLimits
from align.speech import analyse_speech
from align.tracks import width
from utils.clock import timed
from utils.config import Settings
from utils.media import Capture, FaceDetection, Frame


class Aligner:
    """Makes a `Capture` of a media file. One instance serves all threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._limits = ReadLimits.from_settings(settings)
        self._detector = FaceDetector()

    def load(self) -> None:
        """Load the face detector. Idempotent and safe to call from several threads;
        `analyse` calls it when it needs to.
        """
        bound_heap()
        self._detector.load()

    def analyse(self, path: Path, *, filename: str | None = None) -> Capture:
        """Read a media file and find the main person's face and speech in it.

        Args:
            path: the file.
            filename: how the sender calls it, for messages only.

        Returns:
            The capture; one with neither a face nor speech is returned like any other,
            with hints that say why.

        Raises:
            MediaError: the file cannot be read (see `align.decode.read_clip`).
        """
        clip, timings = read_timed(path, self._limits, filename)
        with timed(timings, "detect"):
            found = find_faces(self._detector, clip.frames)
        with timed(timings, "align"):
            faces = analyse_faces(clip.frames, found, self._settings.min_face_px)
        with timed(timings, "speech"):
            speech = analyse_speech(clip.waveform, self._settings.min_speech_s)
        hints = hints_for(clip, faces, speech, self._settings, _view(clip.frames, found))
        capture = Capture(
            faces=faces,
            speech=speech,
            has_picture=bool(clip.frames),
            has_sound=clip.waveform is not None,
            duration_s=clip.duration_s,
            source_sha256=clip.source_sha256,
            hints=hints,
            timings_ms=timings,
        )
        release_heap()
        return capture


def _view(frames: Sequence[Frame], found: Sequence[Sequence[FaceDetection]]) -> View:
    """What the pictures show at a glance: brightness from every eighth row and column,
    and the widest face.
    """
    brightness = float(np.mean([f.image[::8, ::8].mean() for f in frames])) / 255 if frames else 0.0
    return View(brightness, max((width(face) for faces in found for face in faces), default=0.0))
