"""Strangers who come by again: whose clip is it, and what is kept of it.

A clip that is answered "unknown" is compared with the strangers of before by the same
calibrated open-set decision as with the gallery: at the stated rate of false positives,
and never below even odds. So a stranger is taken for another one as rarely as a stranger
is given a name. A clip that is nobody's of them makes a new stranger. Where face and voice
disagree, nothing is kept.

Only a clip that could be enrolled is kept: of one person, live where that is asked for,
and good enough.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace

from gallery.ports import Encoders
from gallery.records import stored_media
from gallery.records.strangers import KeptValue, NewClip, StrangerClip
from gallery.search.strangers import StrangerSearch
from gallery.store import Store
from recognition.analysis import Analyser
from recognition.decision import Rule
from recognition.identifier import identify
from recognition.one_person import OnePerson
from recognition.probe import Probe
from recognition.requests import EVALUATE, IdentificationRequest
from recognition.results import Decision, Identification, Outcome
from recognition.sides import Calibrations
from utils.config import Settings
from utils.errors import StorageFullError, StoreUnavailableError
from utils.media import Capture, FaceAnalysis, FaceQuality, SpeechAnalysis, SpeechQuality
from utils.modality import SINGLE, Modality

log = logging.getLogger("duet.recognition")
_UNKNOWN = float("nan")


class Strangers:
    """Finds and keeps strangers, where a setting says so. Shared by all threads."""

    def __init__(
        self,
        store: Store,
        encoders: Encoders,
        *,
        one_person: OnePerson,
        calibrations: Calibrations,
        settings: Settings,
    ) -> None:
        self._store = store
        self._search = StrangerSearch(store, encoders)
        self._one_person = one_person
        self._calibrations = calibrations
        # A stranger may come by face or voice alone
        self._decision = replace(settings.decision, require_both=False)
        self._least_quality = settings.capture.min_enroll_quality
        self._keeps_pictures = settings.visitors.stranger_pictures

    def keep(
        self, probe: Probe, request: IdentificationRequest, answer: Identification
    ) -> int | None:
        """Keep a clip of somebody unknown, and return the stranger's internal number.

        None: nobody is unknown, or nothing is kept. A store that takes no writes keeps
        nobody from an answer.
        """
        if not self._store.stranger_days or not _is_stranger(request, answer):
            return None
        clear = self._leave_out_poor(probe)
        if clear is None or self._one_person.find_fault([clear]) is not None:
            return None
        try:
            decision = self.find(clear)
            if decision is not None and decision.outcome is Outcome.CONFLICT:
                return None
            return self._store.keep_stranger(self._describe(clear, decision))
        except (StoreUnavailableError, StorageFullError) as error:
            log.error("a stranger was not kept: %s", error.code)
            return None

    def finish(self, probes: Iterable[Probe], person_id: str) -> None:
        """Delete the strangers whose clips were enrolled: they are this person now.

        The enrolment stands where the store takes no writes meanwhile: their term goes on.
        """
        if not self._store.stranger_days:
            return
        try:
            sources = {probe.capture.source_sha256 for probe in probes}
            self._store.finish_strangers(sources, person_id)
        except (StoreUnavailableError, StorageFullError) as error:
            log.error("a stranger who was enrolled was not deleted: %s", error.code)

    def find(self, probe: Probe) -> Decision | None:
        """Decide which stranger a clip is. None: there is none yet.

        The `person_id` of a match is the internal number.
        """
        snapshot = self._search.snapshot()
        if not snapshot.people:
            return None
        rule = Rule(self._decision, snapshot.people, self._calibrations)
        return identify(probe.sides, snapshot, rule, missing=probe.missing).fused

    def _leave_out_poor(self, probe: Probe) -> Probe | None:
        """Leave the face or the voice out that is too poor. None: both are."""
        good = [t.embedding.modality for t in probe.templates if t.quality >= self._least_quality]
        if len(good) == len(probe.embeddings):
            return probe
        return probe.only(good[0]) if good else None

    def _describe(self, probe: Probe, decision: Decision | None) -> NewClip:
        clip = StrangerClip(
            source_sha256=probe.capture.source_sha256,
            values=tuple(
                KeptValue(
                    template.embedding,
                    template.quality,
                    probe.speech_s if template.embedding.modality == Modality.VOICE else 0.0,
                )
                for template in probe.templates
            ),
            picture=self._draw(probe),
        )
        if decision is None or decision.match is None:
            return NewClip(clip)
        same = tuple(ref.key for ref in decision.entries)
        return NewClip(clip, int(decision.match.person_id), same)

    def _draw(self, probe: Probe) -> bytes | None:
        if not self._keeps_pictures or Modality.FACE not in probe.embeddings:
            return None
        return stored_media.draw_thumbnail(probe.capture.face_analysis.faces)


def _is_stranger(request: IdentificationRequest, answer: Identification) -> bool:
    """Whether somebody is known to be unknown, and by neither face nor voice anybody's.

    Of a group alone nobody is, and a stricter question than usual says nothing either.
    """
    if request.action == EVALUATE or request.group is not None or request.beyond > 0:
        return False
    named = [answer.decisions[modality].match for modality in SINGLE]
    return answer.decisions.fused.outcome is Outcome.UNKNOWN and named == [None, None]


def restore_probe(clip: StrangerClip, analyser: Analyser) -> Probe:
    """Make a probe of a kept clip, for an enrolment. Its faces and its sound are gone."""
    embeddings = {one.embedding.modality: one.embedding for one in clip.values}
    quality = {one.embedding.modality: one.quality for one in clip.values}
    speech_s = max(one.speech_s for one in clip.values)
    capture = Capture(
        face_analysis=FaceAnalysis((), 1, 0, _face_quality(quality.get(Modality.FACE))),
        speech_analysis=SpeechAnalysis(
            None, (), _speech_quality(speech_s, quality.get(Modality.VOICE, 0.0))
        ),
        has_picture=Modality.FACE in embeddings,
        has_sound=Modality.VOICE in embeddings,
        duration_s=speech_s,
        source_sha256=clip.source_sha256,
        hints=(),
        timings_ms={},
    )
    return Probe(
        capture=capture,
        embeddings=embeddings,
        vectors=analyser.with_fused({m: one.vector for m, one in embeddings.items()}),
        missing={m: f"The clip has no usable {m}" for m in SINGLE if m not in embeddings},
        encoder_ids=analyser.encoder_ids,
    )


def _face_quality(score: float | None) -> FaceQuality | None:
    if score is None:
        return None
    return FaceQuality(
        size_px=_UNKNOWN,
        sharpness=_UNKNOWN,
        yaw=_UNKNOWN,
        roll_deg=_UNKNOWN,
        brightness=_UNKNOWN,
        contrast=_UNKNOWN,
        score=score,
    )


def _speech_quality(speech_s: float, score: float) -> SpeechQuality:
    return SpeechQuality(
        speech_s=speech_s,
        duration_s=speech_s,
        snr_db=_UNKNOWN,
        clipping=_UNKNOWN,
        level_db=_UNKNOWN,
        score=score,
    )
