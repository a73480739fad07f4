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
from gallery.vectors import check
from liveness.challenge import Challenge
from liveness.judgement import Liveness
from liveness.judges import Judges
from liveness.opening import Opening
from recognition import agreement
from recognition.agreement import Sample
from recognition.few_faces import FAST_STRETCHES, STRETCHES
from recognition.hearing import Hearing
from recognition.looking import Looking
from recognition.missing import nothing_usable, why_no_face, why_no_voice
from recognition.probe import Probe
from recognition.seeing import Seeing
from utils.arrays import Float32Array
from utils.beside import beside
from utils.clock import timed
from utils.config import Settings
from utils.fair_semaphore import FairSemaphore
from utils.media import AlignedFace, Capture, FaceAnalysis, OtherFace, Waveform
from utils.modality import Embedding, Modality, PerModality
from utils.right_of_way import CLIPS
from utils.wanted import CHECK_WANTED

WAIT_S = 60.0


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
        accuracy = settings.capture.accuracy
        self._looking = Looking(
            encoders.face,
            in_turn=accuracy != "thorough",
            stretches=FAST_STRETCHES if accuracy == "fast" else STRETCHES,
        )
        self._slots = FairSemaphore(settings.limits.slots)
        self._most_waiting = max(1, settings.limits.threads // 2)
        self._places = FairSemaphore(settings.limits.slots + self._most_waiting)
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
        as are enough, and a fast answer sees less of the clip, unless the `whole` is asked
        for or a check refuses. Raises MediaError, BusyError, and NoBiometricError
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
            seen = self._embed_faces(capture, timings, question.seeing)
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
        with (
            self._places.hold(0, waiting),
            self._slots.hold(self._wait_s, taken),
            CLIPS.take(),
        ):
            question.timings["wait"] = (time.perf_counter() - question.started) * 1000
            CHECK_WANTED.get()()
            yield

    def _embed_faces(
        self, capture: Capture, timings: dict[str, float], seeing: Seeing | None
    ) -> _Seen:
        """Embed the main person, without faces of somebody else in the same place."""
        analysis = capture.face_analysis
        if not analysis.faces:
            return _Seen(analysis)
        with timed(timings, "face_embedding"):
            look = self._looking.look(analysis.faces, seeing, is_poor=capture.is_compressed)
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
