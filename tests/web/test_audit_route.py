"""GET /v1/audit and /v1/audit/verify over HTTP.

What is written into the audit is in tests/gallery/test_audit.py.
"""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from recognition.recognizer import Recognizer
from tests.support.shapes import assert_error
from utils.config import Settings
from web.factory import create_app


@pytest.fixture
def client(settings: Settings, recognizer: Recognizer) -> FlaskClient:
    return create_app(
        {"SETTINGS": settings.replace(rate_limit=""), "SWAGGER_UI": True}, recognizer
    ).test_client()


class TestAuditRoute:
    """GET /v1/audit and /v1/audit/verify."""

    def test_pages(self, client: FlaskClient) -> None:
        for name in ("ann", "ben", "cem"):
            client.post("/v1/people", json={"person_id": name})
        first = client.get("/v1/audit?limit=2").get_json()
        assert [e["event_id"] for e in first["events"]] == [3, 2]
        rest = client.get(f"/v1/audit?limit=2&before={first['next_before']}").get_json()
        assert ([e["event_id"] for e in rest["events"]], rest["next_before"]) == ([1], None)
        assert client.get("/v1/audit?action=enroll").get_json()["events"] == []
        assert "ann" not in client.get("/v1/audit").get_data(as_text=True)

    def test_whole_and_broken(self, client: FlaskClient, settings: Settings) -> None:
        client.post("/v1/people", json={"person_id": "ann"})
        head = client.get("/v1/audit/verify").get_json()["head"]
        client.post("/v1/people", json={"person_id": "ben"})
        assert client.get(f"/v1/audit/verify?noted={head}").get_json()["whole"] is True
        other = head[:-1] + ("0" if head[-1] != "0" else "1")
        report = client.get(f"/v1/audit/verify?noted={other}").get_json()
        assert (report["whole"], [p["event_id"] for p in report["problems"]]) == (False, [1])

    @pytest.mark.parametrize(
        "query", ["limit=0", "limit=1001", "before=0", "before=x", "page=2", "limit=1&limit=2"]
    )
    def test_bad_queries(self, client: FlaskClient, query: str) -> None:
        assert_error(client.get(f"/v1/audit?{query}"), 400, "invalid_request")
        assert_error(client.get("/v1/audit/verify?noted=1:2"), 400, "invalid_request")
