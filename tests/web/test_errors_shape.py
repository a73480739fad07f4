"""One error shape on every path, request ids, headers, and who may ask at all.

tests/support/shapes.py states the shape.
"""

from __future__ import annotations

import copy
import gzip
import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from recognition.recognizer import Recognizer
from tests.support.shapes import assert_error, enroll, media, send
from utils.config import Settings
from utils.errors import BusyError, DuetError, StorageFullError, StoreUnavailableError
from web.factory import create_app
from web.wire.errors import where

SECRET = "correct horse battery staple"


@pytest.fixture
def keyed(settings: Settings, recognizer: Recognizer) -> FlaskClient:
    return create_app(
        {"SETTINGS": settings.replace(api_key=SECRET), "SWAGGER_UI": True}, recognizer
    ).test_client()


@pytest.mark.parametrize(
    "url",
    [
        "/",
        "/nope",
        "/v1",
        "/v1/",
        "/v1/people/",
        "/v1/people/a/b/c",
        "/v1//people",
        "/v1/people//ann",
        "/v1/people//templates",
        "/v1/people/%2e%2e%2fetc",
        "/swaggerui/swagger-ui.css",
    ],
)
def test_unknown_url(client: FlaskClient, url: str) -> None:
    assert_error(client.get(url), 404, "not_found")


def test_a_request_in_the_other_protocol(client: FlaskClient) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    refused = assert_error(client.get("/v1/health", headers=upgrade), 400, "invalid_request")
    assert "/v1/live" in refused["hint"]
    refused = assert_error(client.get("/v1/live"), 400, "invalid_request")
    assert "ws://" in refused["hint"]


@pytest.mark.parametrize(
    ("method", "url", "allowed"),
    [
        ("PUT", "/v1/identify", {"POST", "OPTIONS"}),
        ("GET", "/v1/identify", {"POST", "OPTIONS"}),
        ("GET", "/Identification_Request", {"POST", "OPTIONS"}),
        ("DELETE", "/v1/people", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("POST", "/v1/people/ann", {"GET", "HEAD", "PATCH", "DELETE", "OPTIONS"}),
    ],
)
def test_wrong_method(client: FlaskClient, method: str, url: str, allowed: set[str]) -> None:
    response = client.open(url, method=method)
    assert_error(response, 405, "method_not_allowed")
    assert set(response.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize("url", ["/v1/identify", "/v1/verify", "/v1/people/ann/templates"])
@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/json", "application/x-www-form-urlencoded", "video/mp4"],
)
def test_wrong_content_type_of_an_upload(client: FlaskClient, url: str, content_type: str) -> None:
    assert_error(client.post(url, data=b"x=1", content_type=content_type), 415, "content_type")


@pytest.mark.parametrize(
    ("method", "url"),
    [("POST", "/v1/people"), ("PATCH", "/v1/people/ann"), ("POST", "/Identification_Request")],
)
@pytest.mark.parametrize("content_type", ["text/plain", "", "text/json", "application/xml"])
def test_wrong_content_type_of_json(
    client: FlaskClient, method: str, url: str, content_type: str
) -> None:
    assert_error(
        client.open(url, method=method, data=b'{"name": "a-1.mp4"}', content_type=content_type),
        415,
        "content_type",
    )


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip"])
def test_a_body_that_is_compressed(client: FlaskClient, encoding: str) -> None:
    """It is read nowhere, whatever it would become."""
    headers = {"Content-Encoding": encoding}
    body = gzip.compress(b'{"person_id": "ann"}')
    sent = client.post("/v1/people", data=body, content_type="application/json", headers=headers)
    assert encoding in assert_error(sent, 415, "content_type")["message"]
    form = {"media": media(face="ann")}
    assert_error(client.post("/v1/identify", data=form, headers=headers), 415, "content_type")
    plain = {"Content-Encoding": "identity"}
    assert client.post("/v1/people", json={"name": "Ann"}, headers=plain).status_code == 201


BROKEN_JSON = {
    b"": "nothing",
    b"{": "line 1, column 2",
    b'{"name":\n }': "line 2, column 2",
    b'{"name": "\xff"}': "no UTF-8",
    b"[" * 60_000: "too deep",
    b'{"name": 1' + b"0" * 5000 + b"}": "too long",
    b'{"name": "a", "name": "b"}': "twice: 'name'",
    b'{"name": NaN}': "number",
    b'{"name": -Infinity}': "number",
    b'{"name": 1e999}': "number",
    b'{"\\udfff": "a"}': "Unknown field",
    b'{"name": "\xed\xa0\x80"}': "no UTF-8",
    '{"name": "Ann"}'.encode("utf-16"): "no UTF-8",
    b'{"name": ' + b"[" * 500 + b"]" * 500 + b"}": "too deep",
}


@pytest.mark.parametrize("body", BROKEN_JSON)
def test_broken_json(client: FlaskClient, body: bytes) -> None:
    sent = client.post("/v1/people", data=body, content_type="application/json")
    assert BROKEN_JSON[body] in assert_error(sent, 400, "invalid_request")["message"]


def test_a_mark_of_the_encoding_and_a_sign_of_two_halves(client: FlaskClient) -> None:
    body = b'\xef\xbb\xbf{"name": "Ann \\ud83d\\ude00"}'
    sent = client.post("/v1/people", data=body, content_type="application/json")
    assert sent.get_json()["name"] == "Ann \U0001f600"


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        '"ann"',
        "null",
        "7",
        '{"name": 7}',
        '{"name": null}',
        '{"name": ["a"]}',
        '{"name": true}',
        "{}",
        '{"note": "x"}',
    ],
)
def test_json_of_another_form(client: FlaskClient, body: str) -> None:
    assert_error(
        client.post("/v1/people", data=body, content_type="application/json"),
        400,
        "invalid_request",
    )


