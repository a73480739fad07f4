"""Uploads are bounded and kept in one private folder.

They are gone when their request ends, however it ends.
"""

from __future__ import annotations

import fcntl
import io
import os
import socket
import stat
import struct
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from recognition.recognizer import Recognizer
from tests.support.gallery_parts import clip
from tests.support.shapes import assert_error, enroll, media, send
from utils.config import Settings
from utils.errors import ConfigError
from web.factory import create_app
from web.wire import uploads

MB = 1_000_000


def left(settings: Settings) -> list[Path]:
    return list(settings.storage.temporary_folder.iterdir())


@pytest.fixture
def seen(
    recognizer: Recognizer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> list[list[Path]]:
    """What lies in the temporary folder while a clip is identified."""
    listings: list[list[Path]] = []
    identify = recognizer.identify

    def watched(request: Any) -> Any:
        listings.append(left(settings))
        return identify(request)

    monkeypatch.setattr(recognizer, "identify", watched)
    return listings


def test_the_folder_is_private(client: FlaskClient, settings: Settings) -> None:
    assert stat.S_IMODE(settings.storage.temporary_folder.stat().st_mode) == 0o700


def test_a_file_lives_as_long_as_its_request(
    client: FlaskClient, settings: Settings, seen: list[list[Path]]
) -> None:
    for data, status in ((None, 200), (b"text", 415)):
        assert send(client, "/v1/identify", media=media(data, face="ann")).status_code == status
        assert len(seen[-1]) == 1
        assert left(settings) == []


def test_no_file_outlives_an_unexpected_error(
    client: FlaskClient, settings: Settings, recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognizer, "identify", lambda *_, **__: 1 / 0)
    assert_error(send(client, "/v1/identify", media=media(face="ann")), 500, "internal")
    assert left(settings) == []


def test_too_large(client: FlaskClient, settings: Settings, seen: list[list[Path]]) -> None:
    body, content_type = multipart(b"x" * (MB + 1))
    for url in (
        "/v1/identify",
        "/v1/verify",
        "/v1/people/ann/templates",
        "/Identification_Request",
    ):
        assert_error(client.post(url, data=body, content_type=content_type), 413, "media_too_large")
    assert seen == []
    assert left(settings) == []


def test_too_large_without_a_length(client: FlaskClient, settings: Settings) -> None:
    """A chunked body says its length nowhere: it is counted as it comes."""
    body, content_type = multipart(b"x" * (MB + 1))
    environ = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    response = client.post(
        "/v1/identify",
        input_stream=io.BytesIO(body),
        content_type=content_type,
        environ_overrides=environ,
    )
    assert_error(response, 413, "media_too_large")
    assert left(settings) == []
    small, content_type = multipart(b"text")
    response = client.post(
        "/v1/identify",
        input_stream=io.BytesIO(small),
        content_type=content_type,
        environ_overrides=environ,
    )
    assert_error(response, 415, "media_type")


def multipart(data: bytes) -> tuple[bytes, str]:
    head = b'--edge\r\nContent-Disposition: form-data; name="media"; filename="a-1.mp4"\r\n\r\n'
    return head + data + b"\r\n--edge--\r\n", "multipart/form-data; boundary=edge"


def test_files_near_the_limit_pass_with_fields_beside_them(client: FlaskClient) -> None:
    enroll(client, "ann")
    large = clip(face="ann", voice="ann") + b"\r\n" * 100_000
    for form in ({"person_id": "ann"}, {"reference": media(large), "person_id": ""}):
        assert send(client, "/v1/verify", media=media(large), **form).status_code == 200
    assert (
        send(
            client, "/v1/people/ann/templates", replace="true", media=media(large), force="false"
        ).status_code
        == 201
    )


def test_too_much_beside_the_file(client: FlaskClient, settings: Settings) -> None:
    note = (
        b'--edge\r\nContent-Disposition: form-data; name="note"\r\n\r\n' + b"x" * 600_000 + b"\r\n"
    )
    body, content_type = multipart(clip(face="ann"))
    assert_error(
        client.post("/v1/identify", data=note + body, content_type=content_type),
        413,
        "media_too_large",
    )
    many = {f"media{i}": media(face="ann") for i in range(30)}
    refused = assert_error(send(client, "/v1/identify", **many), 413, "media_too_large")
    assert "16 fields and files" in refused["message"]
    assert_error(client.post("/v1/people", json={"name": "x" * 100_000}), 413, "media_too_large")
    assert_error(
        client.post("/Identification_Request", data={"name": "x" * 100_000}), 413, "media_too_large"
    )
    assert left(settings) == []


class Gone:
    """The body of a client that goes away after some bytes."""

    def __init__(self, start: bytes, error: OSError | None) -> None:
        self._rest = [start]
        self._error = error

    def read(self, size: int = -1) -> bytes:
        assert size >= 0, "a body is never read in one go"
        if self._rest:
            return self._rest.pop()
        if self._error:
            raise self._error
        return b""


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ConnectionResetError(104, "reset"), 400, "upload_broken"),
        (None, 400, "invalid_request"),
        (TimeoutError(), 408, "upload_timeout"),
        (BlockingIOError(11, "again"), 408, "upload_timeout"),
    ],
)
@pytest.mark.parametrize(
    "url", ["/v1/identify", "/v1/people/ann/templates", "/Identification_Request"]
)
def test_a_body_that_never_ends(
    client: FlaskClient, settings: Settings, error: OSError | None, status: int, code: str, url: str
) -> None:
    enroll(client, "ann")
    body, content_type = multipart(b"x" * 5000)
    response = client.post(
        url,
        content_type=content_type,
        environ_overrides={
            "wsgi.input": Gone(body[:-40], error),
            "wsgi.input_terminated": True,
            "CONTENT_LENGTH": str(len(body)),
        },
    )
    assert_error(response, status, code)
    assert left(settings) == []
    assert client.get("/v1/people/ann").get_json()["templates"] == {"face": 1, "voice": 1}


