"""Settings of visitors: what is kept of those who come by."""

from __future__ import annotations

from dataclasses import dataclass

from utils.subjects import Subject, setting


@dataclass(frozen=True)
class VisitorSettings(Subject):
    """Visitors: whom answers were about, and strangers (docs/visitors.md)."""

    visit_days: float = setting(
        0,
        "Days for which it is kept whom each answer was about, for the list of recent visitors."
        " 0: nothing of it is kept.",
        0,
        3650,
    )
