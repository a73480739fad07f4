"""Schemas of enrolling many people at once."""

from __future__ import annotations

from flask_restx import fields

from web.wire.schema.base import (
    int_field,
    list_field,
    make_model,
    raw_field,
    text_field,
)

_ERROR = {"code": "person_exists", "message": "The person_id must be new.", "hint": "..."}
PLANNED_FILE = make_model(
    "PlannedFile",
    name=text_field("path below what was chosen", "ann/1.mp4"),
    error=raw_field(
        "why it is refused: code, message and hint; else null", _ERROR, x_nullable=True
    ),
)
PLANNED_PERSON = make_model(
    "PlannedPerson",
    person_id=text_field("empty where none can be made", "ann@example.com"),
    name=text_field("name, or what stands for it", "Ann"),
    row=int_field("row of the table, counted from 1; null without a table", 2, x_nullable=True),
    exists=fields.Boolean(description="whether the gallery has the person", example=False),
    is_enrolled=fields.Boolean(
        description="whether a file of the person would be enrolled", example=True
    ),
    error=raw_field("why nothing of the person is enrolled; else null", _ERROR, x_nullable=True),
    files=list_field(PLANNED_FILE, "the files of the person"),
)
ENROLMENT_PLAN = make_model(
    "EnrolmentPlan",
    people=int_field("how many people are named", 500),
    enrolled_people=int_field("how many of them have a file that would be enrolled", 493),
    refused_people=int_field("of how many the whole or a part is refused", 7),
    files=int_field("how many files would be enrolled", 1480),
    unused=int_field("how many files are of nobody, or no clips, and are left alone", 3),
    refused=raw_field("how many refusals there are, by code", {"person_exists": 4}),
    encoding=text_field("how the table was read; null without one", "utf-8", x_nullable=True),
    total=int_field("how many people are in this list", 7),
    offset=int_field("how many were left out before", 0),
    limit=int_field("how many there are here at most", 100),
    list=list_field(PLANNED_PERSON, "this part of the people, in their order"),
)
FILE_RECEIVED = make_model(
    "FileReceived",
    job_id=text_field("id of the job", "0a1b2c3d4e5f60718293a4b5c6d7e8f9"),
    position=int_field("place of the file in the job, from 0", 0),
)
