"""Enrol people: one clip, a folder, or a table with its files."""

from __future__ import annotations

import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from align.sniff import SNIFF_BYTES
from commands.hints import HINTS
from commands.jobs import list_failures, open_workplace, was_enrolled, watch
from commands.people import Days
from commands.shared import (
    describe,
    encoding_option,
    open_store,
    output_file,
    place_option,
    refusals,
    report,
)
from commands.wording import word_code
from utils.path_option import PathOption
from utils.wording import count_noun

if TYPE_CHECKING:
    from gallery.records.jobs import JobItem, NewItem, NewJob
    from jobs.enrolment_people import Plan, PlannedPerson
    from jobs.enrolment_plan import ListedFile
    from jobs.people_table import PeopleTable

TABLES = (".csv", ".tsv", ".txt")
EXISTING = ("add", "refuse", "replace")


@dataclass(frozen=True)
class Choices:
    """What was asked for on the command line."""

    path: Path
    person_id: str | None
    replace: bool
    force: bool
    check: bool
    existing: str
    by_name: bool
    consent: str
    retention_days: int | None
    encoding: str
    report: Path | None


@click.command()
@click.argument("path", type=PathOption(exists=True, path_type=Path))
@click.option(
    "--person",
    "person_id",
    help="Person id of a single file. For a folder the names of its folders are the ids.",
)
@click.option(
    "--replace", is_flag=True, help="Replace what is stored for the person by the new clips."
)
@click.option(
    "--force",
    is_flag=True,
    help="Enrol even if the clip matches somebody else, is not of one person, or is poor.",
)
@click.option("--check", is_flag=True, help="Say what would be refused and why, and enrol nothing.")
@click.option(
    "--existing",
    type=click.Choice(EXISTING),
    default="add",
    show_default=True,
    help="What becomes of people who are in the gallery already.",
)
@click.option(
    "--by-name", is_flag=True, help="Files without folders are of those whom their names name."
)
@click.option("--consent", default="", help="What those agreed to whose row does not say it.")
@click.option(
    "--retention-days",
    type=Days(),
    help="For how many days those are kept whose row does not say it.",
)
@encoding_option
@click.option(
    "--report",
    type=PathOption(dir_okay=False, path_type=Path),
    callback=place_option,
    help="CSV file to write: what became of each person.",
)
@refusals
def enroll(**choices: object) -> None:
    """Enrol one clip, a folder with one folder of clips per person, or a table.

    A single clip needs --person. A table is a CSV file with the columns person_id, name and
    file; several columns may begin with `file`, and note, consent and retention_days may be
    there. Its files lie below its folder.

    A folder or a table is a batch job (`cli.py jobs list`). If it is interrupted, the
    service or `cli.py jobs run` continues it.
    """
    chosen = Choices(**choices)  # type: ignore[arg-type]
    if chosen.person_id or (chosen.path.is_file() and not _is_table(chosen.path)):
        if chosen.check:
            raise click.UsageError("--check looks at a folder or a table, without --person.")
        _work(chosen, _list_clips(chosen.path, chosen.person_id))
        return
    plan = _plan(chosen)
    if chosen.check:
        _show_plan(plan)
        return
    _work(chosen, plan.items(awaited=False), plan)


def _is_table(path: Path) -> bool:
    return path.suffix.casefold() in TABLES


def _plan(chosen: Choices) -> Plan:
    """Plan the enrolment of a folder or of a table. Raises UsageError, DuetError."""
    from jobs.clips import list_files
    from jobs.enrolment_plan import Existing, Rules, plan_enrolment
    from jobs.people_table import open_table

    rules = Rules(
        most_bytes=sys.maxsize,
        existing=Existing("replace" if chosen.replace else chosen.existing),
        consent=chosen.consent,
        retention_days=chosen.retention_days,
        by_name=chosen.by_name,
    )
    table = open_table(chosen.path, chosen.encoding) if chosen.path.is_file() else None
    names = _names_of(table) if table else list_files(chosen.path)
    files = list(_look_at(_root_of(chosen.path), names))
    with open_store() as store:
        people = store.person_ids()
    plan = plan_enrolment(files, table, people, rules)
    if not plan.people:
        raise click.UsageError(
            f"The folder must hold one folder of clips per person. No clip is in {chosen.path}"
        )
    return plan


def _root_of(path: Path) -> Path:
    return path.parent if path.is_file() else path


def _names_of(table: PeopleTable) -> list[str]:
    names = dict[str, None]()
    for row in table.rows:
        names.update(dict.fromkeys(row.files))
    return list(names)


