"""Schemas of the audit."""

from __future__ import annotations

from flask_restx import fields

from web.wire.schema.base import (
    SHA256,
    int_field,
    list_field,
    make_model,
    raw_field,
    text_field,
)

AUDIT_EVENT = make_model(
    "AuditEvent",
    event_id=int_field("number of the row, from 1, without gaps", 42),
    at=text_field("when (UTC)", "2026-01-31T08:15:03.123456+00:00"),
    actor=text_field(
        "id of the key; environment = DUET_API_KEY; local = a service without keys, or the command"
        " line; nobody = no good key",
        "3f9a1c2e",
    ),
    action=text_field("what was done", "identify"),
    person_key=int_field(
        "internal number of the person, never used again; null where there is none",
        7,
        x_nullable=True,
    ),
    outcome=text_field("how it ended", "accepted"),
    detail=raw_field(
        "more, as codes and numbers", {"face": "accepted", "voice": "no_probe", "people": 20}
    ),
    hash=text_field(
        "SHA-256 over this row and the hash of the row before it (docs/security.md)", SHA256
    ),
)
AUDIT = make_model(
    "Audit",
    events=list_field(AUDIT_EVENT, "this part of the audit, newest first"),
    limit=int_field("how many there are here at most", 50),
    next_before=int_field("`before` of the next part; null at the end", 17, x_nullable=True),
)
AUDIT_PROBLEM = make_model(
    "AuditProblem",
    event_id=int_field("the row where it shows", 5),
    text=text_field("what is wrong", "row 5 is missing"),
)
AUDIT_VERIFIED = make_model(
    "AuditVerified",
    whole=fields.Boolean(
        description="no row was changed, removed, inserted or moved", example=True, required=True
    ),
    events=int_field("rows that were read", 42),
    head=text_field("number and hash of the last row: write it down elsewhere", f"42:{SHA256}"),
    problems=list_field(AUDIT_PROBLEM, "what is wrong, at most 100"),
)
