"""What the recognizer answers with, beyond the types that all layers share. No vector
is in any of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from utils.modality import Modality

# Rows that one answer lists at most: people, events of the audit, files of a job.
MAX_PAGE = 1000


@dataclass(frozen=True)
class Person:
    """A row of the gallery: `templates` counts the stored templates by modality.
    `consent` = what the person agreed to, in the operator's words; `enrolled_at` = of
    the first template; `last_seen_at` = of the last identification that accepted the
    person; `quality` = mean of the templates' by modality, in [0, 1]; `has_picture`: a
    thumbnail is kept.
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
        """When the person is to be forgotten: `retention_days` after the enrolment (of
        who never was: the creation); None = never.
        """
        return (
            None
            if self.retention_days is None
            else (self.enrolled_at or self.created_at) + timedelta(days=self.retention_days)
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
