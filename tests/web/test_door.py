"""DUET_REQUIRE_BOTH over HTTP: a door names nobody by the face or the voice alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.gallery_parts import recognizer_of
from tests.support.shapes import enroll, media, send
from utils.config import Settings
from web.factory import create_app

BOTH = "Face and voice must both name the same person."


@pytest.fixture
def door(tmp_path: Path) -> Iterator[FlaskClient]:
    """A service that asks for both, with Ann and Ben. Its setting is read as an operator's."""
    environment = {"DUET_REQUIRE_BOTH": "1", "DUET_DATA_DIR": str(tmp_path / "d")}
    settings = Settings.from_env(environment)
    made = recognizer_of(settings)
    client = create_app({"SETTINGS": settings, "TESTING": True}, made).test_client()
    for who in ("ann", "ben"):
        enroll(client, who)
    yield client
    made.close()


def outcomes(body: dict[str, Any]) -> list[str]:
    return [body[modality]["outcome"] for modality in ("fused", "face", "voice")]


CLIPS = [
    ({"face": "ann", "voice": "ann"}, ["accepted", "accepted", "accepted"]),
    ({"face": "ann"}, ["unknown", "accepted", "no_probe"]),
    ({"voice": "ann"}, ["unknown", "no_probe", "accepted"]),
    ({"face": "ann", "voice": "eve"}, ["unknown", "accepted", "unknown"]),
    ({"face": "ann", "voice": "ben"}, ["unknown", "accepted", "accepted"]),
]


@pytest.mark.parametrize(("who", "expected"), CLIPS, ids=str)
def test_a_door_opens_to_face_and_voice_alone(
    door: FlaskClient, who: dict[str, Any], expected: list[str]
) -> None:
    body = send(door, "/v1/identify", media=media(take=2, **who)).get_json()
    assert outcomes(body) == expected
    opens = expected[0] == "accepted"
    assert (body["fused"]["match"] is not None) == opens
    assert body["fused"]["reason"].startswith(BOTH) != opens


@pytest.mark.parametrize(("who", "expected"), CLIPS, ids=str)
def test_a_door_verifies_nobody_by_one_of_the_two(
    door: FlaskClient, who: dict[str, Any], expected: list[str]
) -> None:
    body = send(door, "/v1/verify", media=media(take=2, **who), person_id="ann").get_json()
    assert (body["fused"]["outcome"] == "same") == (expected[0] == "accepted")


def test_first_sight_is_a_door(door: FlaskClient) -> None:
    form = {"name": "ann-2.mp4", "re_register": "False", "media": media(face="ann", take=2)}
    body = send(door, "/Identification_Request", **form).get_json()
    assert body["100001"].endswith("Unknown")
    assert body["100002"].endswith("ann")
    assert body["notice"].startswith(BOTH)
