"""Schemas of kept transcripts."""

from __future__ import annotations

from flask_restx import fields

from web.wire.schema.base import float_field, int_field, list_field, make_model, text_field
from web.wire.schema.transcription import TRANSCRIPT_WORD

_ABOUT = {
    "transcript_id": text_field("id of the transcript", "3f0c2f9f5c7b4a5e8d1c6b7a8e9f0d1c"),
    "created_at": text_field("when it was kept (UTC)", "2026-01-31T08:15:03.123456+00:00"),
    "title": text_field(
        "name of the file; empty once somebody who speaks in it is deleted", "call.mp4"
    ),
    "language": text_field("code of the language; empty where nothing is said", "en"),
    "duration": float_field("length of the recording in seconds", 30.1),
}
KEPT_SEGMENT = make_model(
    "KeptSegment",
    start=float_field("when it begins, in seconds", 10.72),
    end=float_field("when it ends, in seconds", 14.2),
    text=text_field(
        "what is said; empty where the person was deleted", "This is Diane in New Jersey."
    ),
    speaker=text_field(
        "present name of the person; `unknown 1`, ... for strangers; `deleted person`; empty where"
        " nobody asked who speaks",
        "Diane",
    ),
    person_id=text_field(
        "id of the person of the gallery; null for others", "diane", x_nullable=True
    ),
    outcome=text_field(
        "as in diarized_json: `named`, `unknown`, `conflict`, ...; or `deleted`, or empty",
        "named",
    ),
    decided_by=text_field(
        "what names the speaker: `voice`, `face` or `face and voice`; null for others, and in what"
        " an earlier release kept",
        "voice",
        x_nullable=True,
    ),
    words=list_field(TRANSCRIPT_WORD, "words with their times"),
)
KEPT_SUMMARY = make_model("KeptTranscriptSummary", **_ABOUT)
KEPT_TRANSCRIPTS = make_model(
    "KeptTranscripts",
    transcripts=list_field(KEPT_SUMMARY, "this part of the list, newest first"),
    total=int_field("how many are kept", 1),
    offset=int_field("how many were left out before these", 0),
    limit=int_field("how many there are here at most", 50),
)
KEPT_TRANSCRIPT = make_model(
    "KeptTranscript",
    **_ABOUT,
    text=fields.String(
        description="all that is said", example="This is Diane in New Jersey.", required=True
    ),
    segments=list_field(KEPT_SEGMENT, "lines with those who say them"),
)
