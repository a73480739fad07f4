"""/v1/people: create, list, show, change and forget people, and their templates."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.shapes import assert_error, enroll, media, send
from tests.support.waiting import until


def test_create_show_change_forget(client: FlaskClient) -> None:
    made = client.post(
        "/v1/people",
        json={"person_id": "ann@example.com", "name": " Ann Lee ", "note": "front desk"},
    )
    assert made.status_code == 201
    assert made.headers["Location"] == "/v1/people/ann@example.com"
    person = made.get_json()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", person.pop("created_at"))
    assert person == {
        "person_id": "ann@example.com",
        "name": "Ann Lee",
        "note": "front desk",
        "templates": {"face": 0, "voice": 0},
        "consent": "",
        "retention_days": None,
        "enrolled_at": None,
        "expires_at": None,
        "last_seen_at": None,
        "quality": {"face": None, "voice": None},
        "has_picture": False,
    }
    assert client.get("/v1/people/ann@example.com").get_json()["name"] == "Ann Lee"

    changed = client.patch("/v1/people/ann@example.com", json={"name": "Ann Smith"}).get_json()
    assert (changed["name"], changed["note"]) == ("Ann Smith", "front desk")
    assert client.patch("/v1/people/ann@example.com", json={"note": ""}).get_json()["note"] == ""

    gone = client.delete("/v1/people/ann@example.com")
    assert (gone.status_code, gone.data) == (204, b"")
    assert_error(client.get("/v1/people/ann@example.com"), 404, "person_not_found")


def test_id_is_made_and_name_defaults_to_the_id(client: FlaskClient) -> None:
    made = client.post("/v1/people", json={"name": "Zoë"}).get_json()
    assert made["person_id"] != "Zoë"
    assert client.get(f"/v1/people/{made['person_id']}").get_json()["name"] == "Zoë"
    assert client.post("/v1/people", json={"person_id": "ben"}).get_json()["name"] == "ben"


def test_id_is_taken(client: FlaskClient) -> None:
    assert client.post("/v1/people", json={"person_id": "ann"}).status_code == 201
    assert_error(client.post("/v1/people", json={"person_id": "ann"}), 409, "person_exists")


@pytest.mark.parametrize("field", ["person_id", "name", "note"])
@pytest.mark.parametrize("value", ["x" * 5000, "a\x00b", "\ud800", "a\u202eb"])
def test_texts_that_cannot_be_stored(client: FlaskClient, field: str, value: str) -> None:
    assert_error(
        client.post("/v1/people", json={"person_id": "ok", "name": "ok"} | {field: value}),
        422,
        "invalid_name",
    )
    assert client.get("/v1/people").get_json()["total"] == 0


@pytest.mark.parametrize(
    "person_id", ["", "../etc/passwd", "/etc/passwd", "a/b", "..", ".", "a b", "-rf", "ännchen"]
)
def test_ids_with_path_tricks(client: FlaskClient, person_id: str) -> None:
    assert_error(client.post("/v1/people", json={"person_id": person_id}), 422, "invalid_name")


def test_list_by_pages_and_search(client: FlaskClient) -> None:
    for number in range(7):
        client.post(
            "/v1/people",
            json={"person_id": f"p{number}", "name": "Ann" if number == 3 else f"Ben {number}"},
        )
    page = client.get("/v1/people?offset=2&limit=3").get_json()
    assert [p["person_id"] for p in page["people"]] == ["p2", "p3", "p4"]
    assert (page["total"], page["offset"], page["limit"]) == (7, 2, 3)
    assert [p["person_id"] for p in client.get("/v1/people?search=aNN").get_json()["people"]] == [
        "p3"
    ]
    assert client.get("/v1/people?search=%25").get_json()["total"] == 0, (
        "a percent sign is no wildcard"
    )
    assert client.get("/v1/people?offset=100").get_json()["people"] == []


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=x",
        "limit=1.5",
        "limit=%C2%B2",
        "limit=",
        "offset=-1",
        "offset=1e3",
        "limit=5&limit=6",
        "offset=" + "9" * 30,
    ],
)
def test_bad_page(client: FlaskClient, query: str) -> None:
    assert_error(client.get(f"/v1/people?{query}"), 400, "invalid_request")


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "/v1/people/{}"),
        ("DELETE", "/v1/people/{}"),
        ("GET", "/v1/people/{}/templates"),
        ("DELETE", "/v1/people/{}/templates/t1"),
    ],
)
def test_unknown_person(client: FlaskClient, method: str, url: str) -> None:
    assert_error(client.open(url.format("nobody"), method=method), 404, "person_not_found")
    for never in ("x" * 3000, "a%00b", "%ff", "..%5cx", "é"):
        assert_error(client.open(url.format(never), method=method), 422, "invalid_name")


def test_unknown_person_is_not_changed_or_enrolled(client: FlaskClient) -> None:
    assert_error(client.patch("/v1/people/nobody", json={"name": "x"}), 404, "person_not_found")
    assert_error(
        send(client, "/v1/people/nobody/templates", media=media(face="ann")),
        404,
        "person_not_found",
    )
    assert client.get("/v1/people").get_json()["total"] == 0


def test_change_needs_a_field(client: FlaskClient) -> None:
    client.post("/v1/people", json={"person_id": "ann"})
    assert_error(client.patch("/v1/people/ann", json={}), 400, "invalid_request")
    assert_error(client.patch("/v1/people/ann", json={"person_id": "ben"}), 400, "invalid_request")
    assert_error(client.patch("/v1/people/ann", json={"name": ""}), 422, "invalid_name")


def test_enroll_adds_and_replaces(client: FlaskClient) -> None:
    first = enroll(client, "ann")
    assert {t["modality"] for t in first["templates"]} == {"face", "voice"}
    assert first["person"]["templates"] == {"face": 1, "voice": 1}
    assert first["hints"] == []
    assert first["duplicate"] is None
    second = send(client, "/v1/people/ann/templates", media=media(face="ann", take=2)).get_json()
    assert second["person"]["templates"] == {"face": 2, "voice": 1}
    listed = client.get("/v1/people/ann/templates").get_json()["templates"]
    assert [t["template_id"] for t in listed] == [
        t["template_id"] for t in first["templates"] + second["templates"]
    ]
    assert {"encoder_id", "source_sha256", "created_at", "quality"} < set(listed[0])
    assert "vector" not in listed[0]
    replaced = send(
        client,
        "/v1/people/ann/templates",
        media=media(face="ann", voice="ann", take=3),
        replace="True",
    ).get_json()
    assert replaced["person"]["templates"] == {"face": 1, "voice": 1}


def test_enroll_needs_a_clip_with_a_person(client: FlaskClient) -> None:
    enroll(client, "ann")
    for bad, status, code in ((b"", 422, "media_empty"), (b"hello", 415, "media_type")):
        assert_error(
            send(client, "/v1/people/ann/templates", media=media(bad), replace="true"), status, code
        )
    assert_error(
        send(client, "/v1/people/ann/templates", media=media(), replace="true"), 422, "no_biometric"
    )
    assert client.get("/v1/people/ann").get_json()["templates"] == {"face": 1, "voice": 1}, (
        "nothing is lost"
    )


def test_the_same_person_under_a_second_id(client: FlaskClient) -> None:
    enroll(client, "ann")
    client.post("/v1/people", json={"person_id": "anna"})
    refused = send(
        client, "/v1/people/anna/templates", media=media(face="ann", voice="ann", take=9)
    )
    assert assert_error(refused, 409, "duplicate_person")["details"]["person_id"] == "ann"
    assert client.get("/v1/people/anna/templates").get_json()["templates"] == []
    forced = send(
        client,
        "/v1/people/anna/templates",
        media=media(face="ann", voice="ann", take=9),
        force="true",
    )
    assert forced.status_code == 201
    assert forced.get_json()["duplicate"]["person_id"] == "ann"


def test_forget_one_template(client: FlaskClient) -> None:
    face = next(t for t in enroll(client, "ann")["templates"] if t["modality"] == "face")
    enroll(client, "ben")
    assert_error(
        client.delete(f"/v1/people/ben/templates/{face['template_id']}"), 404, "template_not_found"
    )
    assert client.delete(f"/v1/people/ann/templates/{face['template_id']}").status_code == 204
    assert_error(
        client.delete(f"/v1/people/ann/templates/{face['template_id']}"), 404, "template_not_found"
    )
    assert client.get("/v1/people/ann").get_json()["templates"] == {"face": 0, "voice": 1}


def test_two_enrolments_of_one_person_at_once(app: Flask) -> None:
    client = app.test_client()
    client.post("/v1/people", json={"person_id": "ann"})

    def enrol(take: int) -> int:
        return send(
            app.test_client(),
            "/v1/people/ann/templates",
            media=media(face="ann", voice="ann", take=take),
        ).status_code

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(enrol, range(8))) == [201] * 8
    assert client.get("/v1/people/ann").get_json()["templates"] == {"face": 8, "voice": 8}


def test_health(client: FlaskClient) -> None:
    enroll(client, "ann")
    health = client.get("/v1/health").get_json()
    assert health["status"] == "ok"
    assert health["people"] == 1
    assert health["models_loaded"] is True
    assert health["role"] == "admin"
    assert health["encoders"] == {"face": "face-1", "voice": "voice-1", "fused": "fusion-1"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", health["version"])


def test_head_and_options(client: FlaskClient) -> None:
    assert client.head("/v1/people").status_code == 200
    options = client.options("/v1/people")
    assert "POST" in options.headers["Allow"]
    assert "Access-Control-Allow-Origin" not in options.headers


def test_kinds_and_orders(client: FlaskClient) -> None:
    enroll(client, "ann")
    for person_id, name in (("ben", "Zoe"), ("cem", "Amy")):
        client.post("/v1/people", json={"person_id": person_id, "name": name})

    def ids(query: str) -> list[str]:
        people = client.get(f"/v1/people?{query}").get_json()["people"]
        return [person["person_id"] for person in people]

    assert ids("kind=no_face") == ["ben", "cem"]
    assert ids("sort=name&descending=true") == ["ben", "ann", "cem"]
    assert ids("kind=no_voice&sort=name&limit=1") == ["cem"]
    for query in ("kind=", "kind=tall", "sort=age", "descending=2", "kind=all&kind=all"):
        assert_error(client.get(f"/v1/people?{query}"), 400, "invalid_request")


def test_suspects_are_listed_with_when_they_were_looked_for(client: FlaskClient) -> None:
    enroll(client, "ann")
    enroll(client, "ben")
    twin = {"media": media(face="ann", voice="ann", take=3), "force": "true"}
    client.post("/v1/people", json={"person_id": "twin"})
    assert send(client, "/v1/people/twin/templates", **twin).status_code == 201

    def listed(kind: str) -> tuple[list[str], dict[str, Any]]:
        until(lambda: not client.get(f"/v1/people?kind={kind}").get_json()["check"]["is_checking"])
        body = client.get(f"/v1/people?kind={kind}").get_json()
        return [person["person_id"] for person in body["people"]], body["check"]

    ids, check = listed("duplicate")
    assert ids == ["ann", "twin"]
    assert (check["people"], check["total"], bool(check["checked_at"])) == (3, 3, True)
    assert listed("mixed")[0] == []
    assert client.get("/v1/people").get_json()["check"] is None
    client.post("/v1/people/ann/distinct", json={"other": "twin"})
    assert listed("duplicate")[0] == []
