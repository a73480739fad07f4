"""The messages of live transcription, for the reference page. It is made from the events."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from speech.events import (
    EVENTS,
    Event,
    Failure,
    Gap,
    ModelLoaded,
    Notice,
    Partial,
    RegistrationCompleted,
    RegistrationStarted,
    Relabel,
    SpeakerEnrolled,
    Transcription,
    TranscriptionEnded,
    TranscriptionStarted,
    TurnDropped,
    TurnStarted,
)
from speech.live_sentences import say

_FIELD = re.compile(r"^    (\w+): (.+(?:\n     .+)*)", re.MULTILINE)
_ANNA: dict[str, Any] = {
    "speaker_id": -1,
    "speaker": "Anna",
    "person_id": "anna",
    "outcome": "named",
    "probability": 0.981,
}
EXAMPLES: tuple[Event, ...] = (
    ModelLoaded(
        message=say("en", "ready"), session_id="tq3bT0pJ1kY", model="base", needs_key=False
    ),
    RegistrationStarted(speaker_id=0, message=say("en", "speak", speaker="speaker 1")),
    RegistrationCompleted(
        speaker_id=0,
        message=say("en", "registered", speaker="speaker 1"),
        speaker="speaker 1",
        speech_s=4.2,
    ),
    TranscriptionStarted(options={"language": "ko", "silence_duration": 0.5}),
    TurnStarted(turn_id=1, start_s=2.1, lag_s=0.05, **_ANNA),
    Partial(turn_id=1, start_s=2.1, text="Good morning", lag_s=0.4),
    Transcription(
        text="Good morning, everybody.",
        timestamp="2026-05-04T08:00:02.100Z",
        turn_id=1,
        revision=0,
        start_s=2.1,
        end_s=3.9,
        overlap=False,
        language="en",
        lag_s=0.6,
        **_ANNA,
    ),
    TurnDropped(turn_id=2),
    SpeakerEnrolled(turn_id=3, speaker="Anna", person_id="anna", speech_s=12.4),
    Relabel(turns={3: 1, 5: 1}, **_ANNA),
    Gap(start_s=61.5, missing_s=8.2),
    Notice(
        code="too_fast",
        message="Sound comes faster than real time, by 12 s so far.",
        hint="State `sample_rate` if it has another rate than 16000 Hz.",
    ),
    Failure(
        code="invalid_request",
        message="A message of text must be a JSON object. Received: 'hello'",
        hint="Send sound as binary messages.",
    ),
    TranscriptionEnded(reason="complete", turns=12, duration_s=93.0),
)
"""A message of each type."""


@dataclass(frozen=True)
class MessageDescription:
    """What the reference prints of a message: `fields` are names and meanings."""

    type: str
    about: str
    fields: tuple[tuple[str, str], ...]
    example: dict[str, Any]


def describe_messages() -> list[MessageDescription]:
    """Describe the messages of the server, in the order in which they may come."""
    examples = {example.type: example.to_json() for example in EXAMPLES}
    return [
        MessageDescription(
            type=event.type,
            about=(event.__doc__ or "").split("\n")[0],
            fields=tuple(_fields(event, examples[event.type])),
            example=examples[event.type],
        )
        for event in EVENTS
    ]


def _fields(event: type[Event], example: dict[str, Any]) -> list[tuple[str, str]]:
    """List the fields of a message in their order, with what their docstrings say."""
    texts: dict[str, str] = {}
    for base in reversed(event.__mro__):
        for name, text in _FIELD.findall(re.sub("(?m)^    ", "", base.__doc__ or "")):
            texts[name] = " ".join(text.split())
    return [(name, texts[name]) for name in example if name != "type"]
