"""Results of recognition: decisions, verifications, identifications, enrolments."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gallery.results import Person, TemplateInfo
from utils.media import Capture, FaceQuality, Hint, SpeechQuality
from utils.modality import Modality


class Outcome(StrEnum):
    """The answer of an open-set identification for one modality."""

    ACCEPTED = "accepted"
    UNKNOWN = "unknown"
    NO_PROBE = "no_probe"
    CONFLICT = "conflict"


@dataclass(frozen=True)
class Match:
    """A person of the gallery that a probe was compared with. `score` = cosine;
    `probability` = calibrated, at even prior odds; `strength` = what calibrations are
    fitted on (scoring/calibration.py), None where only the answer is known.
    """

    person_id: str
    name: str
    score: float
    probability: float
    strength: float | None = None


@dataclass(frozen=True)
class Decision:
    """Open-set answer for one modality. `margin` = score − threshold of the best match;
    None where nothing was compared. `match` and `runner_up` are None unless the outcome
    is accepted: a stranger is not given the nearest name. `modality` says which score
    and threshold these are (a fused answer may rest on one modality); `extrapolated`:
    the threshold lies beyond the measured errors; `evidence`: the natural
    log-likelihood ratio of the best match less that of the threshold.
    """

    outcome: Outcome
    match: Match | None
    runner_up: Match | None
    threshold: float | None
    margin: float | None
    reason: str
    modality: Modality | None = None
    extrapolated: bool = False
    evidence: float | None = None


@dataclass(frozen=True)
class Verification:
    """1:1 answer for one modality: `outcome` is "same", "different" or "no_probe";
    without a probe the other fields are None.
    """

    outcome: str
    score: float | None
    threshold: float | None
    probability: float | None


@dataclass(frozen=True)
class Identification:
    """Who it is, by both modalities, by face alone and by voice alone, and everything
    that explains the answer. `scale_ids`: of the strengths (`Calibration.scale_id`), by
    modality.
    """

    fused: Decision
    face: Decision
    voice: Decision
    face_quality: FaceQuality | None
    speech_quality: SpeechQuality | None
    people_in_view: int
    hints: tuple[Hint, ...]
    people: int
    fpir: float
    encoder_ids: dict[str, str]
    timings_ms: dict[str, float]
    scale_ids: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EnrollResult:
    """What an enrolment stored. `duplicate` is set when the clip was accepted as
    another person and `force` let it pass.
    """

    person: Person
    templates: tuple[TemplateInfo, ...]
    hints: tuple[Hint, ...]
    duplicate: Match | None
    face_quality: FaceQuality | None
    speech_quality: SpeechQuality | None
    people_in_view: int
    encoder_ids: dict[str, str]
    timings_ms: dict[str, float]


@dataclass(frozen=True)
class VerifyResult:
    """1:1 answer by both modalities, by face and by voice; `fmr` is the false match
    rate that the thresholds aim at.

    The qualities are those of the probe. `extrapolated` names the modalities whose
    threshold lies beyond the measured errors. `captures`: what was compared, the probe
    first, then the reference where that is a clip.
    """

    fused: Verification
    face: Verification
    voice: Verification
    hints: tuple[Hint, ...]
    fmr: float
    face_quality: FaceQuality | None
    speech_quality: SpeechQuality | None
    people_in_view: int
    encoder_ids: dict[str, str]
    timings_ms: dict[str, float]
    extrapolated: tuple[Modality, ...] = ()
    captures: tuple[Capture, ...] = ()


@dataclass(frozen=True)
class FirstSightResult:
    """Identification that enrols whoever comes under an id for the first time.

    `registered`: templates of this clip were stored under `person_id`. `duplicate`: the
    clip is somebody who is there under another id, and so it was stored with `force`
    alone.
    """

    person_id: str
    identification: Identification
    registered: bool
    duplicate: Match | None
