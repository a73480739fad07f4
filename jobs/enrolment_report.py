"""What became of the people of a job that enrols, one a row, for a spreadsheet.

Of those who were refused nothing is kept but ids and names of files. So their names are
those of folders, or of the table, where it is at hand again.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gallery.records.job_files import OPEN
from gallery.records.jobs import JobItem
from jobs.clips import name_in_path
from jobs.enrolment_people import PlannedPerson, files_of, key_of_item
from jobs.enrolment_plan import people_of_rows
from jobs.people_table import PeopleTable
from utils.errors import fill_hint, say_body

COLUMNS = ("person_id", "name", "outcome", "files", "enrolled", "refused", "open", "reasons")
# A cell that begins so is a formula for a spreadsheet, also in its wide form. Where a
# spreadsheet parts cells by semicolons, another one begins within ours.
_FORMULA = re.compile(r"^(?=[\t\r])|(?:^|(?<=[;\t\r\n]))(?=\s*[=+\-@＝＋－＠])")
Key = tuple[str | None, str]
Names = dict[Key, str]
"""Names of people by id, else by the name of an item."""
Word = Callable[[str], str]
"""Words a refusal by its code."""
_MARK = "\ufeff"  # Excel reads UTF-8 only with this mark


@dataclass
class PersonReport:
    """What became of the files of one person."""

    person_id: str
    name: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    reasons: list[str] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        """One of open, enrolled, partly, refused, cancelled, forgotten."""
        if any(self.counts[state] for state in OPEN):
            return "open"
        done = self.counts["done"]
        if done:
            return "enrolled" if done == self.counts.total() else "partly"
        (state, _), *_ = self.counts.most_common(1)
        return "refused" if state == "failed" else state

    def note(self, item: JobItem, hints: Mapping[str, str], word: Word) -> None:
        """Count a file, and keep why it was refused."""
        self.counts[item.state] += 1
        if item.result:
            self.name = item.result.get("person", {}).get("name", self.name)
        if item.error:
            file = f"{item.name}: " if item.name else ""
            why = say_body(fill_hint(item.error, hints))
            worded = word(item.error["code"])
            why = f"{worded} ({why})" if worded else why
            self.reasons.append(f"{file}{why} [{item.error['code']}]")


def list_names(people: Iterable[PlannedPerson]) -> Names:
    """List the names of planned people, by id, and by file or row for those without one."""
    names: Names = {}
    for person in people:
        for file in files_of(person):
            names.setdefault(_key_of(*key_of_item(person, file)), person.name)
    return names


def _key_of(person_id: str | None, name: str) -> Key:
    """What two files of one person have in common. Without an id, each is of another."""
    return (person_id, "") if person_id else (None, name)


def names_in_table(table: PeopleTable) -> Names:
    """List the names of the people of a table, as `list_names` does."""
    return list_names(people_of_rows(table.rows))


def report_people(
    items: Iterable[JobItem],
    hints: Mapping[str, str],
    names: Names | None = None,
    word: Word = lambda _: "",
) -> list[PersonReport]:
    """Sum the files of a job up by person, in the order of the job.

    `hints` are those of the front by code, for refusals without one. `names`
    (`list_names`) are those of people whom the gallery does not have. `word` says a refusal
    in another language, by its code ("" = in English alone).
    """
    people: dict[str, PersonReport] = {}
    for item in items:
        # Somebody without an id is a row of their own
        key = item.person_id or f"\n{item.position}"
        if key not in people:
            people[key] = PersonReport(item.person_id or "", _find_name(item, names or {}))
        people[key].note(item, hints, word)
    return list(people.values())


def _find_name(item: JobItem, names: Names) -> str:
    """Find the name of whoever a file is of ("" = it is not known)."""
    name = names.get(_key_of(item.person_id, item.name), "")
    if name or item.person_id is None:
        return name
    return name_in_path(item.name, item.person_id) or ""


def write_report(people: Sequence[PersonReport]) -> str:
    """Write the report as CSV. No cell can be taken for a formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(map(_cells, people))
    return _MARK + text.getvalue()


def _cells(person: PersonReport) -> list[str | int]:
    counts = person.counts
    texts = map(_disarm, (person.person_id, person.name, person.outcome))
    waiting = sum(counts[state] for state in OPEN)
    figures = (counts.total(), counts["done"], counts["failed"], waiting)
    return [*texts, *figures, _disarm("\n".join(person.reasons))]


def _disarm(text: str) -> str:
    """Keep a spreadsheet from running a text as a formula."""
    return _FORMULA.sub("'", text)
