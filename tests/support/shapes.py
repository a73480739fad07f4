"""The one shape of an error, and short ways to send requests.

An error is `{"error": {"code", "message", "hint", "request_id"}}`. `assert_error` checks
it on every error path.
"""

from __future__ import annotations

import io
import re
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.gallery_parts import clip


def assert_error(response: TestResponse, status: int, code: str) -> dict[str, Any]:
    """Check status, shape, headers and that nothing of the server leaks.

    Answer with the inner object.
    """
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.mimetype == "application/json"
    body = response.get_json()
    assert set(body) == {"error"}
    error = body["error"]
    assert set(error) - {"details"} == {"code", "message", "hint", "request_id"}
    assert error["code"] == code
    assert error["message"]
    assert error["request_id"] == response.headers["X-Request-ID"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"
    assert not re.search(
        r'Traceback|File "|(?<!cli)\.py|/data/|/tmp/|upload-', response.get_data(as_text=True)
    )
    return error


def media(data: bytes | None = None, name: str = "clip.mp4", **who: Any) -> tuple[io.BytesIO, str]:
    """A file field: these bytes, or a clip of these people."""
    return io.BytesIO(clip(**who) if data is None else data), name


def send(client: FlaskClient, url: str, **form: Any) -> TestResponse:
    """POST a multipart form."""
    return client.post(url, data=form, content_type="multipart/form-data")


def enroll(client: FlaskClient, who: str, **more: Any) -> dict[str, Any]:
    """Create a person and enrol a clip with face and voice."""
    assert (
        client.post("/v1/people", json={"person_id": who, "name": who.title()}).status_code == 201
    )
    response = send(client, f"/v1/people/{who}/templates", media=media(face=who, voice=who), **more)
    assert response.status_code == 201, response.get_data(as_text=True)
    return response.get_json()


def person_ids(client: FlaskClient) -> list[str]:
    """The ids of all people, in the order of the list."""
    return [person["person_id"] for person in client.get("/v1/people").get_json()["people"]]
