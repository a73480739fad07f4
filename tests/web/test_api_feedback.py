"""/v1/identifications: feedback on answers."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.shapes import assert_error, media, send


def test_feedback(client: FlaskClient, templates: dict[str, str], app: Flask) -> None:
    url = "/v1/identifications/r1/feedback"
    feedback = client.post(url, json={"person_id": "ann", "same": False}).get_json()
    assert feedback == {
        "request_id": "r1",
        "person_id": "ann",
        "same": False,
        "modalities": ["face", "fused", "voice"],
    }
    assert client.post(url, json={"person_id": "ann", "same": True}).status_code == 200
    recognizer = app.extensions["duet"].recognizer
    assert [
        t.same
        for t in recognizer.store.feedback_trials(
            recognizer.encoder_ids.to_dict(), recognizer.scale_ids.to_dict()
        )
    ] == [True] * 3
    assert_error(
        client.post(url, json={"person_id": "ben", "same": False}), 404, "identification_not_found"
    )
    assert_error(
        client.post(url, json={"person_id": "nobody", "same": False}), 404, "person_not_found"
    )
    for never in ("r2", "x" * 3000, "a%00b", "%3Cscript%3E"):
        again = client.post(
            f"/v1/identifications/{never}/feedback", json={"person_id": "ann", "same": False}
        )
        assert_error(again, 404, "identification_not_found")


@pytest.mark.parametrize(
    "body",
    [
        {"person_id": "ann"},
        {"same": True},
        {"person_id": "ann", "same": 1},
        {"person_id": "ann", "same": "true"},
        {"person_id": "ann", "same": None},
    ],
)
def test_feedback_says_who_and_what(
    client: FlaskClient, templates: dict[str, str], body: dict[str, object]
) -> None:
    assert_error(client.post("/v1/identifications/r1/feedback", json=body), 400, "invalid_request")


def test_feedback_on_the_compatible_route(client: FlaskClient, templates: dict[str, str]) -> None:
    asked = send(
        client,
        "/Identification_Request",
        media=media(face="ben", voice="ben", take=4),
        name="ben-4.mp4",
    )
    given = client.post(
        f"/v1/identifications/{asked.headers['X-Request-ID']}/feedback",
        json={"person_id": "ben", "same": True},
    )
    assert given.status_code == 200
