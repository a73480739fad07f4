"""POST /v1/verify: a clip against a person of the gallery, or against another clip."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient

from tests.support.shapes import assert_error, enroll, media, send

MODALITIES = ("fused", "face", "voice")


def outcomes(body: dict[str, Any]) -> list[str]:
    return [body[m]["outcome"] for m in MODALITIES]


def test_against_a_person(client: FlaskClient) -> None:
    enroll(client, "ann")
    same = send(
        client, "/v1/verify", media=media(face="ann", voice="ann", take=2), person_id="ann"
    ).get_json()
    assert outcomes(same) == ["same"] * 3
    assert set(same["face"]) == {
        "outcome",
        "score",
        "threshold",
        "probability",
        "decided_by",
    }
    assert same["face"]["score"] > same["face"]["threshold"]
    different = send(
        client, "/v1/verify", media=media(face="eve", voice="eve"), person_id="ann"
    ).get_json()
    assert outcomes(different) == ["different"] * 3
    assert different["voice"]["score"] < different["voice"]["threshold"]


def test_against_a_clip(client: FlaskClient) -> None:
    body = send(
        client,
        "/v1/verify",
        media=media(face="ann", voice="ann"),
        reference=media(face="ann", take=2),
    ).get_json()
    assert outcomes(body)[1:] == ["same", "no_probe"]
    assert body["voice"]["score"] is None
    body = send(
        client, "/v1/verify", media=media(face="ann"), reference=media(face="ben"), person_id=""
    ).get_json()
    assert body["face"]["outcome"] == "different"
    assert client.get("/v1/people").get_json()["total"] == 0


def test_exactly_one_side_to_compare_with(client: FlaskClient) -> None:
    assert (
        "neither"
        in assert_error(
            send(client, "/v1/verify", media=media(face="ann")), 400, "invalid_request"
        )["message"]
    )
    both = send(
        client, "/v1/verify", media=media(face="ann"), reference=media(face="ann"), person_id="ann"
    )
    assert "both" in assert_error(both, 400, "invalid_request")["message"]


def test_what_is_missing_or_broken(client: FlaskClient) -> None:
    assert_error(send(client, "/v1/verify", person_id="ann"), 400, "media_missing")
    assert_error(
        send(client, "/v1/verify", media=media(face="ann"), person_id="nobody"),
        404,
        "person_not_found",
    )
    assert_error(
        send(client, "/v1/verify", media=media(face="ann"), reference=media(b"")),
        422,
        "media_empty",
    )
    assert_error(
        send(client, "/v1/verify", media=media(face="ann"), reference=media(b"text")),
        415,
        "media_type",
    )
    assert_error(
        send(client, "/v1/verify", media=media(face="ann"), reference="clip.mp4"),
        400,
        "media_missing",
    )
    assert_error(
        send(client, "/v1/verify", media=media(), reference=media(face="ann")), 422, "no_biometric"
    )
