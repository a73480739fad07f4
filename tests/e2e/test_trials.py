"""Clips that are easily answered wrongly, through the service with the networks that are shipped.

Mixed clips, posters, people in turn, odd sound: those of the acceptance trials, where
they are there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from assembly import build_recognizer
from tests.support.shapes import assert_error, send
from utils.config import ROOT, Settings
from web.factory import create_app

DATA = Path(os.environ.get("DUET_SHARED_DATA", ROOT.parent / "shared" / "data"))
PEOPLE = DATA / "clips" / "people"
TRIALS = DATA.parent / "accept" / "trials"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not TRIALS.is_dir(), reason="the acceptance trials are not here"),
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """A service that knows five of the people whose faces or voices are in the trials."""
    settings = Settings.of(
        data_dir=tmp_path_factory.mktemp("trials"), model_dir=ROOT / "best_model"
    )
    recognizer = build_recognizer(settings)
    client = create_app({"SETTINGS": settings, "TESTING": True}, recognizer).test_client()
    for person in ("ar02", "ar04", "ar07", "ar09", "ar13"):
        clip = min((PEOPLE / person / "enroll").iterdir())
        assert ask(client, f"/v1/people/{person}/templates", clip).status_code == 201
    yield client
    recognizer.close()


def ask(client: FlaskClient, route: str, clip: str | Path, **more: str) -> Any:
    """Send a trial by its name, or another clip. A person of a route is created."""
    path = TRIALS / clip
    if route.endswith("/templates"):
        client.post("/v1/people", json={"person_id": route.split("/")[3]})
    with path.open("rb") as file:
        return send(client, route, media=(file, path.name), **more)


def outcomes(body: dict[str, Any]) -> list[str]:
    return [body[modality]["outcome"] for modality in ("fused", "face", "voice")]


@pytest.mark.parametrize(
    ("clip", "face", "voice"),
    [
        ("face_ar04_voice_of_stranger.mp4", "ar04", None),
        ("face_ar07_voice_ar09.mp4", "ar07", "ar09"),
    ],
)
def test_a_mixed_clip_is_a_conflict(
    client: FlaskClient, clip: str, face: str, voice: str | None
) -> None:
    body = ask(client, "/v1/identify", clip).get_json()
    assert (body["fused"]["outcome"], body["fused"]["match"]) == ("conflict", None)
    assert body["face"]["match"]["person_id"] == face
    assert body["voice"]["match"] is None or body["voice"]["match"]["person_id"] == voice
    for person in filter(None, (face, voice)):
        verdict = ask(client, "/v1/verify", clip, person_id=person).get_json()["fused"]
        assert verdict["outcome"] in ("conflict", "different")
        assert verdict["probability"] < 0.5


@pytest.mark.parametrize("clip", ["face_ar04_voice_of_stranger.mp4", "face_ar07_voice_ar09.mp4"])
def test_a_mixed_clip_is_nobody_new(client: FlaskClient, clip: str) -> None:
    refused = ask(client, "/v1/people/new/templates", clip)
    assert refused.status_code in (409, 422)
    assert refused.get_json()["error"]["code"] in ("duplicate_person", "mixed_people")
    sight = ask(client, "/Identification_Request", clip, name="new-1.mp4").get_json()
    assert sight["100001"].endswith("Unknown")
    assert "Not registered as new" in sight["notice"]


def test_who_talks_beside_a_larger_poster_is_the_main_face(client: FlaskClient) -> None:
    body = ask(client, "/v1/identify", "bigger_poster_of_ar02_speaker_ar13.mp4").get_json()
    assert body["fused"]["match"]["person_id"] == body["face"]["match"]["person_id"] == "ar13"
    assert body["people_in_view"] == 2
    assert "several_people" in {hint["code"] for hint in body["hints"]}
    named = ask(
        client, "/v1/identify", "bigger_poster_of_ar02_speaker_ar13.mp4", all_faces="true"
    ).get_json()
    assert [other["match"]["person_id"] for other in named["others"]] == ["ar02"]


@pytest.mark.parametrize(
    ("clip", "code"),
    [("two_people_in_turn.mp4", "mixed_people"), ("poster_of_stranger.mp4", "several_people")],
)
def test_an_enrolment_is_one_person_unless_by_force(
    client: FlaskClient, clip: str, code: str
) -> None:
    assert_error(ask(client, f"/v1/people/{code}/templates", clip), 422, code)
    forced = ask(client, f"/v1/people/{code}/templates", clip, force="true")
    assert forced.status_code == 201
    client.delete(f"/v1/people/{code}")


def test_one_of_two_in_turn_is_not_taken_for_the_other(client: FlaskClient) -> None:
    """Who is enrolled by force from a clip of two is one of them."""
    ask(client, "/v1/people/turn/templates", "two_people_in_turn.mp4", force="true")
    probes = ("probe_first_of_two.mp4", "probe_second_of_two.mp4")
    answers = [ask(client, "/v1/identify", clip).get_json()["face"] for clip in probes]
    client.delete("/v1/people/turn")
    named = [(answer["match"] or {}).get("person_id") for answer in answers]
    assert named.count("turn") <= 1


@pytest.mark.parametrize("ending", ["wav", "m4a"])
def test_eight_channels_are_read(client: FlaskClient, ending: str) -> None:
    """They hold tones, and nobody who speaks."""
    assert_error(ask(client, "/v1/identify", f"eight_channels.{ending}"), 422, "no_biometric")


@pytest.mark.parametrize(
    ("clip", "has_face", "has_voice"),
    [
        ("two_tracks_first_silent.mp4", True, True),
        ("two_tracks_second_default.mp4", True, True),
        ("out_of_phase.webm", False, True),
        ("group_12mp_face_66px.jpg", True, False),
    ],
)
def test_a_face_and_a_voice_are_found_in_odd_files(
    client: FlaskClient, clip: str, has_face: bool, has_voice: bool
) -> None:
    _, face, voice = outcomes(ask(client, "/v1/identify", clip).get_json())
    assert (face != "no_probe", voice != "no_probe") == (has_face, has_voice)


def test_a_further_clip_of_one_person_is_a_duplicate_of_one(client: FlaskClient) -> None:
    """Also where the gallery is that one person."""
    clip = min((PEOPLE / "ar13" / "test").iterdir())
    refused = ask(client, "/v1/people/again/templates", clip)
    assert assert_error(refused, 409, "duplicate_person")["details"]["person_id"] == "ar13"
