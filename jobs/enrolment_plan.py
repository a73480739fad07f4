"""What enrolling many people at once would do: whom, from which files, and what is refused.

A plan is made from the names, sizes and first bytes of files, with a table of people or
without one. Nothing is stored, and no clip is read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain
from operator import attrgetter
from pathlib import PurePosixPath
from typing import Any
from unicodedata import category

from align.sniff import describe, sniff
from gallery.names import (
    display_name,
    make_person_id,
    read_clip_person,
    validate_name,
    validate_note,
    validate_person_id,
    validate_retention_days,
)
from jobs.clips import MAX_NAME, is_document
from jobs.enrolment_people import Plan, PlannedFile, PlannedPerson
from jobs.people_table import PeopleTable, Row, clean_path
from utils.errors import (
    DuetError,
    FileSharedError,
    InvalidRequestError,
    MediaEmptyError,
    MediaMissingError,
    MediaNotFoundError,
    MediaTooLargeError,
    MediaTypeError,
    PersonExistsError,
    RowConflictError,
)

MAX_LISTED = 20_000
"""Most files of one plan."""
NO_END = "none"


class Existing(StrEnum):
    """What becomes of people who are in the gallery already."""

    REFUSE = "refuse"
    ADD = "add"
    REPLACE = "replace"


@dataclass(frozen=True)
class ListedFile:
    """A file that may be enrolled.

    `name` is its path below what was chosen. `head` holds its first bytes, 512 or fewer;
    None = they are not known. `path` is its path as the disk writes it ("" = as `name`).
    """

    name: str
    size_bytes: int
    head: bytes | None = None
    path: str = ""


@dataclass(frozen=True)
class Rules:
    """What holds for all people of a plan.

    `consent` and `retention_days` (None = no end) are of those whose row says nothing.
    `by_name`: without folders, the names of files say whom they are of.
    """

    most_bytes: int
    existing: Existing = Existing.REFUSE
    consent: str = ""
    retention_days: int | None = None
    by_name: bool = True


def plan_enrolment(
    files: Sequence[ListedFile], table: PeopleTable | None, people: Collection[str], rules: Rules
) -> Plan:
    """Plan the enrolment of files. `people` are the ids in the gallery.

    Without a table the first folder of a file names the person. Where no file lies in a
    folder, the names of the files do (`gallery.names.read_clip_person`). Raises
    InvalidRequestError.
    """
    count = max(len(files), sum(len(row.files) for row in table.rows) if table else 0)
    if count > MAX_LISTED:
        raise InvalidRequestError(
            f"At most {MAX_LISTED:,} files are enrolled at once. Received: {count:,}",
            "Do it in several parts.",
        )
    listed = {file.name: file for file in map(_clean, files)}
    if table is not None:
        drafts = people_of_rows(table.rows)
    else:
        names = sorted(filter(_may_be_clip, listed))
        needs_folders = not rules.by_name or any("/" in name for name in names)
        drafts = _people_of_names(names, needs_folders=needs_folders)
    checked = tuple(_check_people(drafts, people, rules))
    planned = tuple(_check_files(checked, listed, rules))
    used = {file.name for file in chain.from_iterable(map(attrgetter("files"), planned))}
    unused = tuple(sorted(listed.keys() - used))
    return Plan(planned, unused, table.encoding if table else None)


def _may_be_clip(name: str) -> bool:
    """Whether a file is neither hidden nor one that systems and people put beside clips."""
    path = PurePosixPath(name)
    is_hidden = any(part.startswith(".") and part != ".." for part in path.parts)
    return not is_hidden and not is_document(path)


def _clean(file: ListedFile) -> ListedFile:
    """Write the name of a file in one way. What cannot be shown in it is replaced."""
    try:
        name = clean_path(file.name)
    except DuetError:
        name = file.name
    shown = "".join(c if c.isprintable() or category(c) == "Zs" else "\ufffd" for c in name)
    return replace(file, name=shown, path=file.path or file.name)


def people_of_rows(rows: Iterable[Row]) -> Iterator[PlannedPerson]:
    """Yield the people of a table. Rows that agree on a person are joined."""
    people: dict[str, PlannedPerson] = {}
    for row in rows:
        person = _person_of_row(row)
        key = person.person_id.casefold() or f"\n{row.number}"
        earlier = people.get(key)
        if earlier is None:
            people[key] = person
        elif _agree(earlier, person):
            people[key] = replace(earlier, files=(*earlier.files, *person.files))
        else:
            conflict = RowConflictError(
                f"Rows {earlier.row} and {row.number} are of one person, and differ in more than"
                " their files.",
                details={"rows": [earlier.row, row.number]},
            )
            people[key] = replace(earlier, refused=earlier.refused or conflict)
            people[f"{key}\n{row.number}"] = replace(person, refused=person.refused or conflict)
    yield from people.values()


def _agree(one: PlannedPerson, other: PlannedPerson) -> bool:
    """Whether two rows say the same of one person. A row may leave facts to the first."""
    if one.person_id != other.person_id or one.refused or other.refused:
        return False
    return all(one.facts.get(name) == value for name, value in other.facts.items())


def _person_of_row(row: Row) -> PlannedPerson:
    person = PlannedPerson(
        person_id=row.person_id,
        name=row.name or row.person_id,
        row=row.number,
        files=tuple(map(PlannedFile, row.files)),
        refused=row.fault,
    )
    if row.fault:
        return person
    try:
        person_id = row.person_id or make_person_id(row.name)
        return replace(person, person_id=validate_person_id(person_id), facts=_facts_of_row(row))
    except DuetError as error:
        return replace(person, refused=error)


def _facts_of_row(row: Row) -> dict[str, Any]:
    """Check what a row says of a person, and leave out what it does not.

    Raises InvalidNameError, InvalidRequestError.
    """
    facts: dict[str, Any] = {}
    if row.name:
        facts["name"] = validate_name(row.name)
    if row.note:
        facts["note"] = validate_note(row.note)
    if row.consent:
        facts["consent"] = validate_note(row.consent, "A consent")
    if row.retention_days:
        facts["retention_days"] = _read_days(row.retention_days)
    return facts


def _read_days(text: str) -> int | None:
    """Read a number of days, or `none`. Raises InvalidRequestError."""
    if text.casefold() == NO_END:
        return None
    is_number = text.isascii() and text.isdigit() and len(text) < 10
    if not is_number:
        raise InvalidRequestError(
            f"retention_days is a whole number, or {NO_END} for no end. Received: {text[:40]!r}"
        )
    return validate_retention_days(int(text))


def _people_of_names(names: Iterable[str], *, needs_folders: bool) -> Iterator[PlannedPerson]:
    """Yield the people whom folders, or else names of files, name."""
    people: dict[str, PlannedPerson] = {}
    files: dict[str, list[PlannedFile]] = {}
    for name in names:
        draft = _person_of_name(name, needs_folder=needs_folders)
        key = draft.person_id.casefold() or f"\n{name}"
        people.setdefault(key, draft)
        files.setdefault(key, []).extend(draft.files)
    for key, person in people.items():
        yield replace(person, files=tuple(files[key]))


def _person_of_name(name: str, *, needs_folder: bool) -> PlannedPerson:
    folder, slash, _ = name.partition("/")
    label = folder if slash else read_clip_person(name)
    draft = PlannedPerson("", label, files=(PlannedFile(name),))
    if needs_folder and not slash:
        outside = InvalidRequestError(
            "The clips of each person must be in a folder of their own. Received:"
            f" {name[:80]!r}, outside such a folder"
        )
        return replace(draft, refused=outside)
    try:
        person_id = make_person_id(label)
    except DuetError as error:
        return replace(draft, refused=error)
    shown = display_name(person_id, label)
    return replace(draft, person_id=person_id, facts={"name": shown} if shown else {})


def _check_people(
    drafts: Iterable[PlannedPerson], people: Collection[str], rules: Rules
) -> Iterator[PlannedPerson]:
    """Say who is there already, and refuse whom the rules refuse."""
    ids = {person_id.casefold(): person_id for person_id in people}
    defaults = {"consent": rules.consent, "retention_days": rules.retention_days}
    for draft in drafts:
        there = ids.get(draft.person_id.casefold())
        given = {**defaults, **draft.facts}
        facts = {name: value for name, value in given.items() if value not in ("", None)}
        person = replace(draft, exists=there is not None, facts=facts)
        refused = draft.refused or _find_fault(person, there, rules.existing)
        yield replace(person, refused=refused)


def _find_fault(person: PlannedPerson, there: str | None, existing: Existing) -> DuetError | None:
    if there is not None and there != person.person_id:
        return PersonExistsError(
            "The person_id must differ from others in more than upper and lower case."
            f" Received: {person.person_id!r}, beside {there!r}"
        )
    if there is not None and existing is Existing.REFUSE:
        return PersonExistsError(f"The person_id must be new. Received: {person.person_id!r}")
    if not person.files:
        return MediaMissingError(
            "No file is named for this person.", "Name one in the row, or take the row out."
        )
    return None


def _check_files(
    people: Sequence[PlannedPerson], listed: Mapping[str, ListedFile], rules: Rules
) -> Iterator[PlannedPerson]:
    """Refuse files that are missing, of two people, or that cannot be clips."""
    owners: dict[str, set[str]] = {}
    for person in people:
        for file in person.files:
            owners.setdefault(file.name, set()).add(person.person_id)
    shared = {name for name, ids in owners.items() if len(ids) > 1}
    for person in people:
        names = dict.fromkeys(file.name for file in person.files)  # a file named twice is one
        files = [_check_file(name, listed.get(name), shared, rules) for name in names]
        yield replace(person, files=tuple(files))


def _check_file(
    name: str, file: ListedFile | None, shared: Collection[str], rules: Rules
) -> PlannedFile:
    refused = _find_file_fault(name, file, shared, rules)
    return PlannedFile(name, refused, file.path if file else "")


def _find_file_fault(
    name: str, file: ListedFile | None, shared: Collection[str], rules: Rules
) -> DuetError | None:
    if len(name) > MAX_NAME or "\ufffd" in name:
        return InvalidRequestError(
            f"The name of a file has at most {MAX_NAME} characters, all of them visible."
            f" Received: {name[:80]!r}"
        )
    if file is None:
        return MediaNotFoundError(
            f"There must be a file at this path. Received: {name[:80]!r}",
            "Put it there, or change the path in the table.",
        )
    if name in shared:
        return FileSharedError(f"The file is named for two people. Received: {name[:80]!r}")
    return _find_content_fault(file, rules)


def _find_content_fault(file: ListedFile, rules: Rules) -> DuetError | None:
    if file.size_bytes == 0:
        return MediaEmptyError("A file must not be empty. Received: 0 bytes")
    if file.size_bytes > rules.most_bytes:
        return MediaTooLargeError(
            f"A file has at most {rules.most_bytes:,} bytes. Received: {file.size_bytes:,}"
        )
    if file.head is not None and sniff(file.head) is None:
        return MediaTypeError(f"The file is no clip: it is {describe(file.head)}.")
    if file.head is None and is_document(PurePosixPath(file.name)):
        return MediaTypeError("The file is a document, and no clip.")
    return None