def _look_at(root: Path, names: Iterable[str]) -> Iterable[ListedFile]:
    """Look at the files that are there: their sizes, and their first bytes."""
    from jobs.enrolment_plan import ListedFile

    for name in names:
        with suppress(OSError, ValueError):
            written = _find(root, name)
            if written is not None:
                path = root / written
                yield ListedFile(name, path.stat().st_size, _read_head(path), written)


def _find(root: Path, name: str) -> str | None:
    """Find a file by its name. A Mac writes accents and Hangul in parts (NFD)."""
    forms = (name, unicodedata.normalize("NFD", name))
    return next((form for form in forms if (root / form).is_file()), None)


def _read_head(path: Path) -> bytes | None:
    """Read the first bytes. None: it may not be read, which the job says better."""
    try:
        with path.open("rb") as stream:
            return stream.read(SNIFF_BYTES)
    except OSError:
        return None


def _show_plan(plan: Plan) -> None:
    """Say who would be enrolled, and what would be refused."""
    people = sum(person.is_enrolled for person in plan.people)
    read = f" The table was read as {plan.encoding}." if plan.encoding else ""
    click.echo(
        f"{count_noun(plan.files, 'file')} of {count_noun(people, 'person', 'people')} would be"
        f" enrolled, {count_noun(len(plan.unused), 'file')} left alone.{read}"
    )
    failures = []
    for person in plan.people:
        who = f"row {person.row}, {person.person_id}" if person.row else person.person_id
        if person.refused:
            where = who if person.row or not person.files else person.files[0].name
            failures.append(f"{where or person.name}: {describe(person.refused)}")
            continue
        failures += list(_format_refused(who, person))
    report(failures)


def _format_refused(who: str, person: PlannedPerson) -> Iterator[str]:
    for file in person.files:
        if file.refused:
            yield f"{who}, {file.name}: {describe(file.refused)}"


def _work(chosen: Choices, items: list[NewItem], plan: Plan | None = None) -> None:
    """Make a job of the files, work on it here, and say what became of them."""
    from gallery.records.jobs import NewJob  # the database: --help does without it

    new: NewJob = NewJob(
        "enroll",
        items,
        force=chosen.force,
        replace=chosen.replace or chosen.existing == "replace",
        root=str(_root_of(chosen.path).resolve()),
    )
    with open_workplace() as place:
        job = place.jobs.create(new)
        watch(place, job)
        people, there = _count_done(place.jobs.every_item(job.job_id, "done"))
        failures = list_failures(place.jobs, job.job_id)
        if chosen.report:
            planned = plan.people if plan else ()
            write_people(chosen.report, place.jobs.every_item(job.job_id), planned)
    already = f" Already there: {count_noun(there, 'clip')}." if there else ""
    click.echo(
        f"{people.total()} of {count_noun(len(items), 'clip')} enrolled,"
        f" {count_noun(len(people), 'person', 'people')}.{already}"
    )
    if plan and plan.unused:
        click.echo(f"{count_noun(len(plan.unused), 'file')} that are no clips were left alone.")
    report(failures)


def _count_done(items: Iterable[JobItem]) -> tuple[Counter[str | None], int]:
    """Count the enrolled clips by person, and those that were enrolled before."""
    people = Counter[str | None]()
    there = 0
    for item in items:
        if was_enrolled(item):
            there += 1
        else:
            people[item.person_id] += 1
    return people, there


def write_people(file: Path, items: Iterable[JobItem], planned: Iterable[PlannedPerson]) -> None:
    """Write what became of each person as CSV. Raises OutputError."""
    from jobs.enrolment_report import list_names, report_people, write_report

    with output_file(file) as draft:
        text = write_report(report_people(items, HINTS, list_names(planned), word_code))
        draft.write_text(text, "utf-8", newline="")


def _list_clips(path: Path, person_id: str | None) -> list[NewItem]:
    """List the clips of a file or folder. Raises UsageError, InvalidNameError."""
    from gallery.names import validate_person_id
    from jobs.clips import list_folder, make_item

    if path.is_file() and not person_id:
        raise click.UsageError("A single file needs the person it shows: --person ID")
    person_id = person_id and validate_person_id(person_id)
    if path.is_file():
        return [make_item(Path(path.name), person_id)]
    items = list_folder(path, "enroll", person_id)
    if not items:
        raise click.UsageError(f"The folder must hold clips. No clip is in {path}")
    return items
