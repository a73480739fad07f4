"""The service over the real recognizer and a real SQLite file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.fixtures import (
    app,
    client,
    clip,
    gallery,
    quick_schema,
    recognizer,
    settings,
    wordy,
)
from tests.support.shapes import enroll, media

__all__ = ["app", "client", "clip", "gallery", "quick_schema", "recognizer", "settings", "wordy"]


@pytest.fixture
def templates(client: FlaskClient) -> dict[str, str]:
    """Ids of a template and of one of the voice of Ann, for URLs.

    Ann and Ben are enrolled with a face and a voice each. The answer r1 names Ann.
    """
    first = enroll(client, "ann")
    enroll(client, "ben")
    asked = client.post(
        "/v1/identify",
        data={"media": media(face="ann", voice="ann", take=5)},
        headers={"X-Request-ID": "r1"},
    )
    assert asked.get_json()["fused"]["match"]["person_id"] == "ann"
    return {
        "template": first["templates"][0]["template_id"],
        "voice": first["templates"][1]["template_id"],
    }


@pytest.fixture
def openai_client(app: Flask) -> Iterator[Any]:
    """The real client of OpenAI's API, over the service without a socket."""
    openai = pytest.importorskip("openai", reason="requirements-dev.txt is not installed")
    httpx = pytest.importorskip("httpx2", reason="requirements-dev.txt is not installed")

    transport = httpx.WSGITransport(app=app)
    with httpx.Client(transport=transport) as http:
        yield openai.OpenAI(
            api_key="none", base_url="http://127.0.0.1/v1", http_client=http, max_retries=0
        )