def test_unknown_fields_are_named(client: FlaskClient) -> None:
    answer = client.post("/v1/people", json={"name": "Ann", "surname": "Lee"})
    assert "surname" in assert_error(answer, 400, "invalid_request")["message"]
    answer = send(client, "/v1/identify", media=media(face="ann"), colour="red")
    assert "colour" in assert_error(answer, 400, "invalid_request")["message"]
    answer = send(client, "/v1/identify", media=media(face="ann"), video=media(face="ann"))
    assert "video" in assert_error(answer, 400, "invalid_request")["message"]
    assert (
        "dry_run"
        in assert_error(client.get("/v1/people?dry_run=1"), 400, "invalid_request")["message"]
    )
    answer = send(client, "/v1/people/ann/templates?replace=true", media=media(face="ann"))
    assert "replace" in assert_error(answer, 400, "invalid_request")["message"]


@pytest.mark.parametrize("value", ["yes", "1", "", "tru", "None"])
def test_bad_booleans(client: FlaskClient, value: str) -> None:
    enroll(client, "ann")
    answer = send(client, "/v1/people/ann/templates", media=media(face="ann"), replace=value)
    assert "replace" in assert_error(answer, 400, "invalid_request")["message"]


@pytest.mark.parametrize(
    ("error", "status", "code", "wait"),
    [
        (BusyError("All slots are taken."), 503, "busy", "5"),
        (StoreUnavailableError("The database does not answer."), 503, "store_unavailable", "5"),
        (StorageFullError("No room."), 503, "storage_full", "60"),
        (OSError(28, "No space left on device: /data/duet.db"), 503, "storage_full", "60"),
        (RuntimeError(f"vector [0.1, 0.2] {SECRET}"), 500, "internal", None),
        (KeyError("ann"), 500, "internal", None),
    ],
)
def test_what_goes_wrong_inside(
    client: FlaskClient,
    recognizer: Recognizer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    status: int,
    code: str,
    wait: str | None,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(recognizer.store, "list_people", fail)
    with caplog.at_level(logging.INFO):
        response = client.get("/v1/people", headers={"X-Request-ID": "trace-me"})
    assert_error(response, status, code)
    assert response.headers.get("Retry-After") == wait
    assert "trace-me" in caplog.text
    assert type(error).__name__ in caplog.text
    assert "test_errors_shape.py" in caplog.text, "the log says where"
    assert (" < " in caplog.text) is not isinstance(error, DuetError), "what is expected is short"
    assert SECRET not in caplog.text + response.get_data(as_text=True)
    assert "0.1, 0.2" not in caplog.text


def test_request_id_is_taken_over_or_made(client: FlaskClient) -> None:
    assert (
        client.get("/v1/health", headers={"X-Request-ID": "kiosk-7.42_a"}).headers["X-Request-ID"]
        == "kiosk-7.42_a"
    )
    for bad in ("", "a b", "x" * 65, "ä", "<script>"):
        made = client.get("/v1/health", headers={"X-Request-ID": bad}).headers["X-Request-ID"]
        assert made != bad
        assert len(made) == 32
    ids = {client.get("/v1/health").headers["X-Request-ID"] for _ in range(3)}
    assert len(ids) == 3


def test_log_line_holds_no_names(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="duet.web"):
        enroll(client, "ann")
        client.get("/v1/people/ann?x=secret")
        client.get("/no/such%0apage?x=secret")
    lines = [r.getMessage() for r in caplog.records if r.name == "duet.web"]
    assert any(
        line.startswith("POST /v1/people/<string:person_id>/templates 201 ") for line in lines
    )
    assert any(line.startswith("GET /*/* 404 ") for line in lines)
    assert "ann" not in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": SECRET},
        {"Authorization": f"Bearer {SECRET}"},
        {"Authorization": f"bearer  {SECRET} "},
    ],
)
def test_good_key(keyed: FlaskClient, headers: dict[str, str]) -> None:
    assert keyed.get("/v1/people", headers=headers).status_code == 200
    assert set(keyed.get("/v1/health", headers=headers).get_json()) > {"status", "people"}
    assert (
        keyed.get("/v1/people", headers=headers | {"Host": "kiosk.example.com"}).status_code == 200
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": ""},
        {"X-API-Key": SECRET[:-1]},
        {"X-API-Key": SECRET + " x"},
        {"X-API-Key": "ключ".encode().decode("latin1")},
        {"Authorization": SECRET},
        {"Authorization": f"Basic {SECRET}"},
        {"Authorization": "Bearer"},
    ],
)
def test_bad_key(keyed: FlaskClient, headers: dict[str, str]) -> None:
    assert_error(keyed.get("/v1/people", headers=headers), 401, "key_required")


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:5000", "127.0.0.1:5000", "127.1.2.3", "[::1]:5000"]
)
def test_names_of_this_machine(client: FlaskClient, host: str) -> None:
    assert client.get("/v1/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:5000",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "192.168.1.7:5000",
        "[",
        "",
    ],
)
def test_a_name_that_is_made_to_point_here(client: FlaskClient, host: str) -> None:
    assert_error(client.get("/v1/people", headers={"Host": host}), 403, "host_forbidden")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://["},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ],
)
def test_other_pages_may_not_post(client: FlaskClient, headers: dict[str, str]) -> None:
    response = client.post("/v1/people", json={"name": "Eve"}, headers=headers)
    assert_error(response, 403, "cross_origin")
    assert client.get("/v1/people").get_json()["total"] == 0
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://localhost"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": "none"},
        {},
    ],
)
def test_its_own_page_and_programs_may(client: FlaskClient, headers: dict[str, str]) -> None:
    assert client.post("/v1/people", json={"name": "Ann"}, headers=headers).status_code == 201


