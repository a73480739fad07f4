"""The form of POST /v1/audio/transcriptions: its fields, and what they ask for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from flask import request
from flask_restx.reqparse import RequestParser

from jobs.transcribing import is_named_by_face
from recognition.voices import KnownVoice
from speech.diarise import Naming
from speech.references import hear_reference
from speech.scribe import Recording
from speech.subtitles import DIARIZED, FORMATS
from utils.errors import InvalidRequestError
from web.state import recognizer
from web.wire import parse
from web.wire.schema.base import add_file, add_flag

GRANULARITIES = "timestamp_granularities[]"
SPEAKERS = "speaker_names[]"
KNOWN_NAMES = "known_speaker_names[]"
KNOWN_REFERENCES = "known_speaker_references[]"
LISTS = (GRANULARITIES, SPEAKERS, KNOWN_NAMES, KNOWN_REFERENCES)
FIELDS = (
    "model",
    "language",
    "prompt",
    "response_format",
    "temperature",
    "stream",
    "chunking_strategy",
    "who",
    "num_speakers",
    "faces",
    "channels",
)
GRANULES = ("segment", "word")
STREAMED = ("json", "text", DIARIZED)
CHANNELS = ("mix", "separate")
MOST_SPEAKERS = 100
MOST_KNOWN = 10
FORM_BYTES = 16 * 1024 * 1024
"""Limit for the text fields, which may hold reference recordings in base64."""
_DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+(;[\w.+-]+=[\w.+-]+)*;base64,", re.ASCII)


@dataclass(frozen=True)
class Asked:
    """What a request asks for: of which recording, in which form.

    `granularities` are the times that verbose_json has.
    """

    recording: Recording
    form: str
    granularities: list[str]
    is_streamed: bool


def read_asked() -> Asked:
    """Read the request.

    Raises InvalidRequestError, ContentTypeError, MediaMissingError, MediaEmptyError,
    and for reference recordings MediaError and SpeechUnavailableError.
    """
    parse.check_query()
    request.max_form_memory_size = FORM_BYTES
    request.max_form_parts = len(FIELDS) + 4 * MOST_SPEAKERS
    fields = parse.form(FIELDS, ("file",), lists=LISTS)
    granularities = parse.texts(GRANULARITIES, GRANULES) or ["segment"]
    form = parse.choice(fields.get("response_format") or "json", "response_format", FORMATS)
    _check_fixed(fields)
    is_streamed = parse.boolean(fields.get("stream") or False, "stream")
    if is_streamed:
        parse.choice(form, "response_format", STREAMED)
    return Asked(_read_recording(fields, form), form, granularities, is_streamed)


def _check_fixed(fields: dict[str, str]) -> None:
    """Check the fields that have one value here."""
    parse.choice(fields.get("chunking_strategy") or "auto", "chunking_strategy", ("auto",))
    text = fields.get("temperature") or "0"
    try:
        is_zero = float(text) == 0
    except ValueError:
        is_zero = False
    if not is_zero:
        raise InvalidRequestError(
            f"`temperature` must be 0: nothing is guessed. Received: {text[:40]!r}"
        )


def _read_recording(fields: dict[str, str], form: str) -> Recording:
    file = parse.upload("file")
    options = read_options(fields)
    return Recording(
        path=file.path,
        filename=file.filename,
        language=options.get("language"),
        prompt=options.get("prompt", ""),
        naming=_read_naming(options, form),
        is_separate=options.get("channels") == "separate",
    )


def read_options(fields: dict[str, str]) -> dict[str, Any]:
    """Read what is asked for beyond the text. Fields that are empty are left out.

    Raises InvalidRequestError, also where a speaker is nobody of the gallery.
    """
    speakers = request.form.getlist(SPEAKERS)[:MOST_SPEAKERS]
    recognizer().voices.among(speakers)
    count = _read_count(fields.get("num_speakers", ""))
    channels = parse.choice(fields.get("channels") or "mix", "channels", CHANNELS)
    is_asked = parse.boolean(fields.get("who") or False, "who")
    by_face = parse.boolean(fields.get("faces") or True, "faces")
    options = {
        "language": fields.get("language"),
        "prompt": fields.get("prompt"),
        "channels": channels if channels == "separate" else None,
        "speaker_names": speakers,
        "num_speakers": count,
        "who": is_asked or bool(speakers) or count is not None,
    }
    asked = {name: value for name, value in options.items() if value}
    return asked if by_face else asked | {"faces": False}


def _read_naming(options: dict[str, Any], form: str) -> Naming | None:
    """Read how those who speak are named. None: they are not asked for."""
    names = request.form.getlist(KNOWN_NAMES)
    if not (form == DIARIZED or names or "who" in options):
        return None
    voices = recognizer().voices
    references = _read_references(names, request.form.getlist(KNOWN_REFERENCES))
    among = voices.among(options.get("speaker_names", ()), references)
    count = options.get("num_speakers")
    return Naming(voices, among=among, count=count, by_face=is_named_by_face(options))


def _read_count(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_SPEAKERS):
        raise InvalidRequestError(
            f"`num_speakers` must be a whole number from 1 to {MOST_SPEAKERS}. Received:"
            f" {text[:40]!r}"
        )
    return int(text)


def _read_references(names: list[str], references: list[str]) -> list[KnownVoice]:
    """Hear the reference recordings, each of a name. They live as long as the request."""
    if len(names) != len(references) or len(names) > MOST_KNOWN:
        raise InvalidRequestError(
            f"`{KNOWN_NAMES}` and `{KNOWN_REFERENCES}` must be as many, {MOST_KNOWN} at most."
            f" Received: {len(names)} and {len(references)}"
        )
    voices = recognizer().voices
    heard: list[KnownVoice] = []
    for name, reference in zip(names, references, strict=True):
        file = parse.decode_upload(_strip(reference), KNOWN_REFERENCES)
        heard.append(KnownVoice(name, hear_reference(file.path, voices)))
    return heard


def _strip(reference: str) -> str:
    """Take the head off a data URL. Raises InvalidRequestError."""
    head = _DATA_URL.match(reference[:200])
    if head is None:
        raise InvalidRequestError(
            f"`{KNOWN_REFERENCES}` must hold data URLs. Received: {reference[:40]!r}",
            "Write data:audio/wav;base64, and the file in base64.",
        )
    return reference[head.end() :]


def add_transcribe_fields(form: RequestParser) -> None:
    """Describe the fields that `read_options` reads."""
    form.add_argument(
        "language",
        location="form",
        default="",
        help="code of the language that is spoken, as ko or en. Without it, it is detected, once",
    )
    form.add_argument(
        "prompt", location="form", default="", help="names and words that may come up"
    )
    add_flag(form, "who", "true: text, srt and vtt say who speaks, too")
    form.add_argument(
        SPEAKERS,
        location="form",
        action="append",
        help="ids or names of the people who may be named. Without it, all of the gallery",
    )
    form.add_argument(
        "num_speakers",
        location="form",
        type=int,
        help=f"how many people speak, 1 to {MOST_SPEAKERS}. Without it, that is found",
    )
    add_flag(
        form,
        "faces",
        "false: the talking face of a video does not help to name who speaks",
        default="true",
    )
    form.add_argument(
        "channels",
        location="form",
        choices=CHANNELS,
        default="mix",
        help="separate: one person speaks in each channel, as in the recording of a call",
    )


transcription_form = RequestParser()
add_file(
    transcription_form,
    "file",
    "the recording: any sound or video file that a clip may be",
    required=True,
)
transcription_form.add_argument(
    "model", location="form", default="whisper-1", help="any name: the service has one model"
)
transcription_form.add_argument(
    "response_format",
    location="form",
    choices=FORMATS,
    default="json",
    help=(
        "form of the answer. text, srt and vtt are plain text. diarized_json says who speaks:"
        " people of the gallery by name, strangers by number"
    ),
)
transcription_form.add_argument(
    "temperature", location="form", choices=("0",), default="0", help="0: nothing is guessed"
)
transcription_form.add_argument(
    GRANULARITIES,
    location="form",
    action="append",
    choices=GRANULES,
    default=["segment"],
    help="which times verbose_json has. May come twice",
)
add_flag(
    transcription_form,
    "stream",
    "true: the text comes while it is written, as server-sent events"
    " `transcript.text.delta`, and `transcript.text.done` at the end",
)
transcription_form.add_argument(
    KNOWN_NAMES,
    location="form",
    action="append",
    help="names of people outside the gallery, for this request alone. Without it, nobody",
)
transcription_form.add_argument(
    KNOWN_REFERENCES,
    location="form",
    action="append",
    help=f"speech of each as a data URL, {MOST_KNOWN} at most. Without it, there are no names",
)
transcription_form.add_argument(
    "chunking_strategy",
    location="form",
    choices=("auto",),
    default="auto",
    help="taken for the sake of OpenAI's clients: the service cuts at pauses",
)
add_transcribe_fields(transcription_form)
