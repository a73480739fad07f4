"""From a media file to a probe: alignment and embeddings.

A bounded number of clips is analysed at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from gallery.ports import Aligner, Encoders
from gallery.records import stored_media
from gallery.store import NewTemplate
from gallery.vectors import check
from liveness.challenge import Challenge
from liveness.judgement import Liveness
from liveness.judges import Judges
from liveness.opening import Opening
from recognition import agreement
from recognition.agreement import Sample
from recognition.hearing import Hearing
from recognition.looking import Looking
from recognition.matching import Side
from recognition.missing import advice, nothing_usable, why_no_face, why_no_voice
from recognition.observation import Observation
from recognition.seeing import Seeing
from scoring.calibration import Quality
from utils.arrays import Float32Array
from utils.beside import beside
from utils.clock import timed
from utils.config import Settings
from utils.errors import BusyError, NoBiometricError
from utils.media import AlignedFace, Capture, FaceAnalysis, Hint, OtherFace, Waveform
from utils.modality import Embedding, Modality, PerModality
from utils.right_of_way import CLIPS
from utils.turns import Turns

WAIT_S = 60.0

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


@dataclass(frozen=True)
class _Seen:
    """The faces of the main person and their embedding. Empty without a face."""

    faces: FaceAnalysis
    embeddings: Mapping[Modality, Embedding] = field(default_factory=dict)
    odd_faces_s: tuple[float, ...] = ()


@dataclass(frozen=True)
class _Question:
    """What is to be known of one clip, and since when.

    `seeing` embeds as few faces as are enough. `timings` gets the time of each stage.
    """

    judge: Callable[[Capture], Liveness | None]
    hearing: Hearing
    started: float
    timings: dict[str, float]
    seeing: Seeing | None = None


class Analyser:
    """Aligner and encoders behind `settings.limits.slots` slots.

    A clip waits for its slot at most `wait_s` seconds. No more than half of the threads
    of the service wait, so that the others answer what is no clip.
    """

    def __init__(
        self, aligner: Aligner, encoders: Encoders, settings: Settings, wait_s: float = WAIT_S
    ) -> None:
        self._aligner = aligner
        self._encoders = encoders
        self._judges = Judges(settings.liveness, settings.storage.model_dir)
        self._settings = settings
        self._wait_s = wait_s
        self._looking = Looking(encoders.face, in_turn=settings.capture.accuracy != "thorough")
        self._slots = Turns(settings.limits.slots)
        self._most_waiting = max(1, settings.limits.threads // 2)
        self._places = Turns(settings.limits.slots + self._most_waiting)
        self.encoder_ids = PerModality(
            fused=encoders.fusion.encoder_id,
            face=encoders.face.encoder_id,
            voice=encoders.voice.encoder_id,
        )

    def analyse(
        self,
        path: Path,
        filename: str | None = None,
        *,
        challenge: Challenge | None = None,
        whole: bool = True,
    ) -> Probe:
        """Align the clip at `path` and embed its face and voice.

        `challenge`: digits that it was asked to say. Without one, as few faces are embedded
        as are enough, and an opening may be enough for a fast answer, unless the `whole` is
        asked for or a check refuses. Raises MediaError, BusyError, and NoBiometricError
        without a usable face and usable speech.
        """
        started = time.perf_counter()
        judge = partial(self._judges.examine, challenge=challenge)
        # A check looks at every face: none may be somebody else's who passes for the named one
        few = not (whole or challenge or self._judges.refuse)
        hearing = Hearing(self._encoders.voice)
        seeing = self._looking.begin() if few else None
        question = _Question(judge, hearing, started, {}, seeing=seeing)
        watch = seeing.watch if seeing else None
        analyse = partial(self._aligner.analyse, path, filename=filename)
        read = partial(analyse, listen=hearing.hear, watch=watch)
        with self._slot(question):
            if few:
                opening = Opening(self._judges)
                probe = self._embed(read(demand=opening), replace(question, judge=opening.judge))
                if not (opening.is_enough and probe.odd_faces_s):
                    return probe
            return self._embed(read(), question)

    def embed(self, capture: Capture) -> Probe:
        """Embed what was captured elsewhere. Raises NoBiometricError, BusyError."""
        hearing = Hearing(self._encoders.voice)
        question = _Question(self._judges.examine, hearing, time.perf_counter(), {})
        with self._slot(question):
            return self._embed(capture, question)

    def _embed(self, capture: Capture, question: _Question) -> Probe:
        """Embed faces and speech, and judge the clip beside them."""
        speech = capture.speech_analysis.speech
        if not capture.face_analysis.faces and speech is None:
            raise nothing_usable(capture, self._explain_missing(capture, {}))
        timings = question.timings | capture.timings_ms
        hearing = question.hearing
        judge = partial(self._judge, question.judge, timings=timings)
        with (
            beside(partial(hearing.hear, speech)) as heard,
            beside(partial(judge, capture)) as judged,
        ):
            seen = self._embed_faces(capture.face_analysis, timings, question.seeing)
            heard.result()
            liveness = judged.result()
        capture = replace(capture, face_analysis=seen.faces)
        if seen.odd_faces_s:
            liveness = self._judges.examine_faces(capture, liveness)
        embeddings = {**seen.embeddings, **hearing.embeddings}
        timings |= hearing.timings_ms
        with timed(timings, "fusion"):
            vectors = self.with_fused({m: e.vector for m, e in embeddings.items()})
        return Probe(
            capture=capture,
            embeddings=embeddings,
            vectors=vectors,
            missing=self._explain_missing(capture, embeddings),
            encoder_ids=self.encoder_ids,
            odd_faces_s=seen.odd_faces_s,
            liveness=liveness,
            keep_media=self._settings.privacy.keep_media,
            timings_ms=timings,
            started=question.started,
        )

    @staticmethod
    def _judge(
        judge: Callable[[Capture], Liveness | None], capture: Capture, timings: dict[str, float]
    ) -> Liveness | None:
        with timed(timings, "liveness"):
            return judge(capture)

    def fuse(self, face: Float32Array, voice: Float32Array) -> Float32Array:
        """Fuse face and voice embeddings, (n, 512) each, to (n, size)."""
        return self._encoders.fusion.fuse(face, voice)

    def with_fused(self, vectors: Mapping[Modality, Float32Array]) -> dict[Modality, Float32Array]:
        """Add the fused vector where there are face and voice, (512,) each."""
        if Modality.FACE not in vectors or Modality.VOICE not in vectors:
            return dict(vectors)
        fused = self.fuse(vectors[Modality.FACE][None], vectors[Modality.VOICE][None])[0]
        return {**vectors, Modality.FUSED: fused}

    @contextmanager
    def _slot(self, question: _Question) -> Iterator[None]:
        slots = self._settings.limits.slots
        waiting = f"{self._most_waiting} clips wait for their turn already."
        taken = f"All {slots} recognition slots were taken for {self._wait_s:g} s."
        with _hold(self._places, 0, waiting), _hold(self._slots, self._wait_s, taken), CLIPS.take():
            question.timings["wait"] = (time.perf_counter() - question.started) * 1000
            yield

    def _embed_faces(
        self, analysis: FaceAnalysis, timings: dict[str, float], seeing: Seeing | None
    ) -> _Seen:
        """Embed the main person, without faces of somebody else in the same place."""
        if not analysis.faces:
            return _Seen(analysis)
        with timed(timings, "face_embedding"):
            look = self._looking.look(analysis.faces, seeing)
        timings["face_embedding"] += seeing.took_ms if seeing else 0.0
        embedding = check(Embedding(look.vector, Modality.FACE, self.encoder_ids.face))
        faces = list(zip(analysis.faces, look.is_odd, strict=True))
        return _Seen(
            faces=replace(analysis, faces=tuple(face for face, is_odd in faces if not is_odd)),
            embeddings={Modality.FACE: embedding},
            odd_faces_s=tuple(sorted(face.time_s for face, is_odd in faces if is_odd)),
        )

    def probe_of(self, other: OtherFace, probe: Probe) -> Probe:
        """Make a probe of somebody else in the clip of `probe`, by face alone."""
        vector = self._looking.embed(other.faces).mean
        faces = replace(
            probe.capture.face_analysis, faces=other.faces, quality=other.faces[0].quality
        )
        return replace(
            probe,
            capture=replace(probe.capture, face_analysis=faces),
            embeddings={Modality.FACE: Embedding(vector, Modality.FACE, self.encoder_ids.face)},
            vectors={Modality.FACE: vector},
            missing={Modality.VOICE: "Others in view are asked about by face alone"},
            odd_faces_s=(),
        )

    def embed_sample(self, faces: Sequence[AlignedFace]) -> Sample:
        """Embed faces of one person, one or more, each by itself and in both views."""
        return self._looking.embed(faces, in_turn=False)

    def embed_parts(self, speech: Waveform) -> Sample | None:
        """Embed the parts of the speech, each by itself. None where it is too short."""
        parts = agreement.cut_parts(speech.samples, speech.rate_hz)
        if not parts:
            return None
        embeddings = [self._encoders.voice.embed(Waveform(p, speech.rate_hz)) for p in parts]
        return Sample(
            vectors=np.stack([embedding.vector for embedding in embeddings]),
            weights=np.ones(len(parts), np.float32),
            speech_s=speech.duration_s / len(parts),
        )

    def _explain_missing(
        self, capture: Capture, embeddings: Mapping[Modality, Embedding]
    ) -> dict[Modality, str]:
        missing = {}
        if Modality.FACE not in embeddings:
            missing[Modality.FACE] = why_no_face(capture)
        if Modality.VOICE not in embeddings:
            missing[Modality.VOICE] = why_no_voice(capture, self._settings.capture.min_speech_s)
        return missing


@contextmanager
def _hold(places: Turns, wait_s: float, refusal: str) -> Iterator[None]:
    """Hold one of the places. Raises BusyError where none is free within `wait_s`."""
    if not places.acquire(timeout=wait_s):
        raise BusyError(refusal)
    try:
        yield
    finally:
        places.release()
