"""Messages of a client in a live session: how they are read, and what is refused."""

from __future__ import annotations

from typing import Any

from utils.errors import InvalidRequestError
from web.wire.json_text import parse_json

_MOST_TEXT = 64 * 1024
_MOST_SPEAKERS = 100
_MOST_NAME = 100
_MOST_TURNS = 1 << 31

Fields = dict[str, Any]


def read_message(text: str) -> Fields:
    """Read a message. Raises InvalidRequestError."""
    if len(text) > _MOST_TEXT:
        raise InvalidRequestError(
            f"A message of text may have {_MOST_TEXT:,} characters. Received: {len(text):,}"
        )
    try:
        fields = parse_json(text)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise InvalidRequestError(
            f"A message of text must be a JSON object. Received: {text[:40]!r}",
            "Send sound as binary messages.",
        )
    return fields


def read_number(fields: Fields) -> int:
    """Read the number of a speaker. Raises InvalidRequestError."""
    number = fields.get("speaker_id")
    if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < _MOST_SPEAKERS:
        return number
    raise InvalidRequestError(
        f"`speaker_id` must be a whole number from 0 to {_MOST_SPEAKERS - 1}. Received:"
        f" {str(number)[:40]!r}"
    )


def read_turn(fields: Fields) -> int:
    """Read the number of a turn. Raises InvalidRequestError."""
    turn_id = fields.get("turn_id")
    if isinstance(turn_id, int) and not isinstance(turn_id, bool) and abs(turn_id) < _MOST_TURNS:
        return turn_id
    raise InvalidRequestError(f"`turn_id` must be a whole number. Received: {str(turn_id)[:40]!r}")


def read_consent(fields: Fields) -> str:
    """Read what a person agreed to. Raises InvalidRequestError."""
    consent = fields.get("consent")
    if isinstance(consent, str) and consent.strip():
        return consent.strip()
    raise InvalidRequestError(
        f"`consent` must say what the person agreed to. Received: {str(consent)[:40]!r}"
    )


def read_name(name: Any) -> str:
    """Read the name of a speaker. Raises InvalidRequestError."""
    if isinstance(name, str) and name.strip() and len(name) <= _MOST_NAME and name.isprintable():
        return name.strip()
    raise InvalidRequestError(
        f"`name` must be a line of 1 to {_MOST_NAME} characters that can be seen. Received:"
        f" {str(name)[:40]!r}"
    )
