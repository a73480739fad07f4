"""Turns of a recording as a clip of one voice."""

from __future__ import annotations

import io
from typing import cast

import soundfile
from flask import request

from recognition.requests import ClipFile
from speech.excerpts import Span, cut_excerpts
from utils.arrays import RATE_HZ
from utils.errors import InvalidRequestError
from web.state import settings
from web.wire.json_text import parse_json
from web.wire.parse import Upload
from web.wire.uploads import UploadRequest

MOST_TURNS = 200


def read_turns(upload: Upload, text: str) -> ClipFile:
    """Cut turns out of an upload. Without any it is the clip itself.

    Raises InvalidRequestError, MediaError.
    """
    if not text:
        return upload.clip
    samples = cut_excerpts(
        upload.path,
        _parse(text),
        max_s=settings().speech.max_speech_s,
        filename=upload.filename,
    )
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE_HZ, format="WAV")
    path = cast(UploadRequest, request).keep(buffer.getvalue())
    return ClipFile(path, "turns.wav")


def _parse(text: str) -> list[Span]:
    """Read pairs of start and end in seconds. Raises InvalidRequestError."""
    try:
        spans = [(_read_time(start), _read_time(end)) for start, end in parse_json(text)]
    except (ValueError, TypeError, OverflowError):
        spans = []
    is_ordered = all(0 <= start < end for start, end in spans)
    if not is_ordered or not 1 <= len(spans) <= MOST_TURNS:
        raise InvalidRequestError(
            f"`turns` must be 1 to {MOST_TURNS} pairs of start and end in seconds, in JSON."
            f" Received: {text[:40]!r}"
        )
    return spans


def _read_time(value: object) -> float:
    """Read a number. Raises TypeError, and OverflowError beyond any float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)
