"""POST /v1/identify over the real recognizer and store."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.shapes import assert_error, enroll, media, send

MODALITIES = ("fused", "face", "voice")


def outcomes(body: dict[str, Any]) -> list[str]:
    return [body[m]["outcome"] for m in MODALITIES]


@pytest.fixture
def enrolled_three(client: FlaskClient) -> FlaskClient:
    for who in ("ann", "ben", "cem"):
        enroll(client, who)
    return client


def check_names_ben(decision: dict[str, Any]) -> None:
    """Check every field of a decision that names Ben."""
    assert set(decision) == {
        "outcome",
        "match",
        "runner_up",
        "threshold",
        "margin",
        "reason",
        "decided_by",
        "extrapolated",
    }
    assert isinstance(decision["extrapolated"], bool)
    assert decision["outcome"] == "accepted"
    assert (decision["match"]["person_id"], decision["match"]["name"]) == ("ben", "Ben")
    assert decision["match"]["score"] > decision["threshold"]
    assert math.isclose(
        decision["match"]["score"] - decision["threshold"], decision["margin"], abs_tol=2e-6
    )
    assert 0.5 < decision["match"]["probability"] <= 1
    assert decision["reason"]


def test_a_known_person(enrolled_three: FlaskClient) -> None:
    response = send(
        enrolled_three,
        "/v1/identify",
        media=media(face="ben", voice="ben", take=2, hints=["come_closer"]),
    )
    assert response.status_code == 200
    body = response.get_json()
    assert set(body) == {
        "duplicates",
        "fused",
        "face",
        "voice",
        "others",
        "gallery",
        "quality",
        "people_in_view",
        "hints",
        "liveness",
        "encoders",
        "timings_ms",
        "request_id",
    }
    for modality in MODALITIES:
        assert body[modality]["decided_by"] == modality
        check_names_ben(body[modality])
    assert body["others"] == []
    assert body["gallery"] == {"people": 3, "fpir": 0.01}
    assert body["quality"]["face"]["size_px"] == 80
    assert body["quality"]["voice"]["speech_s"] == 3
    assert {"code": "come_closer", "text": "come closer"} in body["hints"]
    assert body["encoders"] == {"face": "face-1", "voice": "voice-1", "fused": "fusion-1"}
    assert body["timings_ms"]["decode"] == 1
    assert all(ms >= 0 for ms in body["timings_ms"].values())
    assert body["request_id"] == response.headers["X-Request-ID"]
    assert "vector" not in response.get_data(as_text=True)


def test_a_stranger_gets_no_name(enrolled_three: FlaskClient) -> None:
    body = send(enrolled_three, "/v1/identify", media=media(face="eve", voice="eve")).get_json()
    assert outcomes(body) == ["unknown"] * 3
    assert all(body[m]["match"] is None and body[m]["threshold"] is not None for m in MODALITIES)


def test_nobody_is_known_yet(client: FlaskClient) -> None:
    body = send(client, "/v1/identify", media=media(face="eve", voice="eve")).get_json()
    assert outcomes(body) == ["unknown"] * 3
    assert body["gallery"]["people"] == 0


def test_one_modality_answers_alone(enrolled_three: FlaskClient) -> None:
    assert outcomes(
        send(enrolled_three, "/v1/identify", media=media(face="ann", take=2)).get_json()
    ) == [
        "accepted",
        "accepted",
        "no_probe",
    ]
    body = send(enrolled_three, "/v1/identify", media=media(voice="ann", take=2)).get_json()
    assert outcomes(body) == ["accepted", "no_probe", "accepted"]
    face = body["face"]
    assert [face[k] for k in ("match", "runner_up", "threshold", "margin")] == [None] * 4
    assert body["quality"]["face"] is None


def test_face_and_voice_of_two_people(enrolled_three: FlaskClient) -> None:
    body = send(
        enrolled_three, "/v1/identify", media=media(face="ann", voice="ben", take=2)
    ).get_json()
    assert outcomes(body) == ["conflict", "accepted", "accepted"]
    assert body["fused"]["match"] is None


def test_neither_face_nor_speech(enrolled_three: FlaskClient) -> None:
    error = assert_error(
        send(enrolled_three, "/v1/identify", media=media(hints=["no_face", "no_speech"])),
        422,
        "no_biometric",
    )
    assert {h["code"] for h in error["details"]["hints"]} >= {"no_face", "no_speech"}


def test_nothing_is_stored(enrolled_three: FlaskClient) -> None:
    send(enrolled_three, "/v1/identify", media=media(face="eve", voice="eve"))
    assert enrolled_three.get("/v1/people").get_json()["total"] == 3
    assert enrolled_three.get("/v1/people/ann").get_json()["templates"] == {"face": 1, "voice": 1}


def test_who_is_forgotten_is_unknown(enrolled_three: FlaskClient) -> None:
    enrolled_three.delete("/v1/people/ben")
    assert (
        outcomes(
            send(enrolled_three, "/v1/identify", media=media(face="ben", voice="ben")).get_json()
        )
        == ["unknown"] * 3
    )


def test_no_file(client: FlaskClient) -> None:
    assert_error(client.post("/v1/identify"), 400, "media_missing")
    assert_error(send(client, "/v1/identify"), 400, "media_missing")
    assert (
        "@"
        in assert_error(send(client, "/v1/identify", media="clip.mp4"), 400, "media_missing")[
            "hint"
        ]
    )
    assert_error(send(client, "/v1/identify", media=media(b"", name="")), 400, "media_missing")


def test_empty_file_and_text_named_mp4(client: FlaskClient) -> None:
    assert_error(send(client, "/v1/identify", media=media(b"")), 422, "media_empty")
    assert_error(send(client, "/v1/identify", media=media(b"this is no video")), 415, "media_type")


def test_two_files(client: FlaskClient) -> None:
    assert_error(
        send(client, "/v1/identify", media=[media(face="ann"), media(face="ben")]),
        400,
        "invalid_request",
    )


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "a\x00b.mp4",
        "x" * 5000 + ".mp4",
        "…\u202e.mp4",
        "C:\\clip.mp4",
        "no ending",
    ],
)
def test_the_files_name_does_not_matter(enrolled_three: FlaskClient, name: str) -> None:
    assert (
        outcomes(
            send(
                enrolled_three,
                "/v1/identify",
                media=media(name=name, face="ann", voice="ann", take=2),
            ).get_json()
        )
        == ["accepted"] * 3
    )


def test_parallel_answers_are_those_of_one_after_another(
    enrolled_three: FlaskClient, app: Flask
) -> None:
    def ask(who: str) -> dict[str, Any]:
        body = send(
            app.test_client(), "/v1/identify", media=media(face=who, voice=who, take=5)
        ).get_json()
        return {m: body[m] for m in MODALITIES}

    probes = ["ann", "ben", "cem", "eve"] * 4
    serial = [ask(who) for who in probes]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, probes)) == serial