def test_a_full_disk(
    client: FlaskClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/dev/full refuses every write as a full disk does."""
    monkeypatch.setattr(
        uploads,
        "_new_file",
        lambda _folder: Path("/dev/full").open("wb+", buffering=0),  # noqa: SIM115
    )
    assert_error(send(client, "/v1/identify", media=media(b"x" * 5000)), 503, "storage_full")
    assert left(settings) == []


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=other",
        "multipart/form-data; boundary=é",
    ],
)
def test_a_malformed_form(client: FlaskClient, content_type: str) -> None:
    assert_error(
        client.post("/v1/identify", data=multipart(b"x")[0], content_type=content_type),
        400,
        "invalid_request",
    )


def test_a_slow_body_runs_into_its_deadline(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "UPLOAD_LIMIT_S", -1.0)
    assert_error(send(client, "/v1/identify", media=media(face="ann")), 408, "upload_timeout")


def test_what_a_refusal_leaves_unread_is_read_off(app: Flask) -> None:
    stream = io.BytesIO(b"x" * MB)
    environ = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    client = app.test_client()
    client.post("/nope", input_stream=stream, environ_overrides=environ, buffered=True)
    assert stream.read() == b""


def test_a_refused_client_that_stalls_keeps_its_thread_for_seconds_alone(app: Flask) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as stream:
        theirs.sendall(b"x" * 5000)
        theirs.shutdown(socket.SHUT_WR)
        environ = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
        client = app.test_client()
        about: dict[str, Any] = {**environ, "wsgi.input": stream, "gunicorn.socket": ours}
        client.post("/nope", environ_overrides=about, buffered=True)
        stall = ours.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16)
        assert struct.unpack("ll", stall) == (uploads.DRAIN_STALL_S, 0)
        assert stream.read() == b""


def test_leftovers_are_swept_at_start_and_files_in_use_are_not(
    settings: Settings, recognizer: Recognizer
) -> None:
    uploads.prepare_folder(settings.storage.temporary_folder)
    orphan, used, other = (
        settings.storage.temporary_folder / name
        for name in ("upload-dead", "upload-alive", "mine.txt")
    )
    for path in (orphan, used, other):
        path.write_bytes(b"x")
    with used.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        create_app({"SETTINGS": settings}, recognizer)
        assert sorted(left(settings)) == sorted([used, other])


def test_a_folder_that_cannot_be_written(tmp_path: Path, recognizer: Recognizer) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="DUET_DATA_DIR"):
        create_app({"SETTINGS": Settings.of(data_dir=tmp_path / "file")}, recognizer)
    if os.geteuid():
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(ConfigError, match="DUET_DATA_DIR"):
            create_app({"SETTINGS": Settings.of(data_dir=tmp_path / "locked")}, recognizer)
