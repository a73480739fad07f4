"""What a page learns of its key, and the smaller role that the kiosk asks for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from gallery.records.keys import Keys
from gallery.results import Role
from tests.support.shapes import assert_error, enroll, media, send

AS_KIOSK = {"X-Duet-Role": "kiosk"}


def access(client: FlaskClient, headers: dict[str, str]) -> tuple[str, str | None]:
    body = client.get("/v1/health", headers=headers).get_json()
    return body["key"], body["role"]


def test_health_tells_a_wrong_key_from_none(client: FlaskClient, keys: Keys) -> None:
    assert access(client, {}) == ("not_needed", "admin")
    for role in Role:
        assert access(client, {"X-API-Key": keys.create(role)[1]}) == ("good", str(role))
    assert access(client, {}) == ("missing", None)
    assert access(client, {"X-API-Key": "duet_00000000_x"}) == ("unknown", None)
    key, text = keys.create(Role.ADMIN)
    keys.revoke(key.key_id)
    assert access(client, {"X-API-Key": text}) == ("revoked", None)


def test_a_refusal_says_what_is_missing(
    client: FlaskClient, holding: Callable[[Role], dict[str, str]]
) -> None:
    kiosk = holding(Role.KIOSK)
    error = assert_error(client.get("/v1/people"), 401, "key_required")
    assert error["details"] == {"key": "missing"}
    error = assert_error(
        client.get("/v1/people", headers={"X-API-Key": "wrong"}), 401, "key_required"
    )
    assert error["details"] == {"key": "unknown"}
    error = assert_error(client.get("/v1/people", headers=kiosk), 403, "forbidden")
    assert error["details"] == {"role": "kiosk", "needed": ["operator", "admin"]}
    assert "keys create --role operator" in error["hint"]


def test_a_kiosk_without_a_key_is_no_admin(client: FlaskClient) -> None:
    enroll(client, "ben")
    assert access(client, AS_KIOSK) == ("not_needed", "kiosk")
    for method, url in (("GET", "/v1/people"), ("DELETE", "/v1/people/ben")):
        assert_error(client.open(url, method=method, headers=AS_KIOSK), 403, "forbidden")
    form = {"media": media(face="ben"), "force": "true"}
    answer = client.post(
        "/v1/people/ben/templates",
        data=form,
        headers=AS_KIOSK,
        content_type="multipart/form-data",
    )
    assert_error(answer, 403, "forbidden")
    asked = client.post("/v1/identify", data={"media": media(face="ben")}, headers=AS_KIOSK)
    assert asked.get_json()["fused"]["match"]["person_id"] == "ben"
    assert client.get("/v1/people").status_code == 200, "the operator's pages stay as they are"
    strange = {**AS_KIOSK, "Host": "evil.example"}
    assert_error(client.get("/v1/people", headers=strange), 403, "host_forbidden")


def test_nobody_takes_a_larger_role(
    client: FlaskClient, holding: Callable[[Role], dict[str, str]]
) -> None:
    kiosk = holding(Role.KIOSK)
    admin = holding(Role.ADMIN)
    for role in ("admin", "auditor"):
        headers = {**kiosk, "X-Duet-Role": role}
        assert_error(client.get("/v1/people", headers=headers), 403, "forbidden")
    assert_error(client.get("/v1/people", headers={**admin, **AS_KIOSK}), 403, "forbidden")
    for role in ("boss", "Admin", "x" * 1000):
        headers = {**admin, "X-Duet-Role": role}
        assert_error(client.get("/v1/people", headers=headers), 400, "invalid_request")
    nobody = {"X-Duet-Role": "admin"}
    assert_error(client.get("/v1/people", headers=nobody), 401, "key_required")


@pytest.mark.parametrize("name", ["Anna Kim", "ANNA KIM", " anna kim "])
def test_a_name_that_somebody_has(client: FlaskClient, name: str) -> None:
    def create(**fields: object) -> TestResponse:
        return client.post("/v1/people", json={"name": name, **fields})

    assert client.post("/v1/people", json={"name": "Anna Kim"}).status_code == 201
    error = assert_error(create(unique_name=True), 409, "name_taken")
    assert error["details"] == {"name": name.strip()}
    for other in ("Anna Ki", "nna Kim", "%"):
        body = {"name": other, "unique_name": True}
        assert client.post("/v1/people", json=body).status_code == 201, other
    assert create(unique_name=False).status_code == 201
    assert client.get("/v1/people").get_json()["total"] == 5
    assert_error(create(unique_name="yes"), 400, "invalid_request")


def test_a_kiosk_asks_before_it_enrols_a_namesake(client: FlaskClient) -> None:
    body = {"name": "Anna Kim", "unique_name": True}
    made = client.post("/v1/people", json=body, headers=AS_KIOSK)
    assert made.status_code == 201
    url = f"{made.headers['Location']}/templates"
    assert send(client, url, media=media(face="ann", voice="ann")).status_code == 201
    error = assert_error(client.post("/v1/people", json=body, headers=AS_KIOSK), 409, "name_taken")
    assert made.get_json()["person_id"] not in str(error), "a visitor learns no id"
