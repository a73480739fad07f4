"""Settings of visitors: what is kept of those who come by."""

from __future__ import annotations

from dataclasses import dataclass

from utils.settings.subject import Subject, setting


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
    stranger_days: float = setting(
        0,
        "Days for which the embeddings of somebody unknown are kept, so that they are recognised"
        " as the same when they come again. 0: they are not kept.",
        0,
        365,
    )
    stranger_pictures: bool = setting(
        False,
        "1: keep a small picture of the face with each clip of somebody unknown, for the same"
        " days. 0: keep none.",
    )
