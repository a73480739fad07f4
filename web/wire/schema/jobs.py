"""Schemas of batch jobs."""

from __future__ import annotations

from flask_restx import fields

from web.wire.schema.base import (
    REQUEST_ID,
    int_field,
    list_field,
    make_model,
    raw_field,
    text_field,
)

JOB_FIELDS: dict[str, fields.Raw] = {
    "job_id": text_field("unique id", REQUEST_ID),
    "action": text_field(
        "what is done with each clip", "identify", enum=["identify", "enroll", "transcribe"]
    ),
    "state": text_field(
        "waiting, running, done or cancelled",
        "running",
        enum=["waiting", "running", "done", "cancelled"],
    ),
    "created_at": text_field("when it came (UTC)", "2026-01-31T08:15:00Z"),
    "finished_at": text_field(
        "when its last file was finished (UTC); null before",
        "2026-01-31T08:16:10Z",
        x_nullable=True,
    ),
    "files": int_field("how many files it has", 120),
    "finished": int_field("how many of them are finished, in whatever way", 35),
    "counts": raw_field(
        "files by state",
        {
            "awaited": 0,
            "waiting": 84,
            "running": 1,
            "done": 34,
            "failed": 1,
            "cancelled": 0,
            "forgotten": 0,
        },
    ),
}
JOB = make_model("Job", **JOB_FIELDS)
JOBS = make_model("Jobs", jobs=list_field(JOB, "newest first"))
JOB_ITEM = make_model(
    "JobItem",
    position=int_field("place in the job, from 0", 0),
    name=text_field("name of the file (empty when it was forgotten)", "ann@example.com-1.mp4"),
    person_id=text_field(
        "whom it is enrolled for; null when it is identified", "ann@example.com", x_nullable=True
    ),
    state=text_field(
        "awaited: it is listed, and not sent yet; forgotten: a person whom it named was deleted",
        "done",
        enum=["awaited", "waiting", "running", "done", "failed", "cancelled", "forgotten"],
    ),
    result=raw_field(
        "the answer: as of POST /v1/identify, of POST /v1/people/{person_id}/templates"
        " with empty `note` and `consent` (its `request_id` is null), or diarized_json of POST"
        " /v1/audio/transcriptions with `words`. Null before the file is done, and after a"
        " failure",
        {"fused": {"outcome": "accepted"}},
        required=False,
        x_nullable=True,
    ),
    error=raw_field(
        "code, message and hint when it failed; else null",
        {"code": "media_corrupt"},
        required=False,
        x_nullable=True,
    ),
    progress=raw_field(
        "how far a recording is that is being written down; else null",
        {
            "heard_s": 610.0,
            "duration_s": 3600.0,
            "words": 1420,
            "real_time_factor": 0.31,
            "left_s": 927.0,
        },
        required=False,
        x_nullable=True,
    ),
)
JOB_WITH_ITEMS = make_model(
    "JobWithItems",
    **JOB_FIELDS,
    items=list_field(JOB_ITEM, "this part of its files, in their order"),
    offset=int_field("how many were left out before", 0),
    limit=int_field("how many there are here at most", 100),
)
