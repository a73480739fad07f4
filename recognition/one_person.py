"""Checks that the clips of an enrolment are of one person, and good enough.

They look at one clip after the other: who is in view, whether its faces and the parts of
its speech agree (`recognition/agreement.py`), how good it is. Then the clips are compared
with each other, and with what is stored of the person.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from recognition.agreement import LEAST_FACES
from recognition.analysis import Analyser
from recognition.probe import Probe
from recognition.sides import Sides
from recognition.verifier import Vectors, Verifier
from scoring.calibration import probability_of
from utils.errors import (
    ClipRefusedError,
    MixedPeopleError,
    NotLiveError,
    PoorQualityError,
    SeveralPeopleError,
    UnlikePersonError,
)
from utils.modality import SINGLE, Modality

# Natural log-likelihood ratio below which a clip is unlike a person. A voice changes more
# from day to day than a face does.
_LEAST_LIKE = {Modality.FACE: math.log(3), Modality.VOICE: -math.log(3)}
# The same after a calibration on own people. A few of them make gentle ratios: faces of one
# person came to 0.4 and more, and those of two people to -0.6 at most
_LEAST_LIKE_OF_OWN = {Modality.FACE: 0.0, Modality.VOICE: -math.log(3)}


class OnePerson:
    """Finds why clips should not be enrolled for one person.

    `least_quality` in [0, 1] is asked of each face and each speech that is stored.
    """

    def __init__(self, analyser: Analyser, verifier: Verifier, *, least_quality: float) -> None:
        self._analyser = analyser
        self._verifier = verifier
        self._least_quality = least_quality

    def find_fault(self, probes: Sequence[Probe]) -> ClipRefusedError | None:
        """Find the first fault of the clips of one enrolment."""
        for probe in probes:
            for fault in self._faults_of(probe):
                return fault
        return self._compare_clips(probes)

    def find_unlike(self, probes: Sequence[Probe], person_id: str) -> ClipRefusedError | None:
        """Find out whether a clip is unlike what is stored of the person."""
        earlier = self._verifier.vectors_of(person_id)
        for probe in probes:
            modality, probability = self._least_alike(probe, earlier)
            if modality is not None:
                return UnlikePersonError(
                    "A clip must be like what is stored of the person:"
                    f" {self._state_least(modality)}. Received: {probability:.3f} for"
                    f" {person_id!r}",
                    details={
                        "person_id": person_id,
                        "modality": str(modality),
                        "probability": probability,
                    },
                )
        return None

    def _faults_of(self, probe: Probe) -> Iterator[ClipRefusedError]:
        yield from _find_lifeless(probe)
        if Modality.FACE in probe.embeddings:
            yield from _find_several(probe)
            yield from self._find_other_faces(probe)
        if Modality.VOICE in probe.embeddings:
            yield from self._find_other_voices(probe)
        yield from self._find_poor(probe)

    def _find_other_faces(self, probe: Probe) -> Iterator[ClipRefusedError]:
        """Look for a face that takes the place of the main one, there or elsewhere."""
        times = set(probe.odd_faces_s)
        faces = probe.capture.face_analysis
        others = [o for o in faces.others if not o.is_together and len(o.faces) >= LEAST_FACES]
        for other in others:
            main = self._analyser.embed_sample(faces.faces)
            sample = self._analyser.embed_sample(other.faces)
            llr = self._verifier.llr_of_faces(main, sample)
            if llr < self._verifier.least_llr(Modality.FACE):
                times.update(face.time_s for face in other.faces)
        if times:
            yield MixedPeopleError(
                f"A clip must show one person. Another face is seen in {len(times)} frames.",
                details={"modality": str(Modality.FACE), "seconds": sorted(times)},
            )

    def _find_other_voices(self, probe: Probe) -> Iterator[ClipRefusedError]:
        speech = probe.capture.speech_analysis.speech
        # None: of a stranger's clip, which was looked at when it came
        parts = self._analyser.embed_parts(speech) if speech else None
        if parts is None:
            return
        llr, odd = self._verifier.llr_of_voices(parts)
        if llr < self._verifier.least_llr(Modality.VOICE):
            yield MixedPeopleError(
                "A clip must hold one voice. Another voice is heard in about"
                f" {len(odd) * parts.speech_s:.1f} s of the speech.",
                details={
                    "modality": str(Modality.VOICE),
                    "seconds": [round(number * parts.speech_s, 1) for number in odd],
                },
            )

    def _find_poor(self, probe: Probe) -> Iterator[ClipRefusedError]:
        for template in probe.templates:
            modality = template.embedding.modality
            if template.quality < self._least_quality:
                yield PoorQualityError(
                    f"The {modality} must have a quality of {self._least_quality:g} or more."
                    f" Received: {template.quality:.2f}",
                    details={
                        "modality": str(modality),
                        "quality": template.quality,
                        "least_quality": self._least_quality,
                        "hints": [{"code": h.code, "text": h.text} for h in probe.capture.hints],
                    },
                )

    def _compare_clips(self, probes: Sequence[Probe]) -> ClipRefusedError | None:
        """Compare each further clip of a request with the first."""
        for number, probe in enumerate(probes[1:], 2):
            modality, probability = self._least_alike(probe, probes[0].sides)
            if modality is not None:
                return MixedPeopleError(
                    f"All clips must be of one person: {self._state_least(modality)}."
                    f" Received: {probability:.3f} for clip {number} and the first",
                    details={
                        "modality": str(modality),
                        "clip": number,
                        "probability": probability,
                    },
                )
        return None

    def _least_alike(self, probe: Probe, other: Sides | Vectors) -> tuple[Modality | None, float]:
        """Find the modality that speaks against one person, and the probability by it."""
        for modality in SINGLE:
            if modality not in probe.vectors or modality not in other:
                continue
            llr = self._verifier.compare_with(probe, other, modality)
            if not llr >= self._least_like(modality):
                return modality, float(probability_of(llr))
        return None, 1.0

    def _least_like(self, modality: Modality) -> float:
        is_of_own = self._verifier.is_of_own_people(modality)
        return (_LEAST_LIKE_OF_OWN if is_of_own else _LEAST_LIKE)[modality]

    def _state_least(self, modality: Modality) -> str:
        least = float(probability_of(self._least_like(modality)))
        return f"by {modality} with a probability of {least:.2f} or more"


def _find_lifeless(probe: Probe) -> Iterator[ClipRefusedError]:
    refusal = probe.liveness.enrolment_refusal if probe.liveness else None
    if refusal:
        yield NotLiveError(f"{refusal}.")


def _find_several(probe: Probe) -> Iterator[ClipRefusedError]:
    faces = probe.capture.face_analysis
    if faces.people_in_view <= 1:
        return
    boxes = [faces.faces[0].detection.box_xyxy]
    boxes += [other.faces[0].detection.box_xyxy for other in faces.others if other.is_together]
    yield SeveralPeopleError(
        f"One person must be in view. Received: {faces.people_in_view} people or pictures of"
        " people",
        details={
            "people_in_view": faces.people_in_view,
            "boxes": [np.round(box.astype(float), 1).tolist() for box in boxes],
        },
    )
