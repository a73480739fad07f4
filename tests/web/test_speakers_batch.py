"""The voice API: several recordings in one request."""

from __future__ import annotations

import io
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.shapes import assert_error, send
from tests.support.speakers import coded, register, sound


def test_batch_of_files_with_a_bad_one(client: FlaskClient) -> None:
    register(client, "ann")
    files = [
        (io.BytesIO(sound("ann", 2)), "a.wav"),
        (io.BytesIO(b"no sound"), "bad.wav"),
        (io.BytesIO(b""), "empty.wav"),
        (io.BytesIO(sound("ben")), "b.wav"),
    ]
    answer = send(client, "/batch", files=files)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    body = answer.get_json()
    assert (body["totalItems"], body["successCount"], body["errorCount"]) == (4, 2, 2)
    assert [r.get("error", {}).get("code") for r in body["results"]] == [
        None,
        "media_type",
        "media_empty",
        None,
    ]
    assert [r["filename"] for r in body["results"]] == ["a.wav", "bad.wav", "empty.wav", "b.wav"]
    assert [r["result"]["identified"] for r in body["results"] if "result" in r] == [True, False]


def test_feedback_on_an_item_of_a_batch(client: FlaskClient) -> None:
    for who in ("ann", "ben"):
        register(client, who)
    answer = client.post(
        "/batch",
        json={
            "operation": "identify",
            "items": [{"audioData": coded(who, 2)} for who in ("ann", "ben")],
        },
        headers={"X-Request-ID": "x" * 64},
    )
    answers = [r["result"] for r in answer.get_json()["results"]]
    assert [f["request_id"] for f in answers] == ["x" * 61 + "-0", "x" * 61 + "-1"]
    for f in answers:
        feedback = {"person_id": f["speaker_id"], "same": False}
        assert client.post(
            f"/v1/identifications/{f['request_id']}/feedback", json=feedback
        ).get_json()["modalities"] == ["voice"]


def test_batch_of_json_for_every_operation(client: FlaskClient) -> None:
    def batch(operation: str, *items: object) -> dict[str, Any]:
        answer = client.post("/batch", json={"operation": operation, "items": list(items)})
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.get_json()

    made = batch(
        "register",
        *[{"anonymousId": who, "audioData": coded(who)} for who in ("ann", "ben")],
        {"anonymousId": "x"},
        "text",
    )
    assert (made["successCount"], made["errorCount"]) == (2, 2)
    answer = batch(
        "identify",
        {"audioData": coded("ben", 2)},
        {"audioData": "%%%"},
        {"audioData": coded("ann", 2), "threshold": 0.8},
    )
    assert [r.get("result", {}).get("speaker_id") for r in answer["results"]] == [
        "ben",
        None,
        "ann",
    ]
    assert answer["results"][1]["error"]["code"] == "invalid_request"
    gone = batch("delete", {"anonymousId": "ann"}, {"anonymousId": "nobody"})
    assert [r["status"] for r in gone["results"]] == ["success", "error"]
    assert client.get("/speakers").get_json()["total"] == 1


@pytest.mark.parametrize(
    "body",
    [
        {"operation": "identify", "items": []},
        {"operation": "erase", "items": [1]},
        {"items": [1]},
        [],
        {"operation": "identify", "items": [{}] * 33},
        {"operation": "identify", "items": "x"},
    ],
)
def test_bad_batches(client: FlaskClient, body: dict[str, Any] | list[Any]) -> None:
    assert_error(client.post("/batch", json=body), 400, "invalid_request")


def test_a_batch_holds_32_files(client: FlaskClient) -> None:
    register(client, "ann")

    def files(count: int) -> list[tuple[io.BytesIO, str]]:
        return [(io.BytesIO(sound("ann", take)), f"{take}.wav") for take in range(count)]

    assert send(client, "/batch", files=files(32), threshold="0.8").get_json()["successCount"] == 32
    assert_error(send(client, "/batch", files=files(33)), 400, "invalid_request")