def test_a_link_to_the_service_may_be_followed(client: FlaskClient) -> None:
    assert (
        client.get(
            "/v1/health", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        ).status_code
        == 200
    )
    assert_error(
        client.get(
            "/v1/people", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
        ),
        403,
        "cross_origin",
    )


def test_the_log_says_where_a_library_was_called_that_failed_deep_inside() -> None:
    """A database fails far below the statement that was wrong."""
    with pytest.raises(OperationalError) as failure, create_engine("sqlite://").begin() as database:
        database.execute(text("SELECT * FROM nothing"))
    assert Path(__file__).name in where(failure.value)


def test_the_log_says_where_python_itself_was_called_that_failed_deep_inside() -> None:
    with pytest.raises(TypeError) as failure:
        copy.deepcopy([[[[threading.Lock()]]]])
    assert Path(__file__).name in where(failure.value)


def test_a_browser_is_told_that_the_api_alone_has_no_pages(client: FlaskClient) -> None:
    for path in ("/", "/console", "/kiosk"):
        asked = client.get(path, headers={"Accept": "text/html,*/*;q=0.8"})
        assert "`make run`" in assert_error(asked, 404, "not_found")["hint"]
        plain = assert_error(client.get(path), 404, "not_found")["hint"]
        assert plain == "GET /swagger.json lists the routes."
