"""People of a plan to enrol many, and the files of the job that does it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gallery.names import MAX_ID
from gallery.records.jobs import NewItem
from jobs.clips import MAX_NAME
from utils.errors import DuetError

_DIGEST = 8


@dataclass(frozen=True)
class PlannedFile:
    """A file of a person, why it is refused, and its path as the disk writes it."""

    name: str
    refused: DuetError | None = None
    path: str = ""


@dataclass(frozen=True)
class PlannedPerson:
    """A person of a plan.

    Attributes:
        person_id: empty where none can be made.
        row: of the table; None without one.
        exists: whether the gallery has the person.
        facts: name, note, consent and retention_days, if the person is new.
        refused: why nothing of the person is enrolled.
    """

    person_id: str
    name: str
    row: int | None = None
    exists: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[PlannedFile, ...] = ()
    refused: DuetError | None = None

    @property
    def is_enrolled(self) -> bool:
        """Whether a file of the person is enrolled."""
        return self.refused is None and any(file.refused is None for file in self.files)

    @property
    def refusals(self) -> list[DuetError]:
        """Why the person, or some of the files, are refused."""
        if self.refused:
            return [self.refused]
        return [file.refused for file in self.files if file.refused]


@dataclass(frozen=True)
class Plan:
    """What would be enrolled. `unused` are files that are of nobody and no clips."""

    people: tuple[PlannedPerson, ...]
    unused: tuple[str, ...]
    encoding: str | None = None

    @property
    def files(self) -> int:
        """Number of files that would be enrolled."""
        return sum(item.refused is None for item in self.items())

    def count_refusals(self) -> Counter[str]:
        """Count what is refused, by code."""
        counts = Counter[str]()
        for person in self.people:
            counts.update(error.code for error in person.refusals)
        return counts

    def items(self, *, awaited: bool = True) -> list[NewItem]:
        """The files of a job that does it. `awaited`: they are sent afterwards."""
        items: list[NewItem] = []
        for person in self.people:
            items += [_item(person, file, awaited=awaited) for file in files_of(person)]
        return items


def files_of(person: PlannedPerson) -> tuple[PlannedFile, ...]:
    """List the files of a person. Where none is named, the number of the row stands for one."""
    return person.files or (PlannedFile(f"#{person.row}", person.refused),)


def key_of_item(person: PlannedPerson, file: PlannedFile) -> tuple[str | None, str]:
    """Person id and name of the item of a file, as the database has room for them."""
    return _shorten(person.person_id) or None, file.name[-MAX_NAME:]


def _shorten(person_id: str) -> str:
    """Cut what is too long for an id, so that no two become one, nor that of a person."""
    if len(person_id) <= MAX_ID:
        return person_id
    digest = hashlib.sha256(person_id.encode(errors="replace")).hexdigest()[:_DIGEST]
    return f"{person_id[: MAX_ID - _DIGEST - 1]}~{digest}"


def _item(person: PlannedPerson, file: PlannedFile, *, awaited: bool) -> NewItem:
    refused = person.refused or file.refused
    person_id, name = key_of_item(person, file)
    return NewItem(
        name=name,
        media="" if awaited or refused else file.path,
        person_id=person_id,
        uploaded=awaited,
        awaited=awaited and refused is None,
        facts=person.facts,
        refused=refused,
    )
