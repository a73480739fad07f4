"""Schemas of recent visitors."""

from __future__ import annotations

from gallery.records.visits import OUTCOMES, WRONG
from web.wire.schema.base import (
    REQUEST_ID,
    float_field,
    int_field,
    list_field,
    make_model,
    model_field,
    text_field,
)

_FOUND = [outcome for outcome in OUTCOMES if outcome != WRONG]
_OF_ONE = "accepted, unknown, conflict, rejected, no_probe; empty where it was not asked"
CORRECTION = make_model(
    "Correction",
    at=text_field("when it was said (UTC)", "2026-01-31T09:00:00Z"),
    person_id=text_field("who it was; null = nobody known", "ben@example.com", x_nullable=True),
    name=text_field("present name; null = nobody known", "Ben Roth", x_nullable=True),
)
VISIT = make_model(
    "Visit",
    number=int_field("number of the visit, rising", 17),
    visit_id=text_field("id of the visit", REQUEST_ID),
    at=text_field("when it was (UTC)", "2026-01-31T08:15:03.123+00:00"),
    source=text_field(
        "what was asked: identify, first_sight, job, transcribe, live, ...", "identify"
    ),
    outcome=text_field("outcome of the answer", "accepted", enum=_FOUND),
    person_id=text_field(
        "who was named, or an unknown visitor who was enrolled later; null = nobody",
        "ann@example.com",
        x_nullable=True,
    ),
    name=text_field("present name; null = nobody", "Ann Lee", x_nullable=True),
    by=text_field(
        "what named the person: fused, face or voice; null = nobody was named",
        "fused",
        x_nullable=True,
    ),
    probability=float_field(
        "calibrated probability of the name; null = nobody was named", 0.997, x_nullable=True
    ),
    face=text_field(f"outcome by the face: {_OF_ONE}", "accepted"),
    voice=text_field(f"outcome by the voice: {_OF_ONE}", "accepted"),
    group=text_field("the group that was searched alone; empty = everybody", ""),
    request_id=text_field("id of the answer; null without one", REQUEST_ID, x_nullable=True),
    actor=text_field("who asked, as in the audit", "3f9a1c2e"),
    label=text_field("what the key of the asker is for; null = none", "east door", x_nullable=True),
    stranger_id=text_field(
        "the unknown visitor who it is; null = none", REQUEST_ID, x_nullable=True
    ),
    correction=model_field(
        CORRECTION, "what was said of a wrong answer; null = nothing", x_nullable=True
    ),
)
VISITS = make_model(
    "Visits",
    visits=list_field(VISIT, "newest first"),
    days=float_field("days for which visits are kept; 0 = none are", 30.0),
    limit=int_field("how many there are here at most", 50),
    next_before=int_field("`before` of the next part; null = this is the last", 7, x_nullable=True),
)
NEW_CORRECTION = make_model(
    "NewCorrection",
    person_id=text_field("who it was; null = nobody known", "ben@example.com", x_nullable=True),
)
