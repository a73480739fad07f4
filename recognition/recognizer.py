"""The recognition pipeline: decode, align, embed, search, decide or enrol.

`Recognizer` answers three questions: who is it (`identify`), store who it is (`enroll`),
is it this person (`verify`). Web, command line and batch jobs all ask it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from gallery.overview.overview import Overview
from gallery.ports import Aligner, Encoders
from gallery.results import StaleTemplates
from gallery.search.choose import open_index
from gallery.search.groups import GroupSearch
from gallery.store import NewPerson, Store, mismatch
from recognition.analysis import WAIT_S, Analyser
from recognition.decision import reject
from recognition.duplicates import DuplicateSearch
from recognition.enrolment import Enroller
from recognition.identifier import Identifier
from recognition.journal import Journal
from recognition.one_person import OnePerson
from recognition.probe import Probe
from recognition.requests import (
    Clip,
    EnrolmentRequest,
    IdentificationRequest,
    StrangerEnrolment,
    VerificationRequest,
)
from recognition.results import (
    ALREADY_ENROLLED,
    Enrolment,
    Identification,
    OtherPerson,
    Verification,
    list_duplicates,
)
from recognition.strangers import Strangers, restore_probe
from recognition.suspects import SuspectSearch
from recognition.verifier import Verifier
from recognition.voices import Voices
from scoring.remembering import with_memory
from utils.clock import timed
from utils.config import Settings
from utils.errors import BusyError, NoBiometricError, PersonExistsError
from utils.media import Capture, Hint
from utils.modality import SINGLE, Modality, PerModality

# How often a clip is decided on where somebody whom the answer names is deleted meanwhile
_DECISIONS = 3


class Recognizer:
    """Answers questions about clips. Shared by all requests and threads.

    Create it after a fork, never before.

    Attributes:
        store: the gallery that is searched.
        encoder_ids: encoders in use.
        scale_ids: scales of the strengths (`Calibration.scale_id`).
        voices: the voices of recordings.
        overview: pictures of the gallery, drawn with these encoders.
        duplicates: lists entries that look like one person.
        strangers: finds who of those that nobody knows comes again.
        suspects: finds people who are enrolled twice, or mixed of two.
    """

    def __init__(
        self,
        aligner: Aligner,
        encoders: Encoders,
        store: Store,
        settings: Settings,
        *,
        wait_s: float = WAIT_S,
    ) -> None:
        self.store = store
        self._settings = settings
        self._calibrations = PerModality(
            fused=encoders.fusion.calibration,
            face=encoders.face.calibration,
            voice=encoders.voice.calibration,
        )
        self._analyser = Analyser(aligner, encoders, settings, wait_s)
        self.encoder_ids = self._analyser.encoder_ids
        self.scale_ids = self._calibrations.map(lambda calibration: calibration.scale_id)
        self._journal = Journal(store)
        index = open_index(store, encoders)
        self._identifier = Identifier(
            index,
            GroupSearch(store, encoders),
            with_memory(self._calibrations),
            settings.decision,
        )
        self._verifier = Verifier(store, self._analyser, self._calibrations, settings.decision)
        singles = {m: self.encoder_ids[m] for m in SINGLE}
        self.overview = Overview(store, singles, self._analyser.fuse)
        self.voices = Voices(store, encoders, self._identifier, self._journal)
        self.suspects = SuspectSearch(store, index, singles, self._calibrations)
        self.duplicates = DuplicateSearch(store, self.suspects)
        one_person = OnePerson(
            self._analyser, self._verifier, least_quality=settings.capture.min_enroll_quality
        )
        self._enroller = Enroller(store, self._identifier, one_person, self._journal)
        self.strangers = Strangers(
            store,
            encoders,
            one_person=one_person,
            calibrations=self._calibrations,
            settings=settings,
        )

    def observe(self, clip: Clip, modality: Modality | None = None, *, whole: bool = True) -> Probe:
        """Align and embed a clip, for several questions about it.

        Unless the `whole` of it is asked for, a fast answer sees less of it.

        Raises MediaError, BusyError, and NoBiometricError for a clip without what is
        needed: `modality`, or else a face or speech. With a challenge, it raises what
        listening raises.
        """
        if isinstance(clip, Probe):
            probe = clip
        elif isinstance(clip, Capture):
            probe = self._analyser.embed(clip)
        else:
            probe = self._analyser.analyse(
                clip.path, clip.filename, challenge=clip.challenge, whole=whole
            )
        return probe if modality is None else probe.only(modality)

    def identify(self, request: IdentificationRequest) -> Identification:
        """Say who is in a clip.

        Raises what `observe` raises, GroupNotFoundError, EncoderMismatchError,
        StoreUnavailableError, and BusyError where somebody was deleted amid each of
        `_DECISIONS` answers.
        """
        if request.group is not None:
            self.store.get_group(request.group)  # before the clip is read
        keeps_strangers = bool(self.store.stranger_days)
        whole = self.observe(request.clip, whole=request.all_faces or keeps_strangers)
        for _ in range(_DECISIONS - 1):
            identification, stranger = self._decide(request, whole)
            with suppress(BusyError):
                self._journal.note_identification(request, identification, stranger)
                return identification
        identification, stranger = self._decide(request, whole)
        self._journal.note_identification(request, identification, stranger)
        return identification

    def _decide(
        self, request: IdentificationRequest, whole: Probe
    ) -> tuple[Identification, int | None]:
        """Decide who is in the `whole` clip, and which stranger it is kept for."""
        probe = whole if request.modality is None else whole.only(request.modality)
        with timed(probe.timings_ms, "search"):
            if request.modality is None:
                answer = self._identifier.decide(probe, request.beyond, request.group)
            else:
                answer = self._identifier.decide_alone(
                    whole, request.modality, request.beyond, request.group
                )
        snapshot = answer.snapshot
        if not snapshot.people and snapshot.stale:
            raise mismatch(snapshot.stale)
        decisions = reject(answer.decisions, probe.refusal)
        request.admit(str(decisions.fused.outcome))
        duplicates = list_duplicates(decisions)
        ask_others = request.all_faces and probe.refusal is None
        hints = (*_stale_hints(snapshot.stale), *_duplicate_hints(duplicates))
        identification = Identification(
            decisions=decisions,
            observation=probe.observation(*hints),
            people=snapshot.people,
            fpir=self._settings.decision.fpir,
            scale_ids=self.scale_ids,
            others=tuple(self._look_at_others(probe, request.group, decide=ask_others)),
            duplicates=duplicates,
        )
        return identification, self.strangers.keep(probe, request, identification)

    def enroll(self, request: EnrolmentRequest) -> Enrolment:
        """Store what clips show of a person as templates.

        Raises PersonNotFoundError, DuplicatePersonError (`details`: person_id, name,
        score, probability, modality), ClipRefusedError, InvalidNameError, EncoderMismatchError,
        StorageFullError, StoreUnavailableError, and what `observe` and the guard raise.
        """
        self._check_person(request.person)
        probes = [self.observe(clip, request.modality) for clip in request.clips]
        stored, duplicate, hints = self._enroller.store(request, probes)
        if stored.stored_before == len(stored.templates):
            hints = (*hints, ALREADY_ENROLLED)
        self.strangers.finish(probes, stored.person.person_id)
        *first, last = probes
        return Enrolment(
            person=stored.person,
            templates=stored.templates,
            stored_before=stored.stored_before,
            observations=(*(probe.observation() for probe in first), last.observation(*hints)),
            duplicate=duplicate,
        )

    def enroll_stranger(self, request: StrangerEnrolment) -> Enrolment:
        """Store the kept clips of a stranger as templates of a person who agreed to it.

        The rules are those of every enrolment. The stranger is deleted, and the visits
        are the person's from now on. Raises StrangerNotFoundError, PersonExistsError,
        PersonNotFoundError, and what `enroll` raises.
        """
        clips = self.store.read_stranger_clips(request.stranger_id)
        if not isinstance(request.person, str) and self.store.find_person(request.person.person_id):
            raise PersonExistsError(
                f"The person_id must be new. Received: {request.person.person_id!r}",
                "Leave the name out to enrol for the person who is there, or choose another id.",
            )
        probes = tuple(restore_probe(clip, self._analyser) for clip in clips)
        enrolment = self.enroll(
            EnrolmentRequest(person=request.person, clips=probes, force=request.force)
        )
        person = enrolment.person
        if request.consent and not person.consent:
            self.store.update_person(person.person_id, consent=request.consent)
        return replace(enrolment, person=self.store.get_person(person.person_id))

    def verify(self, request: VerificationRequest) -> Verification:
        """Say whether a clip is of a person, or of the person in another clip.

        Nothing is stored. Raises PersonNotFoundError, EncoderMismatchError,
        StoreUnavailableError, and what `observe` raises.
        """
        if isinstance(request.reference, str):
            # Whether the person exists is asked before the clip is read.
            templates = self.store.list_templates(request.reference)
            probe = self.observe(request.clip, whole=False)
            answer = self._verifier.verify_person(probe, request.reference, templates)
            return self._note(request, answer)
        probe = self.observe(request.clip, whole=False)
        answer = self._verifier.verify_clips(probe, self._observe_reference(request.reference))
        return self._note(request, answer)

    def _note(self, request: VerificationRequest, answer: Verification) -> Verification:
        """Note an answer, unless it is withheld."""
        request.admit(str(answer.verdicts.fused.outcome))
        is_person = isinstance(request.reference, str)
        self._journal.note_verification(answer, str(request.reference) if is_person else None)
        return answer

    def pair_threshold(self, modality: Modality) -> float:
        """Cosine above which two average clips are verified as one person's."""
        return self._calibrations[modality].typical_cosine(self._settings.decision.fpir)

    def close(self) -> None:
        """Close the database."""
        self.store.close()

    def _look_at_others(
        self, probe: Probe, group: str | None, *, decide: bool
    ) -> Iterator[OtherPerson]:
        """List everybody else in view, with who they are by face if `decide` says so."""
        for other in probe.capture.face_analysis.others:
            decision = None
            if decide:
                answer = self._identifier.decide(self._analyser.probe_of(other, probe), group=group)
                decision = answer.decisions.face
            yield OtherPerson(other.faces[0].detection.box_xyxy, decision)

    def _observe_reference(self, clip: Clip) -> Probe:
        try:
            return self.observe(clip, whole=False)
        except NoBiometricError as error:
            raise NoBiometricError(
                f"The reference: {error.message}", error.hint, error.details
            ) from None

    def _check_person(self, person: str | NewPerson) -> None:
        """Raise PersonNotFoundError where nobody has an id, before clips are read."""
        if isinstance(person, str):
            self.store.get_person(person)


def _duplicate_hints(ids: Sequence[str]) -> list[Hint]:
    if not ids:
        return []
    text = (
        f"Several entries look like one person: {', '.join(ids)}. Merge them, or say that they"
        " are two people."
    )
    return [Hint("duplicate_entries", text)]


def _stale_hints(stale: Sequence[StaleTemplates]) -> list[Hint]:
    return [
        Hint(
            "stale_templates",
            f"Not compared, as another model made them: {s.templates} {s.modality} template(s) of"
            f" {s.people} of the people. Enrol these people again.",
        )
        for s in stale
    ]
