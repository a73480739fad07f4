"""Answers of the recognizer: identifications, enrolments and verifications.

No embedding is in any of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from gallery.records.feed import PersonRef
from gallery.results import Person, TemplateInfo
from recognition.observation import Observation
from utils.arrays import Float32Array
from utils.media import Hint
from utils.modality import SINGLE, Modality, PerModality

ALREADY_ENROLLED = Hint(
    "already_enrolled",
    "This file was enrolled for this person before; nothing was added.",
)


class Outcome(StrEnum):
    """Outcome of an open-set identification by one modality."""

    ACCEPTED = "accepted"
    UNKNOWN = "unknown"
    NO_PROBE = "no_probe"
    CONFLICT = "conflict"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Match:
    """A person of the gallery that a probe was compared with.

    Attributes:
        score: cosine in [-1, 1].
        probability: calibrated, at even prior odds, in [0, 1].
        strength: what calibrations are fitted on (`scoring/calibration.py`); None where
            only the answer is known.
    """

    person_id: str
    name: str
    score: float
    probability: float
    strength: float | None = None


@dataclass(frozen=True)
class Decision:
    """Open-set decision by one modality.

    Attributes:
        match: the person named; None unless accepted, as a stranger is not given the
            nearest name. The same holds for `runner_up`.
        threshold: cosine to reach; None where nothing was compared.
        margin: score of the best person less the threshold.
        reason: the outcome in words.
        modality: whose score and threshold these are. A fused decision may rest on one
            modality.
        extrapolated: the threshold lies beyond the measured error rates.
        evidence: natural log-likelihood ratio of the best person less that of the
            threshold.
        entries: other entries of the gallery that look like the person named.
    """

    outcome: Outcome
    reason: str
    match: Match | None = None
    runner_up: Match | None = None
    threshold: float | None = None
    margin: float | None = None
    modality: Modality | None = None
    extrapolated: bool = False
    evidence: float | None = None
    entries: tuple[PersonRef, ...] = ()

    @property
    def named_ids(self) -> set[str]:
        """Ids of the person named, under all entries. Empty where nobody is."""
        if self.match is None:
            return set()
        return {self.match.person_id, *(ref.person_id for ref in self.entries)}


def list_duplicates(decisions: PerModality[Decision]) -> tuple[str, ...]:
    """List the ids of the entries that look like the person named, if there are several.

    The person is whom both together name, else the face, else the voice.
    """
    named = [decision.named_ids for decision in decisions.values() if decision.match]
    ids = set[str]()
    for one in named:
        ids |= one if one & named[0] else set()
    return tuple(sorted(ids)) if len(ids) > 1 else ()


@dataclass(frozen=True)
class OtherPerson:
    """Somebody else in view.

    `box_xyxy` (4,) is where the best of the faces is, in pixels of its frame. `decision`
    by face is None where it was not asked for.
    """

    box_xyxy: Float32Array
    decision: Decision | None = None


@dataclass(frozen=True)
class Identification:
    """Who is in a clip: a decision by both modalities, by face and by voice.

    Attributes:
        people: number of people in the gallery.
        fpir: false positive identification rate that the thresholds aim at.
        scale_ids: scales of the strengths (`Calibration.scale_id`).
        others: everybody else in view.
        duplicates: ids of the entries that look like the person named. Empty for one.
    """

    decisions: PerModality[Decision]
    observation: Observation
    people: int
    fpir: float
    scale_ids: PerModality[str]
    others: tuple[OtherPerson, ...] = ()
    duplicates: tuple[str, ...] = ()

    @property
    def unconfirmed_by(self) -> Modality | None:
        """The modality of the clip that does not confirm who is named by the other one."""
        fused = self.decisions.fused
        others = [m for m in SINGLE if m != fused.modality]
        if fused.match is None or len(others) != 1:
            return None
        is_there = self.decisions[others[0]].outcome is not Outcome.NO_PROBE
        return others[0] if is_there else None

    @property
    def named_ids(self) -> set[str]:
        """Ids of all people that the answer names."""
        ids = set[str]()
        theirs = [other.decision for other in self.others if other.decision]
        for decision in (*self.decisions.values(), *theirs):
            ids |= decision.named_ids
            ids |= {decision.runner_up.person_id} if decision.runner_up else set()
        return ids


@dataclass(frozen=True)
class Enrolment:
    """What an enrolment stored.

    Attributes:
        templates: the templates of the clips, also those that were stored before.
        stored_before: how many of them were.
        observations: what was seen and heard, one for each clip.
        duplicate: who else the clip was taken for when `force` let it pass.
    """

    person: Person
    templates: tuple[TemplateInfo, ...]
    stored_before: int
    observations: tuple[Observation, ...]
    duplicate: Match | None

    @property
    def additions(self) -> int:
        """How many templates the person got."""
        return len(self.templates) - self.stored_before

    @property
    def named_ids(self) -> set[str]:
        """Ids of all people that the answer names."""
        return {self.person.person_id} | ({self.duplicate.person_id} if self.duplicate else set())

    @property
    def hints(self) -> tuple[Hint, ...]:
        """Hints on all clips, in their order."""
        return tuple(chain.from_iterable(o.hints for o in self.observations))


@dataclass(frozen=True)
class Verdict:
    """1:1 decision by one modality.

    `outcome` is "same", "different" or "no_probe", and for both together "conflict" too,
    where face or voice speaks against the person. It is "rejected" where a check for
    liveness refuses the clip. Without a probe, and there, the score (a cosine),
    the threshold and the probability are None. `extrapolated`: the threshold lies beyond
    the measured error rates. `modality`: whose score and threshold these are.
    """

    outcome: str
    score: float | None = None
    threshold: float | None = None
    probability: float | None = None
    extrapolated: bool = False
    modality: Modality | None = None


@dataclass(frozen=True)
class Verification:
    """Whether two sides are one person: a verdict by both modalities, by face, by voice.

    Attributes:
        observation: the clip in question.
        reference: the clip that it was compared with; None for a person of the gallery.
        fmr: false match rate that the thresholds aim at.
    """

    verdicts: PerModality[Verdict]
    observation: Observation
    reference: Observation | None
    fmr: float
