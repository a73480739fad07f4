"""From a media file to a probe: alignment and embeddings, a bounded number of clips at
a time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from gallery.ports import Aligner, Encoders
from gallery.records import kept
from gallery.store import NewTemplate
from gallery.vectors import checked
from utils.arrays import Float32Array
from utils.config import Settings
from utils.errors import BusyError, NoBiometricError
from utils.media import Capture
from utils.modality import Embedding, Modality

WAIT_S = 60.0

_T = TypeVar("_T")


@dataclass(frozen=True)
class ClipProbe:
    """A clip ready for search or enrolment. `vectors` holds the fused embedding too
    where there are face and voice; `missing` says in words why a modality is not there;
    `keep_media`: an enrolment keeps faces and speech too.
    """

    capture: Capture
    embeddings: Mapping[Modality, Embedding]
    vectors: Mapping[Modality, Float32Array]
    missing: Mapping[Modality, str]
    timings_ms: dict[str, float]
    started: float
    keep_media: bool = False

    def only(self, modality: Modality) -> ClipProbe:
        """The same by face or by voice alone. Raises NoBiometricError when the clip has
        none.
        """
        if modality not in self.embeddings:
            raise NoBiometricError(
                f"The clip must hold what is asked about: {modality}. {self.missing[modality]}.",
                " ".join(h.text for h in self.capture.hints) or None,
            )
        left = {m: f"By {modality} alone was asked" for m in self.embeddings if m != modality}
        return replace(
            self,
            embeddings={modality: self.embeddings[modality]},
            vectors={modality: self.vectors[modality]},
            missing={**self.missing, **left},
        )

    def timings_with_total(self) -> dict[str, float]:
        """Time of each stage and, as `total`, all that passed since the clip came, in
        milliseconds.
        """
        return {**self.timings_ms, "total": (time.perf_counter() - self.started) * 1000}

    @property
    def speech_s(self) -> float:
        """Seconds of speech that the voice embedding was made of; 0 = there is none."""
        speech = self.capture.speech_analysis.speech
        return (
            speech.duration_s if speech is not None and Modality.VOICE in self.embeddings else 0.0
        )

    @property
    def templates(self) -> list[NewTemplate]:
        """What an enrolment of this clip stores."""
        faces = self.capture.face_analysis
        speech = self.capture.speech_analysis
        quality = {Modality.FACE: faces.quality, Modality.VOICE: speech.quality}
        media = kept.media_of(faces.faces, speech.speech) if self.keep_media else {}
        return [
            NewTemplate(
                e, getattr(quality[m], "score", 0.0), self.capture.source_sha256, media.get(m, {})
            )
            for m, e in self.embeddings.items()
        ]


class Analyser:
    """Aligner and encoders behind `settings.slots` slots; a clip waits for its slot at
    most `wait_s` seconds.
    """

    def __init__(
        self, aligner: Aligner, encoders: Encoders, settings: Settings, wait_s: float = WAIT_S
    ) -> None:
        self._aligner = aligner
        self._encoders = encoders
        self._settings = settings
        self._wait_s = wait_s
        self._slots = threading.BoundedSemaphore(settings.slots)

    def analyse(self, path: Path, filename: str | None = None) -> ClipProbe:
        """Raises MediaError (NoBiometricError when there is neither a usable face nor
        usable speech), BusyError.
        """
        started = time.perf_counter()
        with self._slot():
            timings = {"wait": (time.perf_counter() - started) * 1000}
            capture = self._aligner.analyse(path, filename=filename)
            timings.update(capture.timings_ms)
            embeddings = self._embed(capture, timings)
            missing = self._missing(capture, embeddings)
            if not embeddings:
                raise NoBiometricError(
                    "The clip holds neither a usable face nor usable speech."
                    f" {'. '.join(missing.values())}.",
                    " ".join(h.text for h in capture.hints) or None,
                    {"hints": [{"code": h.code, "text": h.text} for h in capture.hints]},
                )
            vectors = timed(
                timings,
                "fusion",
                lambda: self.with_fused({m: e.vector for m, e in embeddings.items()}),
            )
        return ClipProbe(
            capture, embeddings, vectors, missing, timings, started, self._settings.keep_media
        )

    def fuse(self, face: Float32Array, voice: Float32Array) -> Float32Array:
        """Face and voice embeddings (n, 512) each → fused ones (n, size)."""
        return self._encoders.fusion.fuse(face, voice)

    def with_fused(self, vectors: Mapping[Modality, Float32Array]) -> dict[Modality, Float32Array]:
        """The same (512,) vectors, and the fused one where there are face and voice."""
        if Modality.FACE not in vectors or Modality.VOICE not in vectors:
            return dict(vectors)
        fused = self.fuse(vectors[Modality.FACE][None], vectors[Modality.VOICE][None])[0]
        return {**vectors, Modality.FUSED: fused}

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=self._wait_s):
            raise BusyError(
                f"All {self._settings.slots} recognition slots were taken for {self._wait_s:g} s."
            )
        try:
            yield
        finally:
            self._slots.release()

    def _embed(self, capture: Capture, timings: dict[str, float]) -> dict[Modality, Embedding]:
        found: dict[Modality, Embedding] = {}
        faces = capture.face_analysis.faces
        speech = capture.speech_analysis.speech
        if faces:
            images = np.stack([f.image for f in faces])
            weights = np.array([f.quality.score for f in faces], np.float32)
            found[Modality.FACE] = timed(
                timings,
                "face_embedding",
                lambda: checked(self._encoders.face.embed(images, weights)),
            )
        if speech is not None:
            found[Modality.VOICE] = timed(
                timings, "voice_embedding", lambda: checked(self._encoders.voice.embed(speech))
            )
        return found

    def _missing(
        self, capture: Capture, found: Mapping[Modality, Embedding]
    ) -> dict[Modality, str]:
        missing = {}
        if Modality.FACE not in found:
            missing[Modality.FACE] = (
                "No usable face: no face was found"
                if capture.has_picture
                else "The clip has no picture"
            )
        if Modality.VOICE not in found:
            needed = (
                f"{capture.speech_analysis.quality.speech_s:.1f} s of speech heard,"
                f" {self._settings.min_speech_s:g} s needed"
            )
            missing[Modality.VOICE] = (
                f"No usable speech: {needed}" if capture.has_sound else "The clip has no sound"
            )
        return missing


def timed(timings: dict[str, float], stage: str, work: Callable[[], _T]) -> _T:
    """Do `work` and note its time in milliseconds."""
    started = time.perf_counter()
    result = work()
    timings[stage] = (time.perf_counter() - started) * 1000
    return result
