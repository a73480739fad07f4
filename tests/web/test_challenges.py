"""Challenges over HTTP: digits are asked for, read from the clip, and each failure has a code."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from flask.testing import FlaskClient

from speech import scribe
from tests.support.gallery_parts import recognizer_of
from tests.support.listening import Listener, listener
from tests.support.shapes import assert_error, media, send
from tests.support.talking import TalkingAligner
from utils.config import Settings
from utils.errors import ConfigError
from utils.media import Capture
from web.factory import create_app

__all__ = ["listener"]

ELSEWHERE = {"REMOTE_ADDR": "127.0.0.9"}
VISITOR = {"X-Duet-Role": "kiosk"}


@pytest.fixture
def strict(tmp_path: Path, listener: Listener) -> Iterator[FlaskClient]:
    """A service where digits must be said, with Ann, who was enrolled by force."""
    yield from serve(tmp_path, liveness_challenge="refuse")


def serve(folder: Path, **settings: Any) -> Iterator[FlaskClient]:
    """A service with these settings and with Ann."""
    made_settings = Settings.of(data_dir=folder / "d", **settings)
    made = recognizer_of(made_settings, aligner=TalkingAligner())
    client = create_app({"SETTINGS": made_settings, "TESTING": True}, made).test_client()
    client.post("/v1/people", json={"person_id": "ann", "name": "Ann Lee"})
    fields = {"media": media(face="ann", voice="ann"), "force": "true"}
    client.post("/v1/people/ann/templates", data=fields)
    yield client
    made.close()


def challenge(client: FlaskClient, language: str = "en", **more: Any) -> dict[str, Any]:
    """Ask for a challenge."""
    response = client.post("/v1/challenges", json={"language": language}, **more)
    assert response.status_code == 201, response.get_json()
    return dict(response.get_json())


def identify(client: FlaskClient, challenge_id: str = "", take: int = 2, **more: Any) -> Any:
    """Ask who is in a clip of Ann that carries a challenge."""
    fields = {"challenge": challenge_id} if challenge_id else {}
    data = {"media": media(face="ann", voice="ann", take=take), **fields}
    return client.post("/v1/identify", data=data, **more)


@pytest.mark.parametrize("language", ["en", "ko", "zh"])
def test_whoever_says_the_digits_is_named(
    strict: FlaskClient, listener: Listener, language: str
) -> None:
    asked = challenge(strict, language)
    listener.said = " ".join(asked["digits"])
    body = identify(strict, asked["challenge_id"]).get_json()
    assert body["fused"]["match"]["person_id"] == "ann"
    assert body["liveness"]["challenge"]["score"] == 6
    assert "".join(one["digit"] for one in body["liveness"]["digits"]) == asked["digits"]


def test_an_old_recording_is_rejected_and_visitors_see_no_figures(
    strict: FlaskClient, listener: Listener
) -> None:
    listener.said = "0 0 0 0 0 0"
    asked = challenge(strict, headers=VISITOR)
    body = identify(strict, asked["challenge_id"], headers=VISITOR).get_json()
    assert [body[m]["outcome"] for m in ("fused", "face", "voice")] == ["rejected"] * 3
    seen = body["liveness"]
    assert (seen["challenge"]["code"], seen["challenge"]["score"]) == ("wrong_digits", None)
    assert seen["digits"] == []
    unasked = identify(strict).get_json()
    assert unasked["liveness"]["challenge"]["code"] == "no_challenge"
    assert unasked["fused"]["outcome"] == "rejected"


def test_a_challenge_that_is_wrong_has_its_own_code(
    strict: FlaskClient, listener: Listener
) -> None:
    asked = challenge(strict)
    listener.said = asked["digits"]
    assert_error(identify(strict, "rubbish"), 404, "challenge_unknown")
    assert_error(identify(strict, "1767225600-" + "0" * 32), 410, "challenge_expired")
    foreign = identify(strict, asked["challenge_id"], environ_base=ELSEWHERE)
    assert_error(foreign, 403, "challenge_foreign")
    assert identify(strict, asked["challenge_id"]).status_code == 200
    assert_error(identify(strict, asked["challenge_id"], take=3), 409, "challenge_used")


def test_the_clip_that_answered_is_enrolled_with_its_challenge(
    strict: FlaskClient, listener: Listener
) -> None:
    asked = challenge(strict)
    listener.said = asked["digits"]
    strict.post("/v1/people", json={"person_id": "ben", "name": "Ben Kim"})
    url = "/v1/people/ben/templates"
    assert_error(send(strict, url, media=media(face="ben", voice="ben")), 422, "not_live")
    for route in ("/v1/identify", url):
        fields = {"media": media(face="ben", voice="ben"), "challenge": asked["challenge_id"]}
        assert send(strict, route, **fields).status_code in (200, 201)


def test_other_routes_take_a_challenge(strict: FlaskClient, listener: Listener) -> None:
    asked = challenge(strict)
    listener.said = asked["digits"]
    fields = {"name": "ann-2.mp4", "challenge": asked["challenge_id"]}
    lines = send(
        strict, "/Identification_Request", media=media(face="ann", voice="ann", take=2), **fields
    ).get_json()
    assert lines["100001"].endswith(" ann")
    asked = challenge(strict)
    listener.said = asked["digits"]
    verified = send(
        strict,
        "/v1/verify",
        media=media(face="ann", voice="ann", take=2),
        reference=media(face="ann", voice="ann"),
        challenge=asked["challenge_id"],
    ).get_json()
    assert verified["fused"]["outcome"] == "same"


def test_a_form_that_is_refused_uses_up_no_challenge(
    strict: FlaskClient, listener: Listener
) -> None:
    asked = challenge(strict)
    listener.said = asked["digits"]
    clips = {"media": media(face="ann", voice="ann"), "reference": media(face="ann", voice="ann")}
    fields = {"challenge": asked["challenge_id"], "show": "maybe"}
    assert_error(send(strict, "/v1/verify", **clips, **fields), 400, "invalid_request")
    asked_for = {"media": media(face="ann", voice="ann"), "challenge": asked["challenge_id"]}
    nobody = send(strict, "/v1/verify", **asked_for, person_id="nobody")
    assert_error(nobody, 404, "person_not_found")
    asked_for["media"] = media(face="ann", voice="ann")
    nowhere = send(strict, "/v1/identify", **asked_for, group="nope")
    assert_error(nowhere, 404, "group_not_found")
    assert identify(strict, asked["challenge_id"], take=3).status_code == 200


def test_whoever_is_rejected_five_times_must_wait(strict: FlaskClient, listener: Listener) -> None:
    for _ in range(5):
        assert identify(strict).get_json()["fused"]["outcome"] == "rejected"
    refused = identify(strict)
    assert_error(refused, 429, "rate_limited")
    assert 1 <= int(refused.headers["Retry-After"]) <= 180
    assert identify(strict, environ_base=ELSEWHERE).status_code == 200


def test_clips_that_come_at_once_are_no_more_tries(tmp_path: Path) -> None:
    gathered = Barrier(8)

    class GatheringAligner(TalkingAligner):
        mouth = "still"

        def change(self, capture: Capture) -> Capture:
            gathered.wait(60)
            return super().change(capture)

    settings = Settings.of(
        data_dir=tmp_path / "d", liveness_mouth_motion="refuse", slots=8, visit_days=1
    )
    made = recognizer_of(settings, aligner=GatheringAligner())
    app = create_app({"SETTINGS": settings, "TESTING": True}, made)
    with ThreadPoolExecutor(8) as threads:
        answers = threads.map(lambda take: identify(app.test_client(), take=take), range(8))
        statuses = [answer.status_code for answer in answers]
    noted = (made.store.list_visits(), made.store.events(action="identify"))
    made.close()
    assert [len(rows) for rows in noted] == [5, 5], "what is withheld is no visit"
    assert sorted(statuses) == [200] * 5 + [429] * 3


@pytest.mark.parametrize("body", [{"language": "xx"}, {"language": 1}, {"digits": "1"}, []])
def test_rubbish_is_refused(strict: FlaskClient, body: Any) -> None:
    assert_error(strict.post("/v1/challenges", json=body), 400, "invalid_request")


def test_challenges_can_be_off(tmp_path: Path, listener: Listener) -> None:
    client = next(serve(tmp_path, liveness_challenge="off"))
    assert_error(client.post("/v1/challenges", json={}), 400, "invalid_request")
    assert identify(client).get_json()["liveness"]["challenge"] is None


def test_without_speech_to_text_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scribe, "is_installed", lambda _: False)
    client = next(serve(tmp_path / "report"))
    error = assert_error(client.post("/v1/challenges", json={}), 501, "speech_unavailable")
    assert "requirements-speech.txt" in error["hint"]
    with pytest.raises(ConfigError, match="LIVENESS_CHALLENGE"):
        next(serve(tmp_path / "refuse", liveness_challenge="refuse"))


@pytest.mark.parametrize(
    ("mode", "url", "asks"),
    [
        ("refuse", "/kiosk", "true"),
        ("report", "/kiosk", "false"),
        ("report", "/kiosk?digits", "true"),
        ("off", "/kiosk?digits", "false"),
    ],
)
def test_the_kiosk_asks_for_digits_where_nobody_is_named_without(
    tmp_path: Path, listener: Listener, mode: str, url: str, asks: str
) -> None:
    made_settings = Settings.of(data_dir=tmp_path / "d", liveness_challenge=mode)
    made = recognizer_of(made_settings)
    app = create_app({"SETTINGS": made_settings, "SWAGGER_UI": True}, made)
    assert f'data-digits="{asks}"' in app.test_client().get(url).get_data(as_text=True)
    made.close()
