"""Who may ask what: every route without a key, with a bad one, and with those of all roles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import delete

from gallery.audit import ACTOR
from gallery.records.keys import Keys
from gallery.results import Role
from gallery.tables import api_keys
from recognition.recognizer import Recognizer
from tests.support.gallery_parts import open_gallery
from tests.support.routes import closed, routes
from tests.support.shapes import assert_error, media
from utils.config import Settings
from utils.errors import ConfigError
from web.factory import create_app
from web.guard import roles


def test_every_route_has_roles_and_every_entry_a_route(client: FlaskClient) -> None:
    assert {name for name, _, _ in routes(client.application)} == set(roles.ROUTES)
    assert set(roles.CLIPS) <= set(roles.ROUTES)


def test_without_a_key(client: FlaskClient, holding: Callable[[Role], dict[str, str]]) -> None:
    holding(Role.AUDITOR)  # from the first key on, whatever its role
    for _, method, url in closed(client.application):
        answer = client.open(url, method=method)
        assert "needs an API key" in assert_error(answer, 401, "key_required")["message"]
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert_error(client.get("/nope"), 401, "key_required")
    assert client.head("/v1/people").status_code == 401
    assert client.options("/v1/people").status_code == 401


@pytest.mark.parametrize("kind", ["wrong", "revoked"])
def test_with_a_bad_key(
    client: FlaskClient, keys: Keys, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The limit has a test of its own
    monkeypatch.setattr("web.guard.limits.Limits.count_wrong_key", lambda _: None)
    made, text = keys.create(Role.ADMIN)
    if kind == "revoked":
        keys.revoke(made.key_id)
    headers = {
        "X-API-Key": text if kind == "revoked" else text[:-1] + ("a" if text[-1] != "a" else "b")
    }
    for _, method, url in closed(client.application):
        message = assert_error(
            client.open(url, method=method, headers=headers), 401, "key_required"
        )["message"]
        assert ("revoked" in message) == (kind == "revoked")


@pytest.mark.parametrize("role", list(Role))
def test_with_the_key_of_each_role(
    client: FlaskClient, holding: Callable[[Role], dict[str, str]], role: Role
) -> None:
    headers = holding(role)
    for name, method, url in closed(client.application):
        answer = client.open(url, method=method, headers=headers)
        if role in roles.ROUTES[name]:
            assert answer.status_code not in (401, 403), name
        else:
            assert str(role) in assert_error(answer, 403, "forbidden")["message"], name
    assert_error(client.get("/nope", headers=headers), 404, "not_found")
    assert client.options("/v1/people", headers=headers).status_code == 200


FOR_ADMINS = {
    "GET /v1/keys",
    "POST /v1/keys",
    "DELETE /v1/keys/<string:key_id>",
    "GET /v1/settings",
    "GET /v1/backups",
    "POST /v1/backups",
    "GET /metrics",
    "GET /v1/people/<string:person_id>/export",
}
"""What an operator may not do. All else is an operator's, and a new route must choose."""


def test_an_operator_has_all_but_the_service_itself(
    client: FlaskClient, holding: Callable[[Role], dict[str, str]]
) -> None:
    headers = holding(Role.OPERATOR)
    refused = set()
    for name, method, url in closed(client.application):
        answer = client.open(url, method=method, headers=headers)
        if answer.status_code == 403:
            refused.add(name)
            details = assert_error(answer, 403, "forbidden")["details"]
            assert details["role"] == "operator"
            assert details["needed"][-1] == "admin"
    assert refused == FOR_ADMINS
    for_kiosk = {"X-Duet-Role": "kiosk", **headers}
    assert_error(client.get("/v1/people", headers=for_kiosk), 403, "forbidden")
    for_admin = {"X-Duet-Role": "admin", **headers}
    assert_error(client.get("/v1/keys", headers=for_admin), 403, "forbidden")


def test_an_operator_forces_replaces_and_deletes(
    client: FlaskClient, holding: Callable[[Role], dict[str, str]]
) -> None:
    headers = holding(Role.OPERATOR)
    client.post("/v1/people", json={"person_id": "ann"}, headers=headers)
    for form in ({}, {"force": "true"}, {"replace": "true"}):
        answer = client.post(
            "/v1/people/ann/templates",
            data={"media": media(face="ann", voice="ann"), **form},
            headers=headers,
        )
        assert answer.status_code == 201, answer.get_data(as_text=True)
    assert client.get("/v1/audit?person_id=ann", headers=headers).status_code == 200
    assert client.get("/v1/health", headers=headers).get_json()["role"] == "operator"
    assert client.delete("/v1/people/ann", headers=headers).status_code == 204


