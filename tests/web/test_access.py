"""Who may ask what: every route with no key, a wrong one, a revoked one and the keys of
all roles, and how often.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete
from werkzeug.test import TestResponse

from gallery.audit import ACTOR
from gallery.records.keys import Keys, Role
from gallery.tables import api_keys
from recognition.recognizer import Recognizer
from tests.support.gallery_parts import open_gallery
from tests.support.shapes import assert_error, enroll, media
from tests.support.waiting import LIMIT_S
from utils.config import Settings
from utils.errors import ConfigError
from web.factory import create_app
from web.guard import roles
from web.guard.limits import CLIP_COST, WRONG_KEYS, parse_allowance

LIMITED = "3/minute"


@pytest.fixture
def keys(recognizer: Recognizer) -> Keys:
    return Keys(recognizer.store.database)


@pytest.fixture
def client(settings: Settings, recognizer: Recognizer) -> FlaskClient:
    return create_app(
        {"SETTINGS": settings.replace(rate_limit=""), "SWAGGER_UI": True}, recognizer
    ).test_client()


@pytest.fixture
def limited(settings: Settings, recognizer: Recognizer) -> FlaskClient:
    return create_app({"SETTINGS": settings.replace(rate_limit=LIMITED)}, recognizer).test_client()


@pytest.fixture
def holding(keys: Keys) -> Callable[[Role], dict[str, str]]:
    """Role → headers with a new key."""
    return lambda role: {"X-API-Key": keys.create(role)[1]}


def routes(app: Flask) -> Iterator[tuple[str, str, str]]:
    """(key in the table of roles, method, URL) of everything that the service answers."""
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield f"{method} {rule.rule}", method, re.sub("<[^>]+>", "ann", rule.rule)


def closed(app: Flask) -> list[tuple[str, str, str]]:
    """Those that need a key."""
    return [found for found in routes(app) if roles.ROUTES[found[0]] != roles.OPEN]


def test_every_route_has_roles_and_every_entry_a_route(client: FlaskClient) -> None:
    assert {name for name, _, _ in routes(client.application)} == set(roles.ROUTES)
    assert set(roles.CLIPS) <= set(roles.ROUTES)


def test_without_a_key(client: FlaskClient, holding: Callable[[Role], dict[str, str]]) -> None:
    holding(Role.AUDITOR)  # from the first key on, whatever its role
    for _, method, url in closed(client.application):
        answer = client.open(url, method=method)
        assert "Received: none" in assert_error(answer, 401, "key_required")["message"]
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
        assert client.get("/v1/health", headers=headers).get_json() == {"status": "ok"}
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


class TestKiosk:
    """Identify and enrol on first sight, no more."""

    @pytest.fixture
    def kiosk(
        self, client: FlaskClient, holding: Callable[[Role], dict[str, str]]
    ) -> Callable[..., TestResponse]:
        enroll(client, "ben")
        headers = holding(Role.KIOSK)

        def ask(url: str, method: str = "POST", json: Any = None, **form: Any) -> TestResponse:
            body = (
                {"json": json}
                if json is not None
                else {"data": form, "content_type": "multipart/form-data"}
                if form
                else {}
            )
            return client.open(url, method=method, headers=headers, **body)

        return ask

    def test_identifies_and_compares_clips(self, kiosk: Callable[..., TestResponse]) -> None:
        assert (
            kiosk("/v1/identify", media=media(face="ben")).get_json()["fused"]["match"]["person_id"]
            == "ben"
        )
        assert (
            kiosk(
                "/v1/verify", media=media(face="ben"), reference=media(face="ben", take=2)
            ).status_code
            == 200
        )
        assert_error(
            kiosk("/v1/verify", media=media(face="ben"), person_id="ben"), 403, "forbidden"
        )

    def test_enrols_once(self, kiosk: Callable[..., TestResponse]) -> None:
        assert kiosk("/v1/people", json={"person_id": "ann", "name": "Ann"}).status_code == 201
        url = "/v1/people/ann/templates"
        for flag in ("replace", "force"):
            assert_error(
                kiosk(url, media=media(face="ann", voice="ann"), **{flag: "true"}), 403, "forbidden"
            )
        assert kiosk(url, media=media(face="ann", voice="ann"), force="false").status_code == 201
        assert_error(kiosk(url, media=media(face="ann", voice="ann", take=2)), 403, "forbidden")
        assert_error(
            kiosk("/v1/people/ben/templates", media=media(face="ben", take=2)), 403, "forbidden"
        )

    def test_takes_back_what_it_could_not_enrol(
        self, kiosk: Callable[..., TestResponse], recognizer: Recognizer
    ) -> None:
        assert kiosk("/v1/people", json={"person_id": "ann"}).status_code == 201
        assert_error(
            kiosk("/v1/people/ann/templates", media=media(face="ben", voice="ben")),
            409,
            "duplicate_person",
        )
        assert kiosk("/v1/people/ann", "DELETE").status_code == 204
        assert_error(kiosk("/v1/people/ben", "DELETE"), 403, "forbidden")

    @pytest.mark.parametrize(
        "url", ["/v1/people/ann/templates", "/speakers/register", "/Identification_Request"]
    )
    def test_two_kiosks_at_the_same_moment(
        self,
        kiosk: Callable[..., TestResponse],
        recognizer: Recognizer,
        url: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Both find nobody enrolled before they read their clips: the second must not
        add to what the first has stored.
        """
        recognizer.store.create_person("ann")
        fields = {
            "/speakers/register": {"speaker_id": "ann"},
            "/Identification_Request": {"name": "ann-1.mp4"},
        }.get(url, {})
        both = threading.Barrier(2)
        analyse = recognizer._analyser.analyse

        def wait_and_analyse(*args: Any) -> Any:
            both.wait(LIMIT_S)
            return analyse(*args)

        monkeypatch.setattr(recognizer._analyser, "analyse", wait_and_analyse)
        file = "audio" if "speakers" in url else "media"
        with ThreadPoolExecutor(2) as pool:
            answers = list(
                pool.map(
                    lambda take: kiosk(
                        url, **fields, **{file: media(face="ann", voice="ann", take=take)}
                    ),
                    (1, 2),
                )
            )
        assert max(recognizer.store.get_person("ann").templates.values()) == 1
        assert (
            sorted(a.status_code for a in answers)
            == {
                "/v1/people/ann/templates": [201, 403],
                "/speakers/register": [200, 403],
                "/Identification_Request": [200, 200],
            }[url]
        )

    def test_takes_back_nobody_whom_another_kiosk_has_enrolled(
        self,
        kiosk: Callable[..., TestResponse],
        recognizer: Recognizer,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The templates come between the request for the deletion and the deletion."""
        kiosk("/v1/people", json={"person_id": "ann"})
        delete_person = recognizer.store.delete_person

        def enrol_and_delete(person_id: str, *more: Any) -> None:
            assert (
                kiosk("/v1/people/ann/templates", media=media(face="ann", voice="ann")).status_code
                == 201
            )
            delete_person(person_id, *more)

        with monkeypatch.context() as patched:
            patched.setattr(recognizer.store, "delete_person", enrol_and_delete)
            assert_error(kiosk("/v1/people/ann", "DELETE"), 403, "forbidden")
        assert recognizer.store.get_person("ann").templates == {"face": 1, "voice": 1}

    def test_renames_nobody_by_registering(
        self, kiosk: Callable[..., TestResponse], recognizer: Recognizer
    ) -> None:
        recognizer.store.create_person("ann", "Ann Lee")
        for more in ({"name": "Somebody"}, {"metadata": '{"a": 1}'}):
            assert_error(
                kiosk("/speakers/register", audio=media(voice="ann"), speaker_id="ann", **more),
                403,
                "forbidden",
            )
        assert (
            kiosk(
                "/speakers/register", audio=media(voice="ann"), speaker_id="ann", name="Ann Lee"
            ).status_code
            == 200
        )

    def test_the_compatible_route(self, kiosk: Callable[..., TestResponse]) -> None:
        url = "/Identification_Request"
        assert (
            "Registered: cem"
            in kiosk(url, media=media(face="cem", voice="cem"), name="cem-1.mp4").get_json()[
                "notice"
            ]
        )
        assert (
            kiosk(url, media=media(face="cem", voice="cem", take=2), name="cem-2.mp4").status_code
            == 200
        )
        for flag in ("re_register", "force"):
            assert_error(
                kiosk(
                    url, media=media(face="cem", voice="cem"), name="cem-1.mp4", **{flag: "True"}
                ),
                403,
                "forbidden",
            )


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


class TestBadInput:
    """Every route, whoever wrote it."""

    def test_unknown_query_parameters(self, client: FlaskClient) -> None:
        enroll(client, "ann")
        for name, method, url in routes(client.application):
            if roles.ROUTES[name] != roles.OPEN or name == "GET /v1/health":
                error = assert_error(
                    client.open(url + "?colour=red", method=method), 400, "invalid_request"
                )
                assert "colour" in error["message"], name

    def test_another_content_type(self, client: FlaskClient) -> None:
        enroll(client, "ann")
        for name, method, url in closed(client.application):
            if method in ("POST", "PATCH", "PUT"):
                answer = client.open(
                    url, method=method, data=b"name=ann", content_type="text/plain"
                )
                assert assert_error(answer, 415, "content_type"), name

    def test_unknown_fields(self, client: FlaskClient) -> None:
        enroll(client, "ann")
        for name, method, url in closed(client.application):
            if method in ("POST", "PATCH", "PUT"):
                answers = [
                    client.open(url, method=method, json={"colour": "red"}),
                    client.open(
                        url,
                        method=method,
                        data={"colour": "red"},
                        content_type="multipart/form-data",
                    ),
                ]
                assert {a.status_code for a in answers} <= {400, 415}, name
                assert any("colour" in a.get_json()["error"]["message"] for a in answers), name

    def test_ten_megabytes_of_json(self, client: FlaskClient) -> None:
        enroll(client, "ann")
        for name, method, url in closed(client.application):
            if method in ("POST", "PATCH", "PUT"):
                answer = client.open(
                    url,
                    method=method,
                    data=b'{"name": "' + b"x" * 10_000_000 + b'"}',
                    content_type="application/json",
                )
                assert answer.status_code in (413, 415), name


class TestHowOften:
    """DUET_RATE_LIMIT, and wrong keys."""

    def identify(
        self, client: FlaskClient, headers: dict[str, str] | None = None, address: str = "127.0.0.1"
    ) -> TestResponse:
        return client.post(
            "/v1/identify",
            data={"media": media(face="ann")},
            headers=headers or {},
            environ_base={"REMOTE_ADDR": address},
            content_type="multipart/form-data",
        )

    def test_clips(self, limited: FlaskClient) -> None:
        assert [self.identify(limited).status_code for _ in range(4)] == [200, 200, 200, 429]
        refused = self.identify(limited)
        assert "3 clips in 1 minute" in assert_error(refused, 429, "rate_limited")["message"]
        assert 1 <= int(refused.headers["Retry-After"]) <= 61

    def test_other_requests(self, limited: FlaskClient) -> None:
        statuses = [limited.get("/v1/people").status_code for _ in range(3 * CLIP_COST + 1)]
        assert statuses == [200] * 3 * CLIP_COST + [429]
        assert limited.get("/v1/health").status_code == 200, "health is not counted"

    def test_each_key_and_each_address_has_its_own(
        self, limited: FlaskClient, holding: Callable[[Role], dict[str, str]]
    ) -> None:
        assert [self.identify(limited).status_code for _ in range(4)][-1] == 429
        first = holding(Role.KIOSK)
        second = holding(Role.KIOSK)
        assert [self.identify(limited, first).status_code for _ in range(4)] == [200, 200, 200, 429]
        assert self.identify(limited, first, "10.1.2.3").status_code == 429, (
            "a key takes its allowance along"
        )
        assert self.identify(limited, second).status_code == 200

    def test_addresses_without_a_key(self, limited: FlaskClient) -> None:
        assert [self.identify(limited, None, "2001:db8::1").status_code for _ in range(4)][
            -1
        ] == 429
        assert self.identify(limited, None, "2001:db8::2").status_code == 429, (
            "the same network of 64 bits"
        )
        assert self.identify(limited, None, "2001:db8:0:1::1").status_code == 200
        assert (
            self.identify(limited, {"X-Forwarded-For": "10.0.0.9"}, "2001:db8::1").status_code
            == 429
        ), "nobody said to believe proxies"

    def test_behind_a_trusted_proxy(
        self, settings: Settings, recognizer: Recognizer, keys: Keys
    ) -> None:
        keys.create(Role.ADMIN)
        behind = create_app(
            {"SETTINGS": settings.replace(trusted_proxies=1)}, recognizer
        ).test_client()
        for address in ("10.0.0.1", "10.0.0.2"):
            behind.get("/v1/people", headers={"X-Forwarded-For": f"6.6.6.6, {address}"})
        assert [e.detail["address"] for e in recognizer.store.events(2)] == ["10.0.0.2", "10.0.0.1"]

    def test_wrong_keys(self, client: FlaskClient, keys: Keys) -> None:
        _, good = keys.create(Role.ADMIN)
        assert client.get("/v1/people", headers={"X-API-Key": good}).status_code == 200
        for _ in range(WRONG_KEYS.amount):
            assert_error(
                client.get("/v1/people", headers={"X-API-Key": good[:-1]}), 401, "key_required"
            )
        refused = client.get("/v1/people", headers={"X-API-Key": good[:-1]})
        assert_error(refused, 429, "rate_limited")
        assert int(refused.headers["Retry-After"]) >= 1
        assert_error(
            client.get("/v1/people", headers={"X-API-Key": "nonsense"}), 429, "rate_limited"
        )
        assert client.get("/v1/people", headers={"X-API-Key": good}).status_code == 200, (
            "a key that is known here stays good"
        )
        assert client.get("/v1/health", headers={"X-API-Key": "nonsense"}).get_json() == {
            "status": "ok"
        }

    def test_being_refused_does_not_fill_the_audit(
        self, client: FlaskClient, keys: Keys, recognizer: Recognizer
    ) -> None:
        made, text = keys.create(Role.AUDITOR)
        for _ in range(5):
            client.get("/v1/people")
            client.get("/v1/people", headers={"X-API-Key": "duet_wrong_key"})
            client.get("/v1/people", headers={"X-API-Key": text})
        rows = [
            (e.actor, e.outcome, e.detail["route"])
            for e in recognizer.store.events(action="refuse")
        ]
        assert rows == [
            (made.key_id, "wrong_role", "GET /v1/people"),
            ("nobody", "unknown", "GET /v1/people"),
            ("nobody", "missing", "GET /v1/people"),
        ]
        for number in range(100):
            client.get("/v1/people", environ_base={"REMOTE_ADDR": f"10.0.0.{number}"})
        assert len(recognizer.store.events(action="refuse")) == 60
        assert text.split("_", 2)[2] not in repr(recognizer.store.events())

    @pytest.mark.parametrize("text", ["many", "3", "3/fortnight", "-1/minute", "0x3/minute"])
    def test_an_allowance_that_is_none(self, text: str) -> None:
        with pytest.raises(ConfigError, match="DUET_RATE_LIMIT"):
            parse_allowance(text)


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
        """For example a backup from before the first key, put back while the service
        runs.
        """
        keys.create(Role.ADMIN)
        client = create_app(
            {"SETTINGS": settings.replace(host="0.0.0.0")}, recognizer
        ).test_client()
        with recognizer.store.database.write() as connection:
            connection.execute(delete(api_keys))
        assert_error(client.get("/v1/people"), 401, "key_required")
