"""Bad input on every route."""

from __future__ import annotations

from flask.testing import FlaskClient

from tests.support.routes import closed, routes
from tests.support.shapes import assert_error, enroll
from web.guard import roles


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

    def test_a_part_of_a_form_without_a_name(self, client: FlaskClient) -> None:
        """As a text and as a file, alone and beside others."""
        enroll(client, "ann")
        named = b'--b\r\nContent-Disposition: form-data; name="group"\r\n\r\nx\r\n'
        for head in (b"form-data", b'form-data; filename="a.mp4"'):
            for before in (b"", named):
                body = before + b"--b\r\nContent-Disposition: " + head + b"\r\n\r\nx\r\n--b--\r\n"
                for url in ("/v1/identify", "/speakers/identify", "/v1/audio/transcriptions"):
                    answer = client.post(
                        url, data=body, content_type="multipart/form-data; boundary=b"
                    )
                    assert answer.status_code == 400, (url, answer.get_data(as_text=True))
                    assert "must have a name" in answer.get_data(as_text=True), url
