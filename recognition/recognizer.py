"""The one place that walks the way of a clip: media file → alignment → embeddings →
search → decision or enrolment.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gallery.names import validate_person_id
from gallery.overview.overview import GalleryMap, Overview
from gallery.ports import Aligner, Encoders
from gallery.results import Person, StaleTemplates
from gallery.search.choose import open_index
from gallery.search.memory import SINGLE, Snapshot
from gallery.store import NewPerson, Store, Stored, mismatch
from gallery.vectors import represent
from recognition import decision, voice_confidence
from recognition.analysis import WAIT_S, Analyser, ClipProbe, timed
from recognition.decision import Rule
from recognition.matching import Calibrations, Search, compare
from recognition.results import (
    Decision,
    EnrollResult,
    FirstSightResult,
    Identification,
    Match,
    Verification,
    VerifyResult,
)
from recognition.voice_confidence import SpeakerEnrolment, SpeakerResult
from utils.arrays import Float32Array
from utils.config import Settings
from utils.errors import (
    DuplicatePersonError,
    NoBiometricError,
    PersonExistsError,
    PersonNotFoundError,
    StorageFullError,
    StoreUnavailableError,
)
from utils.media import Hint
from utils.modality import Modality

log = logging.getLogger(__name__)

Decisions = Mapping[Modality, Decision]
Duplicate = tuple[Match, Modality]
Guard = Callable[[], None]
"""Runs once nobody else can change the gallery any more, and may raise to stop what is
to be stored.
"""


def _anybody() -> None:
    """The guard that stops nothing."""


class Recognizer:
    """Shared by all requests and threads. Create it after a fork, never before. `store`
    is the gallery itself, for what is neither recognised nor enrolled.
    """

    def __init__(
        self,
        aligner: Aligner,
        encoders: Encoders,
        store: Store,
        settings: Settings,
        wait_s: float = WAIT_S,
    ) -> None:
        self.store = store
        self._settings = settings
        self._analyser = Analyser(aligner, encoders, settings, wait_s)
        self._index = open_index(store, encoders)
        self._calibrations: Calibrations = {
            Modality.FACE: encoders.face.calibration,
            Modality.VOICE: encoders.voice.calibration,
            Modality.FUSED: encoders.fusion.calibration,
        }
        self.encoder_ids = {
            "face": encoders.face.encoder_id,
            "voice": encoders.voice.encoder_id,
            "fused": encoders.fusion.encoder_id,
        }
        self.scale_ids = {
            str(m): calibration.scale_id for m, calibration in self._calibrations.items()
        }
        self.overview = Overview(
            store, {m: self.encoder_ids[m] for m in SINGLE}, self._analyser.fuse
        )

    # ---- recognition
    def identify(
        self, path: Path, *, filename: str | None = None, request_id: str | None = None
    ) -> Identification:
        """Who is in the clip at `path`? `filename` is what its sender calls it; under
        `request_id` the answer is remembered for feedback.

        Raises MediaError (NoBiometricError), BusyError, EncoderMismatchError,
        StoreUnavailableError.
        """
        answer = self._identify(self._analyser.analyse(path, filename))
        self._note_answer(
            "identify",
            answer.fused.outcome,
            answer,
            request_id,
            {
                "face": str(answer.face.outcome),
                "voice": str(answer.voice.outcome),
                "people": answer.people,
            },
        )
        return answer

    def enroll(
        self,
        person_id: str,
        path: Path,
        *,
        filename: str | None = None,
        replace: bool = False,
        force: bool = False,
        create: bool = False,
        guard: Guard = _anybody,
    ) -> EnrollResult:
        """Store templates of the clip for a person who is there. `replace` first
        removes all templates of the person; `create` makes who is not there, together
        with the templates or not at all. `guard` may stop it.

        A clip that is somebody else of the gallery is refused unless `force`.
        Raises PersonNotFoundError, DuplicatePersonError (`details`: person_id, name,
        score, probability, modality), EncoderMismatchError, StorageFullError and what
        `identify` raises.
        """
        known = self.store.find_person(person_id) if create else self.store.get_person(person_id)
        probe = self._analyser.analyse(path, filename)
        hints = [] if replace or known is None else self._unlike_earlier(person_id, probe)
        person = NewPerson(person_id) if known is None else person_id
        try:
            stored, duplicate = timed(
                probe.timings_ms,
                "store",
                lambda: self._enroll(person, person_id, [probe], replace, force, guard),
            )
        except PersonExistsError:  # another request was first
            return self.enroll(
                person_id, path, filename=filename, replace=replace, force=force, guard=guard
            )
        if stored.known_before == len(stored.templates):
            hints.append(
                Hint(
                    "already_enrolled",
                    "This file was enrolled for this person before; nothing was added.",
                )
            )
        capture = probe.capture
        return EnrollResult(
            stored.person,
            stored.templates,
            (*capture.hints, *hints),
            duplicate and duplicate[0],
            capture.face_analysis.quality,
            capture.speech_analysis.quality,
            capture.face_analysis.people_in_view,
            self.encoder_ids,
            probe.timings_with_total(),
        )

    def identify_speaker(
        self,
        path: Path,
        threshold: float = voice_confidence.OWN_THRESHOLD,
        *,
        filename: str | None = None,
        request_id: str | None = None,
    ) -> SpeakerResult:
        """Who speaks? By voice alone; `threshold` in [0, 1] is the confidence to reach
        (recognition/voice_confidence.py). Raises what `identify` raises, NoBiometricError also for
        a clip without usable speech.
        """
        probe = self._analyser.analyse(path, filename).only(Modality.VOICE)
        answer = self._identify(probe, voice_confidence.evidence(threshold))
        self._note_answer(
            "identify_speaker", answer.voice.outcome, answer, request_id, {"people": answer.people}
        )
        return SpeakerResult(
            answer, voice_confidence.confidence(answer.voice, threshold), threshold
        )

    def enroll_speaker(
        self,
        person: NewPerson,
        clips: Sequence[tuple[Path, str]],
        *,
        force: bool = False,
        guard: Guard = _anybody,
    ) -> SpeakerEnrolment:
        """Store voice templates of `clips` (path, and the name that its sender gave
        it), of all or of none, for a person who is there, or who is made with them;
        `guard` may stop it. Raises InvalidNameError and what `enroll` raises,
        NoBiometricError also for a clip without usable speech.
        """
        known = self.store.find_person(person.person_id)
        probes = [
            self._analyser.analyse(path, filename).only(Modality.VOICE) for path, filename in clips
        ]
        hints = [
            h
            for probe in probes
            for h in (
                *probe.capture.hints,
                *(self._unlike_earlier(person.person_id, probe) if known else ()),
            )
        ]
        try:
            stored, duplicate = self._enroll(
                person.person_id if known else person, person.person_id, probes, False, force, guard
            )
        except (PersonExistsError, PersonNotFoundError):  # made or deleted by another request since
            return self.enroll_speaker(person, clips, force=force, guard=guard)
        return SpeakerEnrolment(
            stored.person, stored.templates, duplicate and duplicate[0], tuple(hints)
        )

    def verify_person(
        self, path: Path, person_id: str, *, filename: str | None = None
    ) -> VerifyResult:
        """Is the clip of this person? Raises PersonNotFoundError and what `identify`
        raises.
        """
        infos = self.store.list_templates(person_id)
        probe = self._analyser.analyse(path, filename)
        reference = self._person_vectors(person_id)
        old = [
            i
            for i in infos
            if i.encoder_id != self.encoder_ids[i.modality] and i.modality in probe.embeddings
        ]
        if old and not reference.keys() & probe.embeddings.keys():
            raise mismatch(
                [
                    StaleTemplates(m, n, 1)
                    for m in SINGLE
                    if (n := sum(i.modality == m for i in old))
                ]
            )
        answer = self._verify(probe, reference, f"No {{}} template is stored for {person_id}")
        self._note(
            "verify",
            answer.fused.outcome,
            None,
            {"face": answer.face.outcome, "voice": answer.voice.outcome},
            person_id,
        )
        return answer

    def verify_clips(
        self,
        path: Path,
        reference: Path,
        *,
        filename: str | None = None,
        reference_filename: str | None = None,
    ) -> VerifyResult:
        """Are the two clips of one person? Nothing is stored. Raises what `identify`
        raises.
        """
        probe = self._analyser.analyse(path, filename)
        try:
            other = self._analyser.analyse(reference, reference_filename)
        except NoBiometricError as error:
            raise NoBiometricError(
                f"The reference: {error.message}", error.hint, error.details
            ) from None
        answer = self._verify(
            probe, other.vectors, "The reference has no usable {}", other.speech_s
        )
        self._note(
            "verify_clips",
            answer.fused.outcome,
            None,
            {"face": answer.face.outcome, "voice": answer.voice.outcome},
        )
        return dataclasses.replace(answer, captures=(*answer.captures, other.capture))

    def first_sight(
        self,
        person_id: str,
        path: Path,
        *,
        filename: str | None = None,
        re_register: bool = False,
        force: bool = False,
        request_id: str | None = None,
    ) -> FirstSightResult:
        """Identify, and enrol who comes under an id for the first time; `re_register`
        replaces the templates of who is known.

        Somebody who is there under another id is reported, and stored with `force`
        alone. Raises InvalidNameError and what `identify` and `enroll` raise, except
        DuplicatePersonError.
        """
        validate_person_id(person_id)
        probe = self._analyser.analyse(path, filename)
        registered = False
        duplicate = None
        known = self.store.find_person(person_id)
        if re_register or known is None or not any(known.templates.values()):
            registered, duplicate = timed(
                probe.timings_ms,
                "store",
                lambda: self._register(person_id, known, probe, re_register, force),
            )
        answer = self._identify(probe)
        self._note_answer(
            "first_sight",
            "registered" if registered else "duplicate" if duplicate else str(answer.fused.outcome),
            answer,
            request_id,
            {"people": answer.people},
        )
        return FirstSightResult(person_id, answer, registered, duplicate)

    # ---- the gallery
    def map_with(
        self,
        path: Path,
        modality: Modality,
        method: str,
        search: str,
        limit: int,
        *,
        filename: str | None = None,
    ) -> GalleryMap:
        """The map of the gallery (`overview.map_of`) with the clip at `path` in it.
        Nothing is stored. Raises NoBiometricError for a clip without this modality, and
        what `identify` and `overview.map_of` raise.
        """
        probe = self._analyser.analyse(path, filename)
        if modality not in probe.vectors:
            raise NoBiometricError(
                f"The clip has no place in this map. {'. '.join(probe.missing.values())}."
            )
        return self.overview.map_of(modality, method, search, limit, probe.vectors[modality])

    def pair_threshold(self, modality: Modality) -> float:
        """The score above which two clips count as one person's when they are verified,
        for an average clip.
        """
        return self._calibrations[modality].typical_cosine(self._settings.fpir)

    def stale_templates(self) -> tuple[StaleTemplates, ...]:
        """Templates of other encoders than those in use, by modality; empty when all
        can be compared.
        """
        return self._index.snapshot().stale

    def close(self) -> None:
        """Close the database."""
        self.store.close()

    # ---- the steps
    def _identify(self, probe: ClipProbe, beyond: float = 0.0) -> Identification:
        snapshot, decisions, _ = timed(
            probe.timings_ms, "search", lambda: self._decide(probe, beyond)
        )
        if not snapshot.people and snapshot.stale:
            raise mismatch(snapshot.stale)
        capture = probe.capture
        return Identification(
            decisions[Modality.FUSED],
            decisions[Modality.FACE],
            decisions[Modality.VOICE],
            capture.face_analysis.quality,
            capture.speech_analysis.quality,
            capture.face_analysis.people_in_view,
            (*capture.hints, *_stale_hints(snapshot.stale)),
            snapshot.people,
            self._settings.fpir,
            self.encoder_ids,
            probe.timings_with_total(),
            self.scale_ids,
        )

    def _decide(self, probe: ClipProbe, beyond: float = 0.0) -> tuple[Snapshot, Decisions, Rule]:
        snapshot = self._index.near(probe.vectors)
        rule = Rule(self._settings.fpir, snapshot.people, self._calibrations, beyond)
        search = Search(snapshot, probe.vectors, rule.calibrations, probe.speech_s)
        ranked = {m: search.rank(m) for m in probe.vectors}
        found = {m: decision.decide(ranked[m], m, rule) for m in probe.vectors}
        single = {m: found.get(m) or decision.no_probe(probe.missing[m]) for m in SINGLE}
        other = {
            m: llr
            for m, rest in (SINGLE, SINGLE[::-1])
            if single[m].match is not None
            and (llr := search.llr_of(ranked[m][0].person, rest)) is not None
        }
        fused = decision.decide_fused(
            found.get(Modality.FUSED), single[Modality.FACE], single[Modality.VOICE], rule, other
        )
        return snapshot, {**single, Modality.FUSED: fused}, rule

    def _enroll(
        self,
        person: str | NewPerson,
        person_id: str,
        probes: Sequence[ClipProbe],
        replace: bool,
        force: bool,
        may: Guard,
    ) -> tuple[Stored, Duplicate | None]:
        """The check for duplicates runs while no other writer can add the same person
        under yet another id.
        """
        found: list[Duplicate] = []
        self._index.snapshot()  # what takes long is read before the write lock is held

        def guard() -> None:
            may()
            for probe in probes:
                _, found_by, rule = self._decide(probe)
                other = decision.duplicate_of(
                    found_by[Modality.FUSED],
                    found_by[Modality.FACE],
                    found_by[Modality.VOICE],
                    person_id,
                    rule,
                )
                if other is not None:
                    found.append(other)
                if other is not None and not force:
                    raise _duplicate_error(person_id, *other)

        try:
            stored = self.store.enroll(
                person,
                [t for probe in probes for t in probe.templates],
                replace=replace,
                guard=guard,
            )
        except DuplicatePersonError:
            self._note("enroll", "duplicate_refused", found[0][0])
            raise
        return stored, found[0] if found else None

    def _register(
        self, person_id: str, known: Person | None, probe: ClipProbe, again: bool, force: bool
    ) -> tuple[bool, Match | None]:
        """Whether the clip was stored, and who it is if that is somebody else."""

        def guard() -> None:
            if (
                not again
                and (now := self.store.find_person(person_id)) is not None
                and any(now.templates.values())
            ):
                raise PersonExistsError(f"The person_id must be new. Received: {person_id!r}")

        try:
            new = NewPerson(person_id) if known is None else person_id
            _, other = self._enroll(new, person_id, [probe], known is not None, force, guard)
        except DuplicatePersonError as error:
            d = error.details
            return False, Match(d["person_id"], d["name"], d["score"], d["probability"])
        except PersonNotFoundError:  # deleted since `known` was read
            return self._register(person_id, None, probe, again, force)
        except PersonExistsError:  # another request was first
            return (
                self._register(person_id, self.store.get_person(person_id), probe, again, force)
                if again
                else (False, None)
            )
        return True, other and other[0]

    def _person_vectors(self, person_id: str) -> dict[Modality, Float32Array]:
        """What stands for the person, by modality (size,), the fused one too."""
        stored = self.store.vectors_of(person_id, {m: self.encoder_ids[m] for m in SINGLE})
        return {m: vectors[0] for m, (_, vectors) in represent(stored, self._analyser.fuse).items()}

    def _verify(
        self,
        probe: ClipProbe,
        reference: Mapping[Modality, Float32Array],
        lacking: str,
        reference_s: float | None = None,
    ) -> VerifyResult:
        fmr = self._settings.fpir
        capture = probe.capture
        answers: dict[Modality, Verification] = {}
        beyond: dict[Modality, bool] = {}
        for m in (*SINGLE, Modality.FUSED):
            by = _shared(m, probe.vectors, reference)
            calibration = self._calibrations[by or m]
            compared = (
                None
                if by is None
                else compare(
                    probe.vectors[by], reference[by], calibration, probe.speech_s, reference_s
                )
            )
            answers[m], beyond[m] = decision.verify(compared, calibration, fmr)
        by = decision.verify_fused(
            answers[Modality.FUSED], answers[Modality.FACE], answers[Modality.VOICE]
        )
        answers[Modality.FUSED] = answers[by]
        beyond[Modality.FUSED] = beyond[by]
        hints = [
            Hint("not_comparable", lacking.format(m) + ".")
            for m in probe.embeddings
            if m not in reference
        ]
        return VerifyResult(
            answers[Modality.FUSED],
            answers[Modality.FACE],
            answers[Modality.VOICE],
            (*capture.hints, *hints),
            fmr,
            capture.face_analysis.quality,
            capture.speech_analysis.quality,
            capture.face_analysis.people_in_view,
            self.encoder_ids,
            probe.timings_with_total(),
            tuple(m for m in answers if beyond[m]),
            (capture,),
        )

    def _unlike_earlier(self, person_id: str, probe: ClipProbe) -> list[Hint]:
        """A warning when the clip is more likely of somebody else than of the person
        that it is enrolled for.
        """
        earlier = self._person_vectors(person_id)
        by = _shared(Modality.FUSED, probe.vectors, earlier)
        if by is None:
            return []
        calibration = self._calibrations[by]
        if (
            calibration.llr(
                compare(probe.vectors[by], earlier[by], calibration, probe.speech_s).strength
            )
            >= 0
        ):
            return []
        return [
            Hint(
                "unlike_earlier",
                "This clip is unlike what is stored for this person: check that it is the right"
                " one.",
            )
        ]

    def _note_answer(
        self,
        action: str,
        outcome: str,
        answer: Identification,
        request_id: str | None,
        detail: Mapping[str, str | int],
    ) -> None:
        self._noted(
            action,
            outcome,
            lambda: self.store.record_answer(action, outcome, answer, detail, request_id),
        )

    def _note(
        self,
        action: str,
        outcome: str,
        match: Match | None,
        detail: Mapping[str, str | int] | None = None,
        person_id: str | None = None,
    ) -> None:
        self._noted(
            action,
            outcome,
            lambda: self.store.record(
                action, outcome, match.person_id if match else person_id, detail
            ),
        )

    def _noted(self, action: str, outcome: str, write: Callable[[], None]) -> None:
        """Write to the audit. A store that takes no writes does not keep people from
        being recognised.
        """
        try:
            write()
        except (StoreUnavailableError, StorageFullError) as error:
            log.error("the audit missed %s %s: %s", action, outcome, error.code)


def _shared(
    modality: Modality,
    probe: Mapping[Modality, Float32Array],
    reference: Mapping[Modality, Float32Array],
) -> Modality | None:
    """By which modality two sides are compared: the one asked for; for FUSED without
    both modalities on both sides, the one they share.
    """
    if modality in probe and modality in reference:
        return modality
    both = [m for m in SINGLE if m in probe and m in reference]
    return both[0] if modality == Modality.FUSED and both else None


def _stale_hints(found: tuple[StaleTemplates, ...]) -> list[Hint]:
    return [
        Hint(
            "stale_templates",
            f"Not compared, as another model made them: {s.templates} {s.modality} template(s) of"
            f" {s.people} of the people. Enrol these people again.",
        )
        for s in found
    ]


def _duplicate_error(person_id: str, match: Match, modality: Modality) -> DuplicatePersonError:
    by = "face and voice" if modality == Modality.FUSED else str(modality)
    return DuplicatePersonError(
        f"A person is enrolled under one person_id. Received: person_id={person_id!r}, but by {by}"
        f" the clip is {match.person_id!r} ({match.name}), with a probability of"
        f" {match.probability:.3f}",
        None,
        {
            "person_id": match.person_id,
            "name": match.name,
            "score": match.score,
            "probability": match.probability,
            "modality": str(modality),
        },
    )
