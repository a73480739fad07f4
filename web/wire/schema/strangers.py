"""Schemas of unknown visitors."""

from __future__ import annotations

from flask_restx import fields

from web.wire.schema.base import (
    REQUEST_ID,
    float_field,
    int_field,
    list_field,
    make_model,
    model_field,
    text_field,
)

CLIPS = make_model(
    "StrangerClips",
    face=int_field("clips of which the face is kept", 3),
    voice=int_field("clips of which the voice is kept", 2),
)
STRANGER = make_model(
    "Stranger",
    stranger_id=text_field("id of the unknown visitor", REQUEST_ID),
    first_at=text_field("when it was first seen or heard (UTC)", "2026-01-31T08:15:00Z"),
    last_at=text_field("when it was last seen or heard (UTC)", "2026-02-03T17:40:00Z"),
    times=int_field("number of clips, also of those that are not kept any more", 5),
    hidden=fields.Boolean(description="true: stays unknown", example=False, required=True),
    clips=model_field(CLIPS, "what is kept"),
    has_picture=fields.Boolean(
        description="whether GET /v1/strangers/{stranger_id}/picture shows one",
        example=False,
        required=True,
    ),
)
STRANGERS = make_model(
    "Strangers",
    strangers=list_field(STRANGER, "this part of the list, the one seen last first"),
    days=float_field("days for which embeddings are kept; 0 = none are", 14.0),
    total=int_field("how many there are", 1),
    offset=int_field("how many were left out before these", 0),
    limit=int_field("how many there are here at most", 50),
)
STRANGER_CHANGES = make_model(
    "StrangerChanges",
    hidden=fields.Boolean(
        description="true: stays unknown, and is listed no more; false: is listed",
        example=True,
        required=True,
    ),
)
STRANGER_ENROLMENT = make_model(
    "StrangerEnrolment",
    consent=text_field("what the person agreed to, in your words", "Agreed at the front desk."),
    person_id=text_field(
        "a person who is there; with `name` the id of a new one, default: made up",
        "ann@example.com",
        required=False,
    ),
    name=text_field("name of a new person", "Ann Lee", required=False),
    retention_days=int_field(
        "term of a new person; null = no end", 365, required=False, x_nullable=True
    ),
    force=fields.Boolean(
        description="true: enrol even if it is like somebody else, or unlike the person",
        example=False,
    ),
)
