"""Bad bodies, odd texts and odd ids on the routes of people."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.shapes import assert_error, person_ids

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


def ask(
    client: FlaskClient, templates: dict[str, str], method: str, url: str, **more: Any
) -> TestResponse:
    return client.open(url.format(**templates), method=method, **more)


@pytest.mark.parametrize(("method", "url", "body"), JSON_ROUTES, ids=JSON_IDS)
def test_bodies_that_are_refused(
    client: FlaskClient, templates: dict[str, str], method: str, url: str, body: dict[str, object]
) -> None:
    for content_type in (
        "text/plain",
        "",
        "text/json",
        "multipart/form-data",
        "application/x-www-form-urlencoded",
    ):
        assert_error(
            ask(client, templates, method, url, data=json.dumps(body), content_type=content_type),
            415,
            "content_type",
        )
    assert_error(
        ask(client, templates, method, url, json={**body, "surname": "x"}), 400, "invalid_request"
    )
    assert_error(
        ask(client, templates, f"{method}", url + "?dry_run=1", json=body), 400, "invalid_request"
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
        b'{"person_id": NaN}',
    ):
        refused = ask(client, templates, method, url, data=broken, content_type="application/json")
        assert refused.status_code in (400, 413)
        assert_error(
            refused,
            refused.status_code,
            {400: "invalid_request", 413: "media_too_large"}[refused.status_code],
        )
    assert person_ids(client) == ["ann", "ben"]


@pytest.mark.parametrize(("method", "url", "body"), JSON_ROUTES, ids=JSON_IDS)
def test_ten_megabytes_of_json(
    client: FlaskClient, templates: dict[str, str], method: str, url: str, body: dict[str, object]
) -> None:
    data = json.dumps({**body, next(iter(body)): "x" * 10_000_000}).encode()
    assert_error(
        ask(client, templates, method, url, data=data, content_type="application/json"),
        413,
        "media_too_large",
    )


@pytest.mark.parametrize("text", BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_odd_texts(client: FlaskClient, templates: dict[str, str], text: str) -> None:
    """An odd text is nowhere an id, and a name only if it is one readable line.

    The name then comes back as it was sent.
    """
    move = f"/v1/people/ann/templates/{templates['template']}/move"
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
    assert person_ids(client) == (["ann", "ben", "cem"] if readable else ["ann", "ben"])


@pytest.mark.parametrize(
    "text", [BAD_TEXTS[k] for k in ("NUL", "right-to-left", "10,000", "surrogate")]
)
def test_odd_consents(client: FlaskClient, templates: dict[str, str], text: str) -> None:
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
    client: FlaskClient, templates: dict[str, str], method: str, path: str
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


@pytest.mark.parametrize("bad", ["%ff", "a%C3", "%ED%A0%80"])
def test_a_query_or_form_that_is_no_utf_8_is_refused(client: FlaskClient, bad: str) -> None:
    for url in (
        f"/v1/people?search={bad}",
        f"/v1/gallery/similarity?search={bad}",
        f"/v1/audit?actor={bad}",
        f"/v1/health?{bad}",
    ):
        message = assert_error(client.get(url), 400, "invalid_request")["message"]
        assert message == "The query must be urlencoded in UTF-8. Some of its bytes are not."
    refused = client.post(
        "/Identification_Request",
        data=f"name={bad}&path_dir=lobby",
        content_type="application/x-www-form-urlencoded",
    )
    assert "must be urlencoded in UTF-8" in assert_error(refused, 400, "invalid_request")["message"]
    assert client.get("/v1/people?search=%C3%A9+100%25").get_json()["people"] == []


def test_a_multipart_field_that_is_no_utf_8_is_refused(client: FlaskClient) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="name"%b\r\n\r\nJos%b\r\n--x--\r\n'

    def send(name: bytes, more: bytes = b"") -> TestResponse:
        content_type = "multipart/form-data; boundary=x"
        data = part % (more, name)
        return client.post("/Identification_Request", data=data, content_type=content_type)

    message = assert_error(send(b"\xe9"), 400, "invalid_request")["message"]
    assert message == "The fields and file names of a form must be text in UTF-8. Some are not."
    for name in ("é", "\ufffd"):
        message = assert_error(send(name.encode()), 404, "media_not_found")["message"]
        assert f"Jos{name}" in message
    older = send(b"\xe9", b"\r\nContent-Type: text/plain; charset=iso-8859-1")
    assert "José" in assert_error(older, 404, "media_not_found")["message"]
