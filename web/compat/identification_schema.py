"""Schema of the answer of POST /Identification_Request."""

from __future__ import annotations

from web.wire.schema.base import (
    make_model,
    text_field,
)

IDENTIFICATION_ANSWER = make_model(
    "IdentificationAnswer",
    **{
        "100001": text_field(
            "by face and voice together",
            "Multi-modal Speaker Recognition - Speaker ID : ann@example.com",
        ),
        "100002": text_field(
            "by face alone", "Image Based Speaker Recognition - Speaker ID : ann@example.com"
        ),
        "100003": text_field(
            "by voice alone", "Voice Based Speaker Recognition - Speaker ID: ann@example.com"
        ),
        "notice": text_field(
            "only where something is to be said, for example that the person is known under"
            " another id",
            "Not registered: this is ben@example.com.",
            required=False,
        ),
    },
)
