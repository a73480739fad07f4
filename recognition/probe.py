"""A clip after its analysis: what is searched with, stored, and told of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gallery.records import stored_media
from gallery.store import NewTemplate
from liveness.judgement import Liveness
from recognition.missing import advice
from recognition.observation import Observation
from recognition.sides import Side
from scoring.calibration import Quality
from utils.arrays import Float32Array
from utils.errors import NoBiometricError
from utils.media import Capture, Hint
from utils.modality import Embedding, Modality, PerModality

MIXED_FACES = Hint(
    "mixed_people",
    "The clip shows one person after the other: one at a time, please.",
)


@dataclass(frozen=True)
class Probe:
    """A clip ready for search or enrolment.

    Attributes:
        capture: aligned faces and speech.
        embeddings: of the face, of the voice, or of both.
        vectors: the same as arrays (size,), with the fused one where both are there.
        missing: why a modality is not there, in words.
        encoder_ids: encoders of the embeddings.
        odd_faces_s: when somebody else's face is seen in the place of the main person's,
            in seconds. These faces are left out.
        liveness: whether somebody is there and talks; None where no check is on.
        keep_media: an enrolment keeps faces and speech beside the vectors.
        timings_ms: time of each stage; later stages add theirs.
        started: clock when the clip came, in seconds.
    """

    capture: Capture
    embeddings: Mapping[Modality, Embedding]
    vectors: Mapping[Modality, Float32Array]
    missing: Mapping[Modality, str]
    encoder_ids: PerModality[str]
    odd_faces_s: tuple[float, ...] = ()
    liveness: Liveness | None = None
    keep_media: bool = False
    timings_ms: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)

    def only(self, modality: Modality) -> Probe:
        """Restrict the probe to the face or the voice.

        Raises NoBiometricError when the clip has none.
        """
        if modality not in self.embeddings:
            raise NoBiometricError(
                f"The clip must hold what is asked about: {modality}. {self.missing[modality]}.",
                advice(self.capture),
            )
        left = {m: f"By {modality} alone was asked" for m in self.embeddings if m != modality}
        return replace(
            self,
            embeddings={modality: self.embeddings[modality]},
            vectors={modality: self.vectors[modality]},
            missing={**self.missing, **left},
        )

    def vector_of(self, modality: Modality) -> Float32Array:
        """Vector (size,) by one modality. Raises NoBiometricError when there is none."""
        if modality not in self.vectors:
            raise NoBiometricError(
                f"The clip cannot be shown by {modality}. {'. '.join(self.missing.values())}."
            )
        return self.vectors[modality]

    def observation(self, *hints: Hint) -> Observation:
        """Sum up what was seen and heard, with the time that passed until now.

        `hints` came up after the analysis.
        """
        capture = self.capture
        total = {"total": (time.perf_counter() - self.started) * 1000}
        return Observation(
            faces=capture.face_analysis.faces,
            face_quality=capture.face_analysis.quality,
            people_in_view=capture.face_analysis.people_in_view,
            speech_segments=capture.speech_analysis.segments,
            speech_quality=capture.speech_analysis.quality,
            duration_s=capture.duration_s,
            hints=(*capture.hints, *self._own_hints, *hints),
            encoder_ids=self.encoder_ids,
            timings_ms=self.timings_ms | total,
            liveness=self.liveness,
        )

    @property
    def refusal(self) -> str | None:
        """Why a check for liveness lets nobody be named. None where somebody may be."""
        return self.liveness.refusal if self.liveness else None

    @property
    def _own_hints(self) -> tuple[Hint, ...]:
        return (MIXED_FACES,) if self.odd_faces_s else ()

    @property
    def speech_s(self) -> float:
        """Seconds of speech in the voice embedding. 0.0 without one."""
        if Modality.VOICE not in self.embeddings:
            return 0.0
        heard = self.capture.speech_analysis
        return heard.speech.duration_s if heard.speech else heard.quality.speech_s

    @property
    def sides(self) -> dict[Modality, Side]:
        """What is compared, with the length and quality that its ratios shrink with."""
        face = self.capture.face_analysis.quality
        voice = self.capture.speech_analysis.quality
        scores: dict[Modality, Quality] = {
            Modality.FACE: (face.score,) if face else (),
            Modality.VOICE: (voice.score,),
        }
        scores[Modality.FUSED] = (*scores[Modality.FACE], *scores[Modality.VOICE])
        frames = len(self.capture.face_analysis.faces)
        return {
            modality: Side(
                vector=vector,
                speech_s=0.0 if modality == Modality.FACE else self.speech_s,
                quality=scores[modality],
                frames=frames if modality == Modality.FACE else 0,
                is_spoilt=modality == Modality.VOICE and self.capture.is_voice_spoilt,
            )
            for modality, vector in self.vectors.items()
        }

    @property
    def templates(self) -> list[NewTemplate]:
        """What an enrolment of this clip stores."""
        faces = self.capture.face_analysis
        speech = self.capture.speech_analysis
        quality = {Modality.FACE: faces.quality, Modality.VOICE: speech.quality}
        media = stored_media.pack(faces.faces, speech.speech) if self.keep_media else {}
        return [
            NewTemplate(
                embedding,
                quality=getattr(quality[modality], "score", 0.0),
                source_sha256=self.capture.source_sha256,
                media=media.get(modality, {}),
            )
            for modality, embedding in self.embeddings.items()
        ]
