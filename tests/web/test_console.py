"""What operators look after over HTTP: keys, settings, backups, and filters of the audit."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from recognition.recognizer import Recognizer
from tests.support.page_texts import read_texts
from tests.support.shapes import assert_error
from utils.config import Settings
from utils.settings_in_use import list_settings
from web.factory import create_app

SECRET = "correct horse battery staple"


@pytest.fixture
def admin(client: FlaskClient) -> dict[str, str]:
    """The first key of the service, made as the page makes it."""
    made = client.post("/v1/keys", json={"role": "admin", "label": "operator"})
    assert made.status_code == 201
    return {"X-API-Key": made.get_json()["key"]}


class TestKeys:
    """GET and POST /v1/keys, DELETE /v1/keys/{key_id}."""

    def test_a_key_is_shown_once_and_works_until_it_is_revoked(
        self, client: FlaskClient, admin: dict[str, str]
    ) -> None:
        made = client.post("/v1/keys", json={"role": "auditor"}, headers=admin)
        auditor = made.get_json()
        assert made.headers["Location"] == f"/v1/keys/{auditor['key_id']}"
        listed = client.get("/v1/keys", headers=admin)
        assert [(k["role"], k["label"]) for k in listed.get_json()["keys"]] == [
            ("admin", "operator"),
            ("auditor", ""),
        ]
        assert auditor["key"] not in listed.get_data(as_text=True)
        held = {"X-API-Key": auditor["key"]}
        assert client.get("/v1/audit", headers=held).status_code == 200
        named = client.get("/v1/audit?person_id=ann", headers=held)
        assert "admin" in assert_error(named, 403, "forbidden")["message"]
        assert_error(client.get("/v1/keys", headers=held), 403, "forbidden")
        gone = client.delete(f"/v1/keys/{auditor['key_id']}", headers=admin)
        assert gone.get_json()["revoked_at"]
        assert_error(client.get("/v1/audit", headers=held), 401, "key_required")
        actions = [e["action"] for e in client.get("/v1/audit", headers=admin).get_json()["events"]]
        assert actions[:4] == ["refuse", "revoke_key", "refuse", "create_key"]

    def test_nobody_locks_the_operator_out(self, client: FlaskClient) -> None:
        assert_error(client.post("/v1/keys", json={"role": "kiosk"}), 409, "last_admin_key")
        assert client.get("/v1/keys").get_json() == {"keys": []}
        made = client.post("/v1/keys", json={"role": "admin"}).get_json()
        held = {"X-API-Key": made["key"]}
        refused = client.delete(f"/v1/keys/{made['key_id']}", headers=held)
        assert_error(refused, 409, "last_admin_key")
        assert client.get("/v1/keys", headers=held).status_code == 200

    def test_with_a_key_in_the_environment_the_last_one_may_go(
        self, settings: Settings, recognizer: Recognizer
    ) -> None:
        app = create_app({"SETTINGS": settings.replace(api_key=SECRET)}, recognizer)
        client = app.test_client()
        held = {"X-API-Key": SECRET}
        made = client.post("/v1/keys", json={"role": "kiosk"}, headers=held).get_json()
        assert client.delete(f"/v1/keys/{made['key_id']}", headers=held).status_code == 200

    @pytest.mark.parametrize(
        "body", [{}, {"role": "king"}, {"role": "admin", "label": "a\nb"}, {"role": 1}]
    )
    def test_bad_requests(self, client: FlaskClient, body: dict[str, object]) -> None:
        assert_error(client.post("/v1/keys", json=body), 400, "invalid_request")
        assert_error(client.delete("/v1/keys/00000000"), 404, "key_not_found")


def test_settings_with_where_they_come_from_and_no_secret(
    settings: Settings, recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUET_PORT", "5000")  # the default, and set all the same
    chosen = settings.replace(api_key=SECRET, encryption_key="", fpir=0.05)
    answer = (
        create_app({"SETTINGS": chosen}, recognizer)
        .test_client()
        .get("/v1/settings", headers={"X-API-Key": SECRET})
    )
    found = {one["name"]: one for one in answer.get_json()["settings"]}
    assert (found["DUET_PORT"]["value"], found["DUET_PORT"]["source"]) == (5000, "environment")
    assert (found["DUET_FPIR"]["value"], found["DUET_FPIR"]["source"]) == (0.05, "program")
    assert (found["DUET_THREADS"]["value"], found["DUET_THREADS"]["source"]) == (32, "default")
    assert found["DUET_DATA_DIR"]["value"] == str(settings.storage.data_dir)
    secret = found["DUET_API_KEY"]
    assert (secret["value"], secret["is_secret"], secret["source"]) == (None, True, "program")
    assert SECRET not in answer.get_data(as_text=True)


def test_no_secret_is_told_of_any_setting() -> None:
    values = {"api_key": SECRET, "database_url": f"sqlite:///{SECRET}", "broker_url": SECRET}
    told = list_settings(Settings.of(**values), {})
    assert SECRET not in repr(told)
    assert {one.name for one in told if one.source == "program"} == {
        f"DUET_{name.upper()}" for name in values
    }


def test_the_page_has_the_meaning_of_every_setting() -> None:
    """In English that of the reference. `tests/web/test_pages.py` holds the other languages."""
    texts = read_texts("en")
    for setting in list_settings(Settings.of(), {}):
        assert texts[f"setting.{setting.name}"] == setting.about


class TestBackups:
    """GET and POST /v1/backups."""

    def test_one_is_made_now(
        self, settings: Settings, recognizer: Recognizer, tmp_path: Path
    ) -> None:
        chosen = settings.replace(backup_dir=tmp_path / "safe", backup_keep=1)
        app = create_app({"SETTINGS": chosen}, recognizer)
        client = app.test_client()
        thread = app.extensions["duet"].backup_thread
        client.post("/v1/people", json={"person_id": "ann"})
        assert client.get("/v1/backups").get_json()["backups"] == []
        for _ in range(2):  # the second takes the place of the first
            assert client.post("/v1/backups").status_code == 202
            with thread.turn:  # which it has until it is done
                pass
        body = client.get("/v1/backups").get_json()
        assert (body["is_on"], body["keep"], body["failed"]) == (True, 1, None)
        assert [(one["people"], one["is_encrypted"]) for one in body["backups"]] == [(1, False)]
        assert client.get("/v1/health").get_json()["last_backup"]

    def test_a_failure_is_told_and_two_at_once_are_refused(
        self, settings: Settings, recognizer: Recognizer, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("no folder")
        chosen = settings.replace(backup_dir=tmp_path / "file")
        app = create_app({"SETTINGS": chosen}, recognizer)
        thread = app.extensions["duet"].backup_thread
        client = app.test_client()
        with thread.turn:
            assert client.get("/v1/backups").get_json()["is_running"] is True
            assert_error(client.post("/v1/backups"), 503, "busy")
        assert client.post("/v1/backups").status_code == 202
        with thread.turn:
            pass
        assert client.get("/v1/backups").get_json()["failed"] == "output_refused"

    def test_off_without_a_folder(self, client: FlaskClient) -> None:
        body = client.get("/v1/backups").get_json()
        assert (body["is_on"], body["backups"]) == (False, [])
        assert_error(client.post("/v1/backups"), 409, "backup_off")


def test_the_audit_is_filtered(client: FlaskClient) -> None:
    for name in ("ann", "ben"):
        client.post("/v1/people", json={"person_id": name})
    client.patch("/v1/people/ben", json={"note": "x"})

    def rows(query: str) -> list[int]:
        answer = client.get(f"/v1/audit?{query}")
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return [event["event_id"] for event in answer.get_json()["events"]]

    assert rows("person_id=ben") == [3, 2]
    assert rows("person_id=ben&outcome=created") == [2]
    assert rows("actor=local&action=create_person") == [2, 1]
    assert rows("actor=somebody") == []
    second = client.get("/v1/audit?before=3&limit=1").get_json()["events"][0]["at"]
    at = second.replace("+00:00", "Z")
    assert (rows(f"since={at}"), rows(f"until={at}")) == ([3, 2], [1])
    assert_error(client.get("/v1/audit?since=monday"), 400, "invalid_request")
    assert_error(client.get("/v1/audit?until=0001-01-01T00:00%2B14:00"), 400, "invalid_request")
    assert_error(client.get("/v1/audit?person_id=zoe"), 404, "person_not_found")
