"""How often: DUET_RATE_LIMIT, and wrong keys."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from gallery.records.keys import Keys
from gallery.results import Role
from recognition.recognizer import Recognizer
from tests.support.shapes import assert_error, media
from utils.config import Settings
from utils.errors import ConfigError
from web.factory import create_app
from web.guard.limits import CLIP_COST, WRONG_KEYS, parse_allowance


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
        seconds = refused.headers["Retry-After"]
        assert 1 <= int(seconds) <= 61
        assert refused.get_json()["error"]["hint"] == f"Ask again in {seconds} s."

    def test_a_clock_that_is_set_back(
        self, limited: FlaskClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What was counted before would count until the time is reached again."""
        assert [self.identify(limited).status_code for _ in range(4)][-1] == 429
        earlier = time.time() - 7200
        monkeypatch.setattr(time, "time", lambda: earlier)
        assert [self.identify(limited).status_code for _ in range(4)] == [200, 200, 200, 429]

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
        health = client.get("/v1/health", headers={"X-API-Key": "nonsense"}).get_json()
        assert health == {"status": "ok", "key": "unknown", "role": None}

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

    @pytest.mark.parametrize(
        "text",
        ["many", "3", "3/fortnight", "-1/minute", "0x3/minute", "0/minute", "5/minute; 2/hour"],
    )
    def test_an_allowance_that_is_none(self, text: str) -> None:
        with pytest.raises(ConfigError, match="DUET_RATE_LIMIT"):
            parse_allowance(text)
