"""What became of the people of a job that enrols, one a row, for a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gallery.records.job_files import OPEN
from gallery.records.jobs import JobItem

COLUMNS = ("person_id", "name", "outcome", "files", "enrolled", "refused", "open", "reasons")
# A cell that begins so is a formula for a spreadsheet, also in its wide form. Where a
# spreadsheet parts cells by semicolons, another one begins within ours.
_FORMULA = re.compile(r"^(?=[\t\r])|(?:^|(?<=[;\t\r\n]))(?=\s*[=+\-@＝＋－＠])")
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

    def note(self, item: JobItem) -> None:
        """Count a file, and keep why it was refused."""
        self.counts[item.state] += 1
        if item.result:
            self.name = item.result.get("person", {}).get("name", self.name)
        if item.error:
            file = f"{item.name}: " if item.name else ""
            self.reasons.append(f"{file}{item.error['message']} [{item.error['code']}]")


def report_people(items: Iterable[JobItem]) -> list[PersonReport]:
    """Sum the files of a job up by person, in the order of the job."""
    people: dict[str, PersonReport] = {}
    for item in items:
        # Somebody without an id is a row of their own
        key = item.person_id or f"\n{item.position}"
        people.setdefault(key, PersonReport(item.person_id or "")).note(item)
    return list(people.values())


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
