"""What a live session says: frozen events, which are the wire format.

An event becomes a message with its `type` and its fields. Times that end in `_s` are
seconds from the start of the transcription, pauses of a cut connection included. An
event never changes an earlier one: a correction is an event of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

NOT_REGISTERED = -1
"""`speaker_id` of whoever is not registered in the session."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """What happened in a session.

    Attributes:
        lag_s: how long the newest sound that the message knows of, or the message that it
            answers, had been there when it was made.
    """

    type: ClassVar[str]
    lag_s: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Write the message, numbers rounded to milliseconds."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        lag_s = fields.pop("lag_s")
        return {
            "type": self.type,
            **{k: _plain(v) for k, v in fields.items()},
            "lag_s": _plain(lag_s),
        }


@dataclass(frozen=True, kw_only=True)
class ModelLoaded(Event):
    """The first message of every connection: the service is ready.

    Attributes:
        message: a sentence for the user.
        session_id: with it, a cut connection resumes.
        model: name of the model that writes.
        needs_key: the next message must be `authenticate`.
    """

    type: ClassVar[str] = "model_loaded"
    message: str
    session_id: str
    model: str
    needs_key: bool


@dataclass(frozen=True, kw_only=True)
class RegistrationStarted(Event):
    """Sound that follows is speech of this speaker.

    Attributes:
        speaker_id: number of the speaker, from 0.
        message: a sentence for the user.
    """

    type: ClassVar[str] = "speaker_registration_started"
    speaker_id: int
    message: str


@dataclass(frozen=True, kw_only=True)
class RegistrationCompleted(Event):
    """The speaker is known from now on.

    Attributes:
        speaker_id: number of the speaker, from 0.
        message: a sentence for the user.
        speaker: the name that lines will have.
        speech_s: seconds of speech that were heard.
    """

    type: ClassVar[str] = "speaker_registration_completed"
    speaker_id: int
    message: str
    speaker: str
    speech_s: float


@dataclass(frozen=True, kw_only=True)
class TranscriptionStarted(Event):
    """Sound that follows is written down.

    Attributes:
        options: those in effect, by name.
    """

    type: ClassVar[str] = "transcription_started"
    options: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class SpeakerEvent(Event):
    """What a message says of a speaker.

    Attributes:
        speaker_id: number of a registered speaker, from 0; -1 for all others.
        speaker: the name, or "unknown 1", "unknown 2", ...; "unknown" where there is too
            little of the voice.
        person_id: of the gallery, else null.
        outcome: "named", "unknown", "inferred" (too short to be decided by itself: it goes
            by the nearest voice of the session) or "open".
        probability: calibrated, of a person who is named by the decision, else null.
    """

    speaker_id: int
    speaker: str
    person_id: str | None
    outcome: str
    probability: float | None


@dataclass(frozen=True, kw_only=True)
class TurnStarted(SpeakerEvent):
    """Somebody has spoken for a second. Its text follows.

    Attributes:
        turn_id: number of the turn in the session, from 1.
        start_s: when it began.
    """

    type: ClassVar[str] = "turn_started"
    turn_id: int
    start_s: float


@dataclass(frozen=True, kw_only=True)
class Partial(Event):
    """The text of a turn so far. It will change.

    Attributes:
        turn_id: number of the turn.
        start_s: when it began.
        text: what is said.
    """

    type: ClassVar[str] = "partial_transcription"
    turn_id: int
    start_s: float
    text: str


@dataclass(frozen=True, kw_only=True)
class TurnDropped(Event):
    """A turn that started has no words.

    Attributes:
        turn_id: number of the turn.
    """

    type: ClassVar[str] = "turn_dropped"
    turn_id: int


@dataclass(frozen=True, kw_only=True)
class Transcription(SpeakerEvent):
    """A turn in its final words.

    Attributes:
        text: what is said.
        timestamp: when the turn began, ISO 8601 in UTC.
        turn_id: number of the turn in the session.
        revision: 0. Corrections count it up.
        start_s: when it began.
        end_s: when it ended.
        overlap: somebody else speaks at the same time.
        language: code of the language.
    """

    type: ClassVar[str] = "transcription"
    text: str
    timestamp: str
    turn_id: int
    revision: int
    start_s: float
    end_s: float
    overlap: bool
    language: str


@dataclass(frozen=True, kw_only=True)
class Relabel(SpeakerEvent):
    """Earlier turns are of this speaker.

    Attributes:
        turns: the new revision of each turn, by its number.
    """

    type: ClassVar[str] = "relabel"
    turns: Mapping[int, int]


@dataclass(frozen=True, kw_only=True)
class SpeakerEnrolled(Event):
    """The speaker is a person of the gallery from now on. A `relabel` follows.

    Attributes:
        turn_id: the turn that was asked about.
        speaker: the name.
        person_id: of the gallery.
        speech_s: seconds of speech behind the template.
    """

    type: ClassVar[str] = "speaker_enrolled"
    turn_id: int
    speaker: str
    person_id: str
    speech_s: float


@dataclass(frozen=True, kw_only=True)
class Gap(Event):
    """Sound is missing, because the connection was cut.

    Attributes:
        start_s: when it began.
        missing_s: how long it lasted.
    """

    type: ClassVar[str] = "gap"
    start_s: float
    missing_s: float


@dataclass(frozen=True, kw_only=True)
class Notice(Event):
    """Something that the client should know. The session goes on.

    Attributes:
        code: stable name of the kind of notice.
        message: what happened.
        hint: what to do.
    """

    type: ClassVar[str] = "notice"
    code: str
    message: str
    hint: str


@dataclass(frozen=True, kw_only=True)
class Failure(Event):
    """A message of the client was refused, or the session cannot go on.

    Attributes:
        code: stable name of the kind of error.
        message: what is wrong.
        hint: what to do.
    """

    type: ClassVar[str] = "error"
    code: str
    message: str
    hint: str


@dataclass(frozen=True, kw_only=True)
class TranscriptionEnded(Event):
    """The last message of a session.

    Attributes:
        reason: "complete", or "ended" where the connection was cut and not resumed.
        turns: number of turns with words.
        duration_s: seconds of sound that were heard.
    """

    type: ClassVar[str] = "transcription_ended"
    reason: str
    turns: int
    duration_s: float


EVENTS: tuple[type[Event], ...] = (
    ModelLoaded,
    RegistrationStarted,
    RegistrationCompleted,
    TranscriptionStarted,
    TurnStarted,
    Partial,
    Transcription,
    TurnDropped,
    SpeakerEnrolled,
    Relabel,
    Gap,
    Notice,
    Failure,
    TranscriptionEnded,
)
"""All messages of the server, in the order in which they may come."""


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    return value
