"""What is asked of the recognizer: one value for each of its three questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gallery.store import NewPerson
from liveness.challenge import Challenge
from recognition.probe import Probe
from utils.media import Capture
from utils.modality import Modality

Guard = Callable[[], None]
"""Runs once no other writer can change the gallery, and may raise to stop an enrolment."""


EVALUATE = "evaluate"
"""Action of a question that counts for nothing: nobody was seen."""


Admit = Callable[[str], None]
"""Is told the outcome of an answer before it is noted, and may raise to withhold it."""


def admit_all(_outcome: str) -> None:
    """Withhold no answer."""


def allow() -> None:
    """Guard that stops nothing."""


@dataclass(frozen=True)
class ClipFile:
    """A media file.

    Attributes:
        path: where it lies.
        filename: the name that its sender gave it; None = its own.
        challenge: digits that it was asked to say; None = nothing was asked.
    """

    path: Path
    filename: str | None = None
    challenge: Challenge | None = None


Clip = ClipFile | Probe | Capture
"""A clip as a file, captured elsewhere, or already observed by `Recognizer.observe`."""


@dataclass(frozen=True)
class IdentificationRequest:
    """Who is in the clip?

    Attributes:
        modality: ask by this modality alone; None = by all that the clip has. Nobody is
            named where the other modality of the clip speaks against it.
        beyond: natural log-likelihood ratio asked for beyond the threshold; negative
            values ask for less.
        request_id: the answer is remembered under it, for feedback; None = it is not.
        action: name of the question in the audit.
        source: its name in the list of recent visitors ("" = the action).
        outcome: outcome in the audit; None = that of the fused decision.
        all_faces: identify everybody else in view too, by face.
        group: search the people of this group alone; None = everybody.
        detail: more for the row in the audit, which holds no names.
        admit: is told the fused outcome. Nothing is noted of an answer that it withholds.
    """

    clip: Clip
    modality: Modality | None = None
    beyond: float = 0.0
    request_id: str | None = None
    action: str = "identify"
    source: str = ""
    outcome: str | None = None
    all_faces: bool = False
    group: str | None = None
    detail: Mapping[str, str | int] = field(default_factory=dict)
    admit: Admit = admit_all


@dataclass(frozen=True)
class EnrolmentRequest:
    """Store what the clips show of one person, all of it or nothing.

    Attributes:
        person: id of a person who is there, or a new person. A new one is created
            together with the templates, unless somebody of that id is there already.
        modality: store this modality alone; None = all that the clips have.
        replace: first remove the templates that are stored of the person.
        force: store even if the clip is somebody else of the gallery, if it is not of one
            person, or if it is of poor quality.
        guard: runs before anything is stored, and may raise to stop it.
    """

    person: str | NewPerson
    clips: tuple[Clip, ...]
    modality: Modality | None = None
    replace: bool = False
    force: bool = False
    guard: Guard = allow

    @property
    def person_id(self) -> str:
        """Id of the person."""
        return self.person if isinstance(self.person, str) else self.person.person_id


@dataclass(frozen=True)
class StrangerEnrolment:
    """Enrol a stranger as a new person, or for a person who is there, by id.

    `consent` is stored where none is yet. `force` as of `EnrolmentRequest`.
    """

    stranger_id: str
    person: str | NewPerson
    consent: str = ""
    force: bool = False


@dataclass(frozen=True)
class VerificationRequest:
    """Is the clip of this person, or of the person in the other clip?

    `reference` is a person id or a clip, `admit` as of `IdentificationRequest`.
    """

    clip: Clip
    reference: str | Clip
    admit: Admit = admit_all
