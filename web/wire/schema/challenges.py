"""Schemas of challenges."""

from __future__ import annotations

from liveness.spoken_digits import LANGUAGES
from web.wire.schema.base import int_field, make_model, text_field

NEW_CHALLENGE = make_model(
    "NewChallenge",
    language=text_field(
        "language that the digits are said in",
        "ko",
        required=False,
        enum=list(LANGUAGES),
        default="en",
    ),
)
CHALLENGE = make_model(
    "Challenge",
    challenge_id=text_field(
        "goes with the clip, in the field `challenge`",
        "1767225600-9f86d081884c7d659a2feaa0c55ad015",
    ),
    digits=text_field("to be said, one by one or as a number", "482913"),
    language=text_field("language that they are said in", "ko", enum=list(LANGUAGES)),
    expires_at=text_field("when its time is over", "2026-01-01T00:00:00Z"),
    expires_s=int_field("seconds that are left", 45),
)
