"""/v1/people: terms, merge, move, export, thumbnail; /v1/identifications: feedback; and
what every route does with bad input.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

from gallery.tables import people
from tests.support.gallery_parts import make_recognizer
from tests.support.shapes import assert_error, enroll, media, send
from utils.config import Settings
from utils.errors import StorageFullError, StoreUnavailableError
from web.factory import create_app

JSON_ROUTES = (
    ("POST", "/v1/people", {"person_id": "new"}),
    ("PATCH", "/v1/people/ann", {"name": "Ann"}),
    ("POST", "/v1/people/ann/merge", {"other": "ben"}),
    ("POST", "/v1/people/ann/templates/{template}/move", {"to": "ben"}),
    ("POST", "/v1/identifications/r1/feedback", {"person_id": "ann", "same": True}),
)
JSON_IDS = [url.rsplit("/", 1)[1] for _, url, _ in JSON_ROUTES]
BAD_TEXTS = {
    "NUL": "a\0b",
    "newline": "a\nb",
    "right-to-left": "a\u202eb",
    "10,000": "x" * 10_000,
    "emoji": "👩‍🚀",
    "SQL": "x'; DROP TABLE people;--",
    "HTML": "<script>alert(1)</script>",
    "surrogate": "\ud800",
    "empty": "",
}


@pytest.fixture
def gallery(client: FlaskClient) -> dict[str, str]:
    """Ann and Ben with a face and a voice each, an answer r1 that named Ann; answers
    with values for URLs.
    """
    first = enroll(client, "ann")
    enroll(client, "ben")
    asked = client.post(
        "/v1/identify",
        data={"media": media(face="ann", voice="ann", take=5)},
        headers={"X-Request-ID": "r1"},
    )
    assert asked.get_json()["fused"]["match"]["person_id"] == "ann"
    return {
        "template": first["templates"][0]["template_id"],
        "voice": first["templates"][1]["template_id"],
    }


def ids(client: FlaskClient) -> list[str]:
    return [p["person_id"] for p in client.get("/v1/people").get_json()["people"]]


# ---- terms


def test_terms_of_a_person(client: FlaskClient) -> None:
    made = client.post(
        "/v1/people", json={"person_id": "ann", "consent": "on paper", "retention_days": 30}
    ).get_json()
    assert (made["consent"], made["retention_days"], made["enrolled_at"], made["last_seen_at"]) == (
        "on paper",
        30,
        None,
        None,
    )
    end = datetime.fromisoformat(made["expires_at"])
    assert end - datetime.fromisoformat(made["created_at"]) == timedelta(days=30)
    changed = client.patch(
        "/v1/people/ann", json={"retention_days": None, "consent": "withdrawn"}
    ).get_json()
    assert (changed["expires_at"], changed["retention_days"], changed["consent"]) == (
        None,
        None,
        "withdrawn",
    )
    listed = client.get("/v1/people").get_json()["people"][0]
    assert listed == changed


@pytest.mark.parametrize("days", [0, -3, 36501, 10**25, 1.5, "30", True, [30]])
def test_bad_retention(client: FlaskClient, days: object) -> None:
    refused = client.post("/v1/people", json={"person_id": "ann", "retention_days": days})
    assert "retention_days" in assert_error(refused, 400, "invalid_request")["message"]
    assert ids(client) == []


def test_expired_people_are_gone_with_the_next_request(client: FlaskClient, app: Flask) -> None:
    enroll(client, "ann")
    client.post("/v1/people", json={"person_id": "ben"})
    client.patch("/v1/people/ann", json={"retention_days": 30})
    store = app.extensions["duet"].recognizer.store
    with store.database.write() as connection:
        connection.execute(
            update(people)
            .where(people.c.person_id == "ann")
            .values(enrolled_at=datetime.now(UTC) - timedelta(days=40))
        )
    client.patch("/v1/people/ben", json={"note": "terms are looked at again"})
    assert ids(client) == ["ben"]
    gone = store.events(action="forget_expired")
    assert [(e.actor, e.outcome) for e in gone] == [("service", "deleted")]


def test_a_store_that_takes_no_writes_answers_all_the_same(
    client: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = app.extensions["duet"].recognizer.store
    for error in (StoreUnavailableError("locked"), StorageFullError("full")):

        def fail(error: Exception = error) -> None:
            raise error

        store._look_at = 0.0
        monkeypatch.setattr(store, "forget_expired", fail)
        assert client.get("/v1/people").status_code == 200


# ---- merge and move


def test_merge(client: FlaskClient, gallery: dict[str, str]) -> None:
    merged = client.post("/v1/people/ann/merge", json={"other": "ben"})
    assert merged.status_code == 200
    assert merged.get_json()["templates"] == {"face": 2, "voice": 2}
    assert ids(client) == ["ann"]
    assert_error(
        client.post("/v1/people/ann/merge", json={"other": "ben"}), 404, "person_not_found"
    )
    assert_error(
        client.post("/v1/people/ben/merge", json={"other": "ann"}), 404, "person_not_found"
    )


def test_merge_with_oneself(client: FlaskClient, gallery: dict[str, str]) -> None:
    assert_error(client.post("/v1/people/ann/merge", json={"other": "ann"}), 400, "invalid_request")
    assert ids(client) == ["ann", "ben"]


def test_two_merges_at_once(app: Flask, client: FlaskClient, gallery: dict[str, str]) -> None:
    def merge(pair: tuple[str, str]) -> int:
        return (
            app.test_client()
            .post(f"/v1/people/{pair[0]}/merge", json={"other": pair[1]})
            .status_code
        )

    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(merge, [("ann", "ben"), ("ben", "ann")] * 2))
    assert sorted(codes) == [200, 404, 404, 404]
    assert client.get("/v1/people").get_json()["people"][0]["templates"] == {"face": 2, "voice": 2}


def test_move(client: FlaskClient, gallery: dict[str, str]) -> None:
    url = "/v1/people/ann/templates/{}/move"
    moved = client.post(url.format(gallery["template"]), json={"to": "ben"}).get_json()
    assert (moved["person_id"], moved["templates"]) == ("ben", {"face": 2, "voice": 1})
    assert_error(
        client.post(url.format(gallery["template"]), json={"to": "ben"}), 404, "template_not_found"
    )
    assert_error(
        client.post(url.format(gallery["voice"]), json={"to": "ben"}), 409, "last_template"
    )
    assert client.get("/v1/people/ann").get_json()["templates"] == {"face": 0, "voice": 1}


def test_move_to_somebody_new(client: FlaskClient, gallery: dict[str, str]) -> None:
    url = f"/v1/people/ann/templates/{gallery['template']}/move"
    assert_error(client.post(url, json={"to": "cem"}), 404, "person_not_found")
    assert_error(client.post(url, json={"to": "ben", "create": True}), 409, "person_exists")
    made = client.post(url, json={"create": True, "name": "Cem"}).get_json()
    assert (made["name"], made["templates"]) == ("Cem", {"face": 1, "voice": 0})
    assert ids(client) == sorted(["ann", "ben", made["person_id"]])


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "x"},
        {"to": "ben", "name": "x"},
        {"create": False},
        {"create": "yes"},
        {"to": None},
        {"to": "ann"},
    ],
)
def test_move_without_a_clear_target(
    client: FlaskClient, gallery: dict[str, str], body: dict[str, object]
) -> None:
    assert_error(
        client.post(f"/v1/people/ann/templates/{gallery['template']}/move", json=body),
        400,
        "invalid_request",
    )
    assert client.get("/v1/people/ann").get_json()["templates"] == {"face": 1, "voice": 1}


def test_everything_twice(client: FlaskClient, gallery: dict[str, str]) -> None:
    for url, code in (
        (f"/v1/people/ann/templates/{gallery['template']}", "template_not_found"),
        ("/v1/people/ann", "person_not_found"),
    ):
        assert client.delete(url).status_code == 204
        assert_error(client.delete(url), 404, code)


# ---- feedback


def test_feedback(client: FlaskClient, gallery: dict[str, str], app: Flask) -> None:
    url = "/v1/identifications/r1/feedback"
    kept = client.post(url, json={"person_id": "ann", "same": False}).get_json()
    assert kept == {
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
    client: FlaskClient, gallery: dict[str, str], body: dict[str, object]
) -> None:
    assert_error(client.post("/v1/identifications/r1/feedback", json=body), 400, "invalid_request")


def test_feedback_on_the_compatible_route(client: FlaskClient, gallery: dict[str, str]) -> None:
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


# ---- export and thumbnail


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
    found = json.loads(answer.data)
    assert found["person"]["person_id"] == "ann"
    assert [len(t["vector"]) for t in found["templates"]] == [512, 512]
    assert found["templates"][0]["media"]["faces"]["base64"]
    assert [e["action"] for e in found["events"]] == ["create_person", "enroll"]
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


def test_no_thumbnail_unless_media_are_kept(client: FlaskClient, gallery: dict[str, str]) -> None:
    error = assert_error(client.get("/v1/people/ann/thumbnail"), 404, "thumbnail_not_found")
    assert "DUET_KEEP_MEDIA" in error["hint"]


# ---- bad input, on every route with a JSON body


def ask(
    client: FlaskClient, gallery: dict[str, str], method: str, url: str, **more: Any
) -> TestResponse:
    return client.open(url.format(**gallery), method=method, **more)


@pytest.mark.parametrize(("method", "url", "body"), JSON_ROUTES, ids=JSON_IDS)
def test_bodies_that_are_refused(
    client: FlaskClient, gallery: dict[str, str], method: str, url: str, body: dict[str, object]
) -> None:
    for content_type in (
        "text/plain",
        "",
        "text/json",
        "multipart/form-data",
        "application/x-www-form-urlencoded",
    ):
        assert_error(
            ask(client, gallery, method, url, data=json.dumps(body), content_type=content_type),
            415,
            "content_type",
        )
    assert_error(
        ask(client, gallery, method, url, json={**body, "surname": "x"}), 400, "invalid_request"
    )
    assert_error(
        ask(client, gallery, f"{method}", url + "?dry_run=1", json=body), 400, "invalid_request"
    )
    for broken in (
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b"\xff\xfe",
        b'{"a":' * 20_000,
        b'{"person_id": "x", "person_id": "y"}',
    ):
        refused = ask(client, gallery, method, url, data=broken, content_type="application/json")
        assert refused.status_code in (400, 413)
        assert_error(
            refused,
            refused.status_code,
            {400: "invalid_request", 413: "media_too_large"}[refused.status_code],
        )
    assert ids(client) == ["ann", "ben"]


@pytest.mark.parametrize(("method", "url", "body"), JSON_ROUTES, ids=JSON_IDS)
def test_ten_megabytes_of_json(
    client: FlaskClient, gallery: dict[str, str], method: str, url: str, body: dict[str, object]
) -> None:
    data = json.dumps({**body, next(iter(body)): "x" * 10_000_000}).encode()
    assert_error(
        ask(client, gallery, method, url, data=data, content_type="application/json"),
        413,
        "media_too_large",
    )


@pytest.mark.parametrize("text", BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_odd_texts(client: FlaskClient, gallery: dict[str, str], text: str) -> None:
    """As an id nowhere; as a name only where it is one line of readable text, and then
    it comes back as it was sent.
    """
    move = f"/v1/people/ann/templates/{gallery['template']}/move"
    for url, body in (
        ("/v1/people/ann/merge", {"other": text}),
        (move, {"to": text}),
        (move, {"to": text, "create": True}),
        ("/v1/identifications/r1/feedback", {"person_id": text, "same": True}),
        ("/v1/people", {"person_id": text}),
    ):
        assert_error(client.post(url, json=body), 422, "invalid_name")
    readable = text in (BAD_TEXTS["emoji"], BAD_TEXTS["SQL"], BAD_TEXTS["HTML"])
    for url, method, body in (
        ("/v1/people/ann", "PATCH", {"name": text}),
        (move, "POST", {"create": True, "to": "cem", "name": text}),
    ):
        answer = client.open(url, method=method, json=body)
        if readable:
            assert answer.get_json()["name"] == text
            assert answer.mimetype == "application/json"
        else:
            assert_error(answer, 422, "invalid_name")
    assert ids(client) == (["ann", "ben", "cem"] if readable else ["ann", "ben"])


@pytest.mark.parametrize(
    "text", [BAD_TEXTS[k] for k in ("NUL", "right-to-left", "10,000", "surrogate")]
)
def test_odd_consents(client: FlaskClient, gallery: dict[str, str], text: str) -> None:
    assert_error(client.patch("/v1/people/ann", json={"consent": text}), 422, "invalid_name")
    assert (
        client.patch("/v1/people/ann", json={"consent": "line one\nline two"}).get_json()["consent"]
        == "line one\nline two"
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "merge"), ("GET", "export"), ("GET", "thumbnail"), ("POST", "templates/0/move")],
)
def test_odd_people_in_the_url(
    client: FlaskClient, gallery: dict[str, str], method: str, path: str
) -> None:
    body: dict[str, Any] = (
        {"json": {"other": "ben"}}
        if path == "merge"
        else {"json": {"to": "ben"}}
        if method == "POST"
        else {}
    )
    for never in (
        "x" * 3000,
        "a%00b",
        "%ff",
        "..%5cx",
        "é",
        "a%0Ab",
        "%E2%80%AE",
        "%F0%9F%98%80",
        "x';--",
        "%3Cb%3E",
    ):
        assert_error(
            client.open(f"/v1/people/{never}/{path}", method=method, **body), 422, "invalid_name"
        )
    assert_error(
        client.open(f"/v1/people/nobody/{path}", method=method, **body), 404, "person_not_found"
    )
