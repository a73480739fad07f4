"""Differences of two records of answers, to the last digit.

Of the fields in `PER_RUN`, which are new in each run, only presence and kind count.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PER_RUN = frozenset(
    {
        "request_id",
        "template_id",
        "job_id",
        "timings_ms",
        "processingTime",
        "timestamp",
        "created_at",
        "enrolled_at",
        "expires_at",
        "last_seen_at",
        "finished_at",
        "exported_at",
        "registeredAt",
        "at",
        "hash",
        "head",
        "settings",
    }
)
"""Fields that another run of the same service fills with other values: identifiers,
times, the hashes of the audit, which cover both, and its digest of the settings, which
covers the port and the folders."""

SHOWN_CHARACTERS = 120

Answer = dict[str, Any]
"""`status`: the HTTP status. `body`: the JSON, or the text of what is no JSON."""
Answers = dict[str, Answer]
"""Answers by request, such as `POST /v1/identify media=strangers/a.mp4`."""


@dataclass(frozen=True)
class Difference:
    """A field of an answer that is not the same in both records.

    `before` and `after` are the values as JSON, None where the field is missing.
    """

    request: str
    field: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        """Write the difference on one line."""
        return f"{self.request}: {self.field}: {shorten(self.before)} -> {shorten(self.after)}"


def shorten(value: str | None) -> str:
    """Cut a value to what fits a terminal."""
    if value is None:
        return "(missing)"
    if len(value) <= SHOWN_CHARACTERS:
        return value
    return value[:SHOWN_CHARACTERS] + "..."


def compare(
    before: Answers,
    after: Answers,
    *,
    renamed: Mapping[str, str] | None = None,
    ignored: Collection[str] = (),
) -> list[Difference]:
    """List the fields that differ, to the last digit and by JSON type.

    Args:
        before: one record.
        after: another record.
        renamed: new names of fields, by the names that `before` has for them.
        ignored: names of fields that are left out, at any depth.
    """
    differences = []
    for request in list(dict.fromkeys([*before, *after])):
        old = flatten_answer(before.get(request), renamed or {}, ignored)
        new = flatten_answer(after.get(request), {}, ignored)
        for name in dict.fromkeys([*old, *new]):
            values = (old.get(name), new.get(name))
            if values[0] != values[1]:
                differences.append(Difference(request, name, *values))
    return differences


def flatten_answer(
    answer: Answer | None, renamed: Mapping[str, str], ignored: Collection[str]
) -> dict[str, str]:
    """Write the leaves of an answer as JSON by their path, such as `body.face.outcome`.

    A leaf below a field of `PER_RUN` is written as what kind of value it is.
    """
    leaves = {}
    for path, value in walk_leaves({} if answer is None else answer):
        names = [renamed.get(name, name) for name in path]
        if not set(names) & set(ignored):
            is_new_each_run = bool(set(names) & PER_RUN)
            text = type(value).__name__ if is_new_each_run else json.dumps(value)
            leaves[".".join(names)] = text
    return leaves


def walk_leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield path and value of each leaf. An empty list or object is a leaf."""
    if not value or not isinstance(value, (dict, list)):
        yield path, value
        return
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, item in items:
        yield from walk_leaves(item, (*path, str(name)))
