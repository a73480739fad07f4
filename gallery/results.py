"""What the gallery answers with. No vector is in any of these values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from utils.modality import Modality

MAX_PAGE = 1000
"""Most entries in one page of any list."""


class Role(StrEnum):
    """What the holder of an API key may do: `web/guard/roles.py` lists the routes."""

    ADMIN = "admin"
    OPERATOR = "operator"
    KIOSK = "kiosk"
    AUDITOR = "auditor"


class Kind(StrEnum):
    """Whom the list holds."""

    ALL = "all"
    NO_FACE = "no_face"
    NO_VOICE = "no_voice"
    POOR_QUALITY = "poor_quality"
    NEVER_SEEN = "never_seen"
    ENDING = "ending"
    DUPLICATE = "duplicate"
    MIXED = "mixed"


SUSPECTS = (Kind.DUPLICATE, Kind.MIXED)
"""Kinds that a comparison of templates finds (`recognition.suspects`)."""


class Order(StrEnum):
    """What the list is sorted by. The id decides among equals."""

    ID = "person_id"
    NAME = "name"
    CREATED = "created_at"
    LAST_SEEN = "last_seen_at"
    EXPIRES = "expires_at"


@dataclass(frozen=True)
class Person:
    """A person of the gallery.

    Attributes:
        templates: number of stored templates by modality.
        consent: what the person agreed to, in the operator's words.
        retention_days: days from the enrolment until the person is deleted; None =
            never.
        enrolled_at: time of the first template.
        last_seen_at: time of the last identification that accepted the person.
        quality: mean quality of the templates by modality, in [0, 1].
        has_picture: whether a thumbnail is stored.
    """

    person_id: str
    name: str
    created_at: datetime
    note: str = ""
    templates: dict[str, int] = field(default_factory=dict)
    consent: str = ""
    retention_days: int | None = None
    enrolled_at: datetime | None = None
    last_seen_at: datetime | None = None
    quality: dict[str, float] = field(default_factory=dict)
    has_picture: bool = False

    @property
    def expires_at(self) -> datetime | None:
        """Time at which the person is deleted (None = never).

        Retention starts with the enrolment. For a person without templates it starts
        with the creation.
        """
        if self.retention_days is None:
            return None
        return (self.enrolled_at or self.created_at) + timedelta(days=self.retention_days)


@dataclass(frozen=True)
class TemplateInfo:
    """A stored template without its vector.

    `quality` is in [0, 1]. `source_sha256` is the hash of the media file.
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
    """Part of the list of people, and how many people match the search in total."""

    people: tuple[Person, ...]
    total: int
    offset: int
    limit: int


@dataclass(frozen=True)
class SpokenTurn:
    """A turn of a recording that is to be kept.

    Attributes:
        start_s, end_s: from the start of the recording, in seconds.
        text: what is said.
        words: the words with their times, as JSON values.
        person_id: who speaks; None = nobody of the gallery.
        speaker: what somebody else is called, such as "unknown 1".
        outcome: how the speaker was found.
        decided_by: what names the speaker: voice, face or both; None = nobody is named, or it is
            of an earlier release.
    """

    start_s: float
    end_s: float
    text: str
    words: tuple[dict[str, Any], ...] = ()
    person_id: str | None = None
    speaker: str = ""
    outcome: str = "unknown"
    decided_by: str | None = None


@dataclass(frozen=True)
class NewTranscript:
    """A transcript that is to be kept. `title` is the name of the file."""

    title: str
    language: str
    duration_s: float
    turns: tuple[SpokenTurn, ...]


@dataclass(frozen=True)
class KeptTurn(SpokenTurn):
    """A turn as it is kept. `speaker` is the present name of the person.

    Of a person who was deleted it has the times alone, and the outcome "deleted".
    """


@dataclass(frozen=True)
class KeptTranscript:
    """A kept transcript. In a list it comes without its turns."""

    transcript_id: str
    created_at: datetime
    title: str
    language: str
    duration_s: float
    turns: tuple[KeptTurn, ...] = ()


@dataclass(frozen=True)
class TranscriptPage:
    """Part of the list of kept transcripts, and how many there are in total."""

    transcripts: tuple[KeptTranscript, ...]
    total: int


ACTIONS = (
    "add_to_group",
    "backup",
    "clock",
    "copy_gallery",
    "correct_visit",
    "create_group",
    "create_key",
    "create_person",
    "delete_group",
    "delete_person",
    "delete_stranger",
    "delete_template",
    "delete_transcript",
    "enroll",
    "evaluate",
    "export_person",
    "feedback",
    "first_sight",
    "forget_expired",
    "hide_stranger",
    "identify",
    "identify_speaker",
    "keep_transcript",
    "live",
    "mark_distinct",
    "merge_people",
    "move_template",
    "read_transcript",
    "reembed",
    "refuse",
    "restore",
    "revoke_key",
    "rotate_encryption",
    "start",
    "stop",
    "take_from_group",
    "transcribe",
    "trust_clock",
    "update_person",
    "verify",
    "verify_clips",
)
"""What a row of the audit may be about, in order. A test compares them with the code."""


@dataclass(frozen=True)
class Event:
    """A row of the audit: `actor` did `action`, with `outcome`.

    `person_key` is the internal number of the person concerned. Id and name are not in
    it, so that nothing here says who it was after a deletion.
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
    """Templates of another encoder than the one in use, which are never compared.

    Counts the templates, and the people who have them.
    """

    modality: Modality
    templates: int
    people: int
