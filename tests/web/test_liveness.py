"""Checks for liveness over HTTP: who sees their figures, and what a rejected clip is answered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.gallery_parts import recognizer_of
from tests.support.shapes import media
from tests.support.talking import TalkingAligner
from utils.config import Settings
from web.factory import create_app

VISITOR = {"X-Duet-Role": "kiosk"}


@pytest.fixture
def aligner() -> TalkingAligner:
    """Shows somebody who talks, until its `mouth` is still."""
    return TalkingAligner()


@pytest.fixture
def strict(tmp_path: Path, aligner: TalkingAligner) -> Iterator[FlaskClient]:
    """A service with Ann where the mouth must move."""
    settings = Settings.of(
        data_dir=tmp_path / "d", liveness_mouth_motion="refuse", liveness_audio_visual_sync="off"
    )
    made = recognizer_of(settings, aligner=aligner)
    client = create_app({"SETTINGS": settings, "TESTING": True}, made).test_client()
    client.post("/v1/people", json={"person_id": "ann", "name": "Ann Lee"})
    client.post("/v1/people/ann/templates", data={"media": media(face="ann", voice="ann")})
    yield client
    made.close()


def ask(client: FlaskClient, route: str = "/v1/identify", **more: Any) -> dict[str, Any]:
    """Ask about a clip of Ann. The status is 200."""
    fields = {"media": media(face="ann", voice="ann", take=2), **more.pop("data", {})}
    response = client.post(route, data=fields, **more)
    assert response.status_code == 200, response.get_json()
    return dict(response.get_json())


def test_a_rejected_clip_is_answered_with_200_and_without_a_name(
    strict: FlaskClient, aligner: TalkingAligner
) -> None:
    assert ask(strict)["fused"]["match"]["person_id"] == "ann"
    aligner.mouth = "still"
    body = ask(strict)
    assert [body[m]["outcome"] for m in ("fused", "face", "voice")] == ["rejected"] * 3
    assert "Ann" not in str({**body, "gallery": None})
    lines = ask(strict, "/Identification_Request", data={"name": "ann-2.mp4"})
    assert lines["100001"].endswith("Unknown")
    assert lines["notice"].startswith("The clip must pass the check mouth_motion.")


@pytest.mark.parametrize("route", ["/v1/identify", "/v1/verify"])
def test_operators_see_the_figures_of_checks_and_visitors_do_not(
    strict: FlaskClient, route: str
) -> None:
    reference = {"reference": media(face="ann", voice="ann")} if "verify" in route else {}
    seen = ask(strict, route, data=dict(reference))["liveness"]["mouth_motion"]
    assert seen["score"] > seen["threshold"] > 0
    reference = {"reference": media(face="ann", voice="ann")} if "verify" in route else {}
    hidden = ask(strict, route, data=dict(reference), headers=VISITOR)["liveness"]
    assert hidden["outcome"] == hidden["mouth_motion"]["outcome"] == "pass"
    assert (hidden["mouth_motion"]["score"], hidden["mouth_motion"]["threshold"]) == (None, None)
