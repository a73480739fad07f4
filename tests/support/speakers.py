"""Requests to the voice API, with recordings of named people."""

from __future__ import annotations

import base64
import io
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.gallery_parts import clip
from tests.support.shapes import send


def sound(who: str, take: int = 1, **more: Any) -> bytes:
    """A recording of somebody."""
    return clip(voice=who, take=take, **more)


def coded(who: str, take: int = 1) -> str:
    """A recording in base64."""
    return base64.b64encode(sound(who, take)).decode()


def register(client: FlaskClient, who: str, *takes: int, **more: Any) -> TestResponse:
    """Register recordings of a speaker."""
    files = [(io.BytesIO(sound(who, take)), f"{who}-{take}.wav") for take in takes or (1,)]
    return send(client, "/speakers/register", speaker_id=who, audio=files, **more)


def identify(client: FlaskClient, who: str, take: int = 9, **more: Any) -> TestResponse:
    """Identify a recording of somebody."""
    return send(
        client, "/speakers/identify", audio=(io.BytesIO(sound(who, take)), "probe.wav"), **more
    )
