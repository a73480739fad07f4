"""/v1/people: terms, merge, move."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from gallery.tables import people
from tests.support.shapes import assert_error, enroll, person_ids
from utils.errors import StorageFullError, StoreUnavailableError

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
    assert person_ids(client) == []


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
    assert person_ids(client) == ["ben"]
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


def test_merge(client: FlaskClient, templates: dict[str, str]) -> None:
    merged = client.post("/v1/people/ann/merge", json={"other": "ben"})
    assert merged.status_code == 200
    assert merged.get_json()["templates"] == {"face": 2, "voice": 2}
    assert person_ids(client) == ["ann"]
    assert_error(
        client.post("/v1/people/ann/merge", json={"other": "ben"}), 404, "person_not_found"
    )
    assert_error(
        client.post("/v1/people/ben/merge", json={"other": "ann"}), 404, "person_not_found"
    )


def test_merge_with_oneself(client: FlaskClient, templates: dict[str, str]) -> None:
    assert_error(client.post("/v1/people/ann/merge", json={"other": "ann"}), 400, "invalid_request")
    assert person_ids(client) == ["ann", "ben"]


def test_two_merges_at_once(app: Flask, client: FlaskClient, templates: dict[str, str]) -> None:
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


def test_move(client: FlaskClient, templates: dict[str, str]) -> None:
    url = "/v1/people/ann/templates/{}/move"
    moved = client.post(url.format(templates["template"]), json={"to": "ben"}).get_json()
    assert (moved["person_id"], moved["templates"]) == ("ben", {"face": 2, "voice": 1})
    assert_error(
        client.post(url.format(templates["template"]), json={"to": "ben"}),
        404,
        "template_not_found",
    )
    assert_error(
        client.post(url.format(templates["voice"]), json={"to": "ben"}), 409, "last_template"
    )
    assert client.get("/v1/people/ann").get_json()["templates"] == {"face": 0, "voice": 1}


def test_move_to_somebody_new(client: FlaskClient, templates: dict[str, str]) -> None:
    url = f"/v1/people/ann/templates/{templates['template']}/move"
    assert_error(client.post(url, json={"to": "cem"}), 404, "person_not_found")
    taken = client.post(url, json={"to": "ben", "create": True})
    assert_error(taken, 409, "person_exists")
    assert "Leave `create` out" in taken.get_json()["error"]["hint"]
    made = client.post(url, json={"create": True, "name": "Cem"}).get_json()
    assert (made["name"], made["templates"]) == ("Cem", {"face": 1, "voice": 0})
    assert person_ids(client) == sorted(["ann", "ben", made["person_id"]])


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
    client: FlaskClient, templates: dict[str, str], body: dict[str, object]
) -> None:
    assert_error(
        client.post(f"/v1/people/ann/templates/{templates['template']}/move", json=body),
        400,
        "invalid_request",
    )
    assert client.get("/v1/people/ann").get_json()["templates"] == {"face": 1, "voice": 1}


def test_everything_twice(client: FlaskClient, templates: dict[str, str]) -> None:
    for url, code in (
        (f"/v1/people/ann/templates/{templates['template']}", "template_not_found"),
        ("/v1/people/ann", "person_not_found"),
    ):
        assert client.delete(url).status_code == 204
        assert_error(client.delete(url), 404, code)
