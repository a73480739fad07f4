"""Requests of the voice API: what comes in, as fields and recordings."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import request

from recognition.voice_confidence import OWN_THRESHOLD
from utils.errors import InvalidRequestError
from web.guard.auth import staff_only
from web.wire import parse
from web.wire.json_text import parse_json

FILES = ("audio", "file", "files")
"""File fields that a recording may come in."""
MAX_JSON_BYTES = 8_000_000
"""Bytes of JSON with recordings in base64: 3 minutes of 16 kHz mono.

Longer recordings come as files.
"""
JSON_ONLY = ("audioData",)
OBJECTS = ("metadata", "metaverseContext")
"""Fields that are JSON objects. In a form they come as text."""
# float() also reads other digits, spaces and underscores
_DIGITS = re.compile(r"[-+.0-9eE]+")

Values = Mapping[str, Any]
Fields = Mapping[str, type | tuple[type, ...]]
"""Names and types of the fields that a request may have."""


@dataclass(frozen=True)
class VoiceRequest:
    """A request, or an item of a batch: its fields and its recordings.

    The answer is remembered for feedback under `request_id`; None = that of the request.
    """

    values: Values
    clips: list[parse.Upload] = field(default_factory=list)
    request_id: str | None = None


def read_request(fields: Fields) -> VoiceRequest:
    """Read a JSON body with the recording in `audioData`, or a form with files.

    Raises InvalidRequestError and what the readers of bodies raise.
    """
    if request.mimetype == parse.JSON:
        return read_object(parse.json_object(fields, ("audioData",), MAX_JSON_BYTES))
    names = [name for name in fields if name not in JSON_ONLY]
    values: dict[str, Any] = dict(parse.form(names, FILES))
    values |= {name: _parse_object(values[name], name) for name in OBJECTS if name in values}
    return VoiceRequest(values, parse.uploads(FILES))


def read_object(values: Values, request_id: str | None = None) -> VoiceRequest:
    """Read a JSON object, with the recording in `audioData` if it has one."""
    clips = []
    if "audioData" in values:
        clips.append(parse.decode_upload(values["audioData"], "audioData"))
    return VoiceRequest(values, clips, request_id)


def read_speaker_id(values: Values) -> str:
    """Read the id of the speaker, under either of its names. Raises InvalidRequestError."""
    ids = {values[name] for name in ("speaker_id", "anonymousId") if name in values}
    if len(ids) != 1:
        raise InvalidRequestError(
            "`speaker_id` (or `anonymousId`) is required. Received:"
            f" {'two of them' if ids else 'none'}"
        )
    return str(ids.pop())


def read_threshold(values: Values) -> float:
    """Read the confidence to reach, in [0, 1].

    Raises InvalidRequestError. Raises RoleForbiddenError when a kiosk asks for less than
    the product's own threshold.
    """
    value = values.get("threshold", OWN_THRESHOLD)
    try:
        threshold = float(value) + 0.0 if _DIGITS.fullmatch(str(value)) else math.nan
    except (ValueError, OverflowError):
        threshold = math.nan
    if not 0.0 <= threshold <= 1.0:
        raise InvalidRequestError(
            f"`threshold` must be a number from 0 to 1. Received: {str(value)[:40]!r}"
        )
    if threshold < OWN_THRESHOLD:
        staff_only(f"A threshold below {OWN_THRESHOLD}")
    return threshold


def _parse_object(text: str, name: str) -> dict[str, Any]:
    try:
        value = parse_json(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise InvalidRequestError(f"`{name}` must be a JSON object. Received: {text[:40]!r}")
    return value