def test_a_route_that_the_table_forgot_is_for_admins(
    client: FlaskClient, holding: Callable[[Role], dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(roles.ROUTES, "GET /v1/audit")
    assert_error(client.get("/v1/audit", headers=holding(Role.AUDITOR)), 403, "forbidden")
    assert client.get("/v1/audit", headers=holding(Role.ADMIN)).status_code == 200


def test_what_needs_no_key(client: FlaskClient, holding: Callable[[Role], dict[str, str]]) -> None:
    auditor = holding(Role.AUDITOR)
    for url in ("/", "/swagger.json", "/swaggerui/swagger-ui-bundle.js"):
        assert client.get(url, buffered=True).status_code == 200
    for headers in ({}, {"X-API-Key": "wrong"}, auditor):
        health = client.get("/v1/health", headers=headers).get_json()
        assert set(health) == {"status", "key", "role"}
    assert client.get("/v1/health", headers=holding(Role.KIOSK)).get_json()["people"] == 0


@pytest.mark.parametrize("header", ["X-API-Key", "Authorization"])
def test_both_headers(client: FlaskClient, keys: Keys, header: str) -> None:
    _, text = keys.create(Role.ADMIN)
    headers = {header: text if header == "X-API-Key" else f"Bearer {text}"}
    assert client.get("/v1/people", headers=headers).status_code == 200
    assert (
        client.get("/v1/people", headers=headers | {"Host": "kiosk.example.com"}).status_code == 200
    )


def test_the_key_of_the_environment_stays_an_admin_key(
    settings: Settings, recognizer: Recognizer, keys: Keys
) -> None:
    client = create_app(
        {"SETTINGS": settings.replace(api_key="correct horse")}, recognizer
    ).test_client()
    _, text = keys.create(Role.KIOSK)
    assert client.get("/v1/people", headers={"X-API-Key": "correct horse"}).status_code == 200
    assert recognizer.store.events(1)[0].action == "create_key"
    assert_error(client.get("/v1/people", headers={"X-API-Key": text}), 403, "forbidden")
    assert_error(client.get("/v1/people"), 401, "key_required")


def test_a_key_that_is_revoked_elsewhere_is_refused_at_once(
    client: FlaskClient, keys: Keys, settings: Settings
) -> None:
    made, text = keys.create(Role.ADMIN)
    assert client.get("/v1/people", headers={"X-API-Key": text}).status_code == 200
    other = open_gallery(settings.storage.data_dir)
    Keys(other.database).revoke(made.key_id)
    other.close()
    assert_error(client.get("/v1/people", headers={"X-API-Key": text}), 401, "key_required")
    assert_error(client.get("/v1/people"), 401, "key_required")


def test_the_first_key_closes_a_running_service(client: FlaskClient, keys: Keys) -> None:
    assert client.get("/v1/people").status_code == 200
    assert_error(client.get("/v1/people", headers={"Host": "evil.example"}), 403, "host_forbidden")
    keys.create(Role.KIOSK)
    assert_error(client.get("/v1/people"), 401, "key_required")


def test_the_audit_names_the_key(client: FlaskClient, keys: Keys, recognizer: Recognizer) -> None:
    client.post("/v1/people", json={"person_id": "ann"})
    made, text = keys.create(Role.ADMIN)
    client.post("/v1/people", json={"person_id": "ben"}, headers={"X-API-Key": text})
    assert [(e.actor, e.action) for e in recognizer.store.events()] == [
        (made.key_id, "create_person"),
        ("local", "create_key"),
        ("local", "create_person"),
    ]
    assert ACTOR.get() == "local", "what this thread does next is nobody's request"


class TestReachable:
    """A service that others can reach needs a key."""

    @pytest.mark.parametrize(
        "reachable",
        [{"host": "0.0.0.0"}, {"host": "::"}, {"host": "192.168.1.5"}, {"trusted_proxies": 1}],
    )
    def test_with_and_without(
        self, settings: Settings, recognizer: Recognizer, keys: Keys, reachable: dict[str, Any]
    ) -> None:
        config = {"SETTINGS": settings.replace(**reachable)}
        with pytest.raises(ConfigError, match="API key") as refused:
            create_app(config, recognizer)
        assert "cli.py keys create" in refused.value.hint
        made, _ = keys.create(Role.ADMIN)
        create_app(config, recognizer)
        keys.revoke(made.key_id)
        with pytest.raises(ConfigError):
            create_app(config, recognizer)
        create_app({"SETTINGS": settings.replace(api_key="k", **reachable)}, recognizer)

    def test_a_database_whose_keys_are_gone_opens_nothing(
        self, settings: Settings, recognizer: Recognizer, keys: Keys
    ) -> None:
        """A backup from before the first key is put back while the service runs."""
        keys.create(Role.ADMIN)
        client = create_app(
            {"SETTINGS": settings.replace(host="0.0.0.0")}, recognizer
        ).test_client()
        with recognizer.store.database.write() as connection:
            connection.execute(delete(api_keys))
        assert_error(client.get("/v1/people"), 401, "key_required")
