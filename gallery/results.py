"""What the recognizer answers with, beyond the types that all layers share. No vector
is in any of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from utils.types import (
    Capture,
    FaceQuality,
    Hint,
    Identification,
    Match,
    Modality,
    Person,
    SpeechQuality,
    Verification,
)


@dataclass(frozen=True)
class TemplateInfo:
    """A stored template without its vector; `quality` in [0, 1]; `source_sha256` is the
    hash of the media file.
    """

    template_id: str
    person_id: str
    modality: Modality
    quality: float
    encoder_id: str
    source_sha256: str
    created_at: datetime


@dataclass(frozen=True)
class PeoplePage:
    """Part of the list of people, and how many there are in all that fit the search."""

    people: tuple[Person, ...]
    total: int
    offset: int
    limit: int


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


@dataclass(frozen=True)
class Event:
    """A row of the audit: `actor` did `action` to the person of the internal number
    `person_key`, with `outcome`.

    The person's id and name are not in it: after a deletion nothing here says who it
    was.
    """

    event_id: int
    at: datetime
    actor: str
    action: str
    person_key: int | None
    outcome: str
    detail: dict[str, object] = field(default_factory=dict)
    hash: str = ""


@dataclass(frozen=True)
class StaleTemplates:
    """Templates of an earlier encoder, which are never compared: how many, of how many
    people.
    """

    modality: Modality
    templates: int
    people: int
