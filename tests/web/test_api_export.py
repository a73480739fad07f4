"""/v1/people: export and thumbnail."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from tests.support.gallery_parts import make_recognizer
from tests.support.shapes import assert_error, enroll
from utils.config import Settings
from web.factory import create_app


@pytest.fixture
def keeping(settings: Settings) -> Iterator[FlaskClient]:
    """A service that keeps media."""
    settings = settings.replace(keep_media=True)
    made = make_recognizer(settings.storage.data_dir, keep_media=True)
    yield create_app({"SETTINGS": settings, "TESTING": True}, made).test_client()
    made.close()


def test_export(keeping: FlaskClient) -> None:
    enroll(keeping, "ann")
    answer = keeping.get("/v1/people/ann/export")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="person-ann.json"'
    assert answer.headers["Cache-Control"] == "no-store"
    export = json.loads(answer.data)
    assert export["person"]["person_id"] == "ann"
    assert [len(t["vector"]) for t in export["templates"]] == [512, 512]
    assert export["templates"][0]["media"]["faces"]["base64"]
    assert [e["action"] for e in export["events"]] == ["create_person", "enroll"]
    assert_error(keeping.get("/v1/people/nobody/export"), 404, "person_not_found")


def test_thumbnail(keeping: FlaskClient) -> None:
    enroll(keeping, "ann")
    picture = keeping.get("/v1/people/ann/thumbnail")
    assert (picture.status_code, picture.mimetype, picture.data[8:12]) == (
        200,
        "image/webp",
        b"WEBP",
    )
    assert picture.headers["X-Content-Type-Options"] == "nosniff"
    keeping.post("/v1/people", json={"person_id": "ben"})
    assert_error(keeping.get("/v1/people/ben/thumbnail"), 404, "thumbnail_not_found")
    assert_error(keeping.get("/v1/people/nobody/thumbnail"), 404, "person_not_found")


def test_no_thumbnail_unless_media_are_kept(client: FlaskClient, templates: dict[str, str]) -> None:
    error = assert_error(client.get("/v1/people/ann/thumbnail"), 404, "thumbnail_not_found")
    assert "DUET_KEEP_MEDIA" in error["hint"]
