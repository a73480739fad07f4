"""The programs app.py and app_web.py.

What keeps them from starting, and one real process over real sockets.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.half_sent import send_all_but_the_end
from tests.support.media import write_clip
from tests.support.service import ROOT, Service, environment, free_port, running, start_to_fail
from tests.support.tiny import tiny_models
from tests.support.waiting import LIMIT_S, until

PROGRAMS = ("app.py", "app_web.py")
PAGES = ("kiosk", "people")
LINE = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
PEOPLE = b"POST /v1/people HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKED = PEOPLE + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_names_every_setting_and_loads_no_network(program: str) -> None:
    code = (
        "import runpy, sys; sys.argv = [sys.argv[1], '--help']\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'tensorflow', 'keras', 'onnxruntime', 'cv2', 'librosa'} & set(sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code, program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    assert "DUET_API_KEY" in shown.stdout
    assert "DUET_MAX_UPLOAD_MB" in shown.stdout


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models(tmp_path_factory.mktemp("models"))


def assert_one_line(done: subprocess.CompletedProcess[str], part: str) -> None:
    assert done.returncode not in (0, None)
    assert part in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"port": "80x"}, "DUET_PORT must be a number"),
        ({"port": 0}, "DUET_PORT must be between"),
        ({"colour": "red"}, "DUET_COLOUR"),
        ({"host": "0.0.0.0"}, "Without an API key"),
        ({"trusted_proxies": 1}, "Behind a proxy"),
        ({"rate_limit": "many"}, "DUET_RATE_LIMIT"),
        ({"tls_cert": "/nowhere.crt", "tls_key": "/nowhere.key"}, "DUET_TLS_CERT"),
        ({"host": "192.0.2.1", "api_key": "k"}, "cannot listen"),
        ({"model_dir": "/nowhere"}, "face/card.json is missing"),
        ({"data_dir": "/proc/nowhere"}, "DUET_DATA_DIR"),
    ],
)
def test_a_setting_that_cannot_work(
    tmp_path: Path, models: Path, settings: dict[str, object], part: str
) -> None:
    assert_one_line(
        start_to_fail(
            "app.py",
            **({"data_dir": tmp_path, "model_dir": models, "port": free_port()} | settings),
        ),
        part,
    )


def _run_cli(command: str, settings: dict[str, Any]) -> str:
    """Run a command of cli.py, and return what it prints."""
    result = subprocess.run(
        [sys.executable, "cli.py", *command.split()],
        cwd=ROOT,
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return result.stdout


def test_a_key_of_the_database_is_enough_to_listen_on_the_network(
    tmp_path: Path, models: Path
) -> None:
    settings: dict[str, Any] = {
        "data_dir": tmp_path / "data",
        "model_dir": models,
        "host": "0.0.0.0",
    }
    printed_key = _run_cli("keys create --role kiosk", settings)
    headers = {"X-API-Key": printed_key.strip()}
    with running(tmp_path, **(settings | {"threads": 2})) as service:
        assert requests.get(service.url + "/v1/people", timeout=30).status_code == 401
        assert (
            requests.get(service.url + "/v1/people", headers=headers, timeout=30).json()["error"][
                "code"
            ]
            == "forbidden"
        )
    events = _run_cli("audit show", settings)
    assert [line.split("\t")[3] for line in events.splitlines()] == [
        "stop",
        "refuse",
        "refuse",
        "start",
        "create_key",
    ]
    report = _run_cli("audit verify", settings)
    assert report.startswith("5 rows, whole.")


def test_port_in_use(tmp_path: Path, models: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert_one_line(
            start_to_fail("app_web.py", data_dir=tmp_path, model_dir=models, port=port),
            f"DUET_PORT={port}",
        )


def test_what_fails_in_the_worker_ends_the_service(tmp_path: Path) -> None:
    """The networks are loaded after the fork."""
    models = tiny_models(tmp_path / "models")
    (models / "fusion" / "model.onnx").write_bytes(b"no network")
    bad = start_to_fail("app.py", data_dir=tmp_path / "data", model_dir=models, port=free_port())
    assert bad.returncode == 4
    assert "Duet ID cannot start" in bad.stderr
    assert "Traceback" not in bad.stderr
    assert "is ready" not in bad.stdout


def test_a_database_that_cannot_be_opened(tmp_path: Path, models: Path) -> None:
    bad = start_to_fail(
        "app.py",
        data_dir=tmp_path,
        model_dir=models,
        port=free_port(),
        database_url="sqlite:////proc/nowhere/duet.db",
    )
    assert bad.returncode == 1
    assert (
        "Duet ID cannot start: The database file is gone, or its folder cannot be made"
        in bad.stderr
    )
    assert "Traceback" not in bad.stderr


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Service]:
    with running(
        tmp_path_factory.mktemp("service"), model_dir=models, max_upload_mb=2, threads=4
    ) as started:
        yield started


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "ann.mp4", person=1)


def exchange(service: Service, sent: bytes, close_after: bool = False) -> bytes:
    """Send raw bytes, answer with all that comes back."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(sent)
        if close_after:
            return b""
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def answer_to(service: Service, sent: bytes) -> tuple[HTTPResponse, bytes]:
    """Send raw bytes, and take the answer while the connection stays open."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(sent)
        answer = HTTPResponse(connection)
        answer.begin()
        return answer, answer.read()


@pytest.mark.e2e
class TestRunning:
    """One process for all of these."""

    def test_says_that_it_is_ready(self, service: Service) -> None:
        printed = service.log.read_text()
        assert f"Duet ID is ready: {service.url} (Swagger UI)" in printed
        assert re.findall(r"http://\S+/\w+", printed) == [f"{service.url}/{p}" for p in PAGES]
        assert "WARNING" not in service.log.read_text()
        health = requests.get(service.url + "/v1/health", timeout=30)
        assert health.json()["models_loaded"] is True
        assert requests.get(service.url, timeout=30).headers["Content-Type"].startswith("text/html")

    def test_a_clip_over_the_socket(self, service: Service, clip: Path) -> None:
        with clip.open("rb") as file:
            answer = requests.post(
                service.url + "/v1/identify", files={"media": ("ann.mp4", file)}, timeout=120
            )
        assert answer.status_code == 200, answer.text
        assert answer.json()["fused"]["outcome"] == "unknown"
        assert service.temporary_files() == []

    def test_a_client_that_ends_its_half_gets_its_answer(
        self, service: Service, clip: Path
    ) -> None:
        url = service.url + "/v1/verify"
        files = {name: ("ann.mp4", clip.read_bytes()) for name in ("media", "reference")}
        asked = requests.Request("POST", url, files=files).prepare()
        assert isinstance(asked.body, bytes)
        for version in ("1.1", "1.0"):
            lines = [f"POST /v1/verify HTTP/{version}", f"Host: 127.0.0.1:{service.port}"]
            lines += [f"{name}: {value}" for name, value in asked.headers.items()]
            answer = exchange(service, "\r\n".join([*lines, "\r\n"]).encode() + asked.body)
            answer = answer.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
            assert answer.startswith(f"HTTP/{version} 200".encode()), answer

    def test_a_client_that_waits_is_asked_for_what_will_be_read(self, service: Service) -> None:
        waiting = PEOPLE + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n"
        refused = exchange(service, waiting % 10_000_000)
        assert refused.startswith(b"HTTP/1.1 413")
        assert b"Connection: close" in refused
        with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
            connection.sendall(waiting % 2)
            assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(b"{}")
            answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"Connection: keep-alive" in answer

    def test_a_refusal_does_not_wait_for_the_body(self, service: Service) -> None:
        sent = PEOPLE.replace(b"people", b"nowhere") + b"Content-Length: 1000\r\n\r\n"
        assert answer_to(service, sent)[0].status == 404

    def test_an_address_without_a_path_is_the_root(self, service: Service) -> None:
        sent = LINE.replace(b" / ", b" http://localhost ") + b"\r\n"
        assert answer_to(service, sent)[0].status == 200

    @pytest.mark.parametrize(
        "body",
        [
            b"2\n{}\n0\n\n",
            b"2\r\n{}\r\n0\n\n",
            b"2\r{}\r0\r\r",
            b"0\r\nX: a\nX: b\n\n",
            b"-2\r\n{}",
            b"0x2\r\n{}",
            b"2 \r\n{}",
            b"2;=\r\n{}",
            b"f" * 17 + b"\r\n{}",
        ],
    )
    def test_chunks_that_are_none_are_refused_at_once(self, service: Service, body: bytes) -> None:
        answer, text = answer_to(service, CHUNKED + body)
        assert (answer.status, answer.getheader("Connection")) == (400, "close")
        error = json.loads(text)["error"]
        assert error["code"] == "upload_broken"
        assert "a chunk or a trailer" in error["message"]

    def test_a_body_over_the_limit_with_and_without_its_length(self, service: Service) -> None:
        whole = (
            b'--edge\r\nContent-Disposition: form-data; name="media"; filename="a.mp4"\r\n\r\n'
            + b"x" * 8_000_000
            + b"\r\n--edge--\r\n"
        )
        headers = {"Content-Type": "multipart/form-data; boundary=edge"}
        for body in (whole, (whole[i : i + 50_000] for i in range(0, len(whole), 50_000))):
            answer = requests.post(
                service.url + "/v1/identify", data=body, headers=headers, timeout=60
            )
            assert answer.status_code == 413
            assert answer.json()["error"]["code"] == "media_too_large"
        assert service.temporary_files() == []

    def test_a_client_that_goes_away(self, service: Service) -> None:
        head = (
            f"POST /v1/identify HTTP/1.1\r\nHost: 127.0.0.1:{service.port}\r\nContent-Length:"
            " 1000000\r\nX-Request-ID: gone-away\r\nContent-Type: multipart/form-data;"
            ' boundary=edge\r\n\r\n--edge\r\nContent-Disposition: form-data; name="media";'
            ' filename="a.mp4"\r\n\r\n'
        ).encode()
        with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
            connection.sendall(head + b"x" * 300_000)
            until(lambda: len(service.temporary_files()) == 1)
        until(lambda: service.temporary_files() == [])
        until(lambda: "request_id=gone-away" in service.log.read_text())
        line = next(x for x in service.log.read_text().splitlines() if "gone-away" in x)
        assert re.search(r"POST /v1/identify 400 \d+ ms", line)
        assert requests.get(service.url + "/v1/health", timeout=30).status_code == 200

    @pytest.mark.parametrize(
        ("sent", "status", "received"),
        [
            (b"nonsense\r\n\r\n", 400, "a first line"),
            (b"GET / HTTP/9.9\r\n\r\n", 400, "another version"),
            (b"get / HTTP/1.1\r\n\r\n", 400, "a method"),
            (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n", 414, "more"),
            (LINE + b"X: " + b"y" * 100_000 + b"\r\n\r\n", 431, "more"),
            (LINE + b"Bad Header: 1\r\n\r\n", 400, "a header whose name"),
            (LINE + b"X: a\r\n b\r\n\r\n", 400, "a header of several lines"),
            (LINE + b"Content-Length: -1\r\n\r\n", 400, "a header"),
            (LINE + b"Transfer-Encoding: junk\r\n\r\n", 400, "a Transfer-Encoding"),
            (LINE + b"Expect: junk\r\n\r\n", 400, "an Expect"),
            (CHUNKED + b"zz\r\n", 400, "a chunk"),
            (b"GET /v1/people HTTP/1.1\r\n\r\n", 400, "the header Host"),
            (b"GET /v1/people HTTP/1.0\r\n\r\n", 403, "Host=''"),
            (b"GET /v1/people HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403, "evil"),
        ],
    )
    def test_what_is_no_good_http_gets_the_error_shape_too(
        self, service: Service, sent: bytes, status: int, received: str
    ) -> None:
        head, _, body = exchange(service, sent).partition(b"\r\n\r\n")
        assert head.split()[1] == str(status).encode(), head
        assert b"application/json" in head
        error = json.loads(body)["error"]
        assert set(error) == {"code", "message", "hint", "request_id"}
        assert received in error["message"]

    def test_https_is_told_that_the_port_speaks_http(self, service: Service) -> None:
        started = time.monotonic()
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(service.url.replace("http:", "https:"), timeout=60)
        assert time.monotonic() - started < 20, "it is not left to wait"
        until(lambda: "TlsSpokenError" in service.log.read_text())
        clip = Path(__file__)
        url = ["--url", service.url.replace("http:", "https:")]
        asked = [sys.executable, "Request.py", str(clip), *url]
        done = subprocess.run(
            asked, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, "does not speak https" in done.stderr) == (2, True)

    def test_a_stop_lets_the_running_request_end(self, service: Service, clip: Path) -> None:
        """Last of all: the service is gone afterwards."""
        connection, rest = send_all_but_the_end(service, clip)
        decoders = service.decoder_pids()
        assert len(decoders) == 2
        service.process.send_signal(signal.SIGTERM)
        connection.send(rest)
        assert connection.getresponse().status == 200
        connection.close()
        assert service.process.wait(LIMIT_S) == 0
        assert service.temporary_files() == []
        assert not any(Path(f"/proc/{pid}").exists() for pid in decoders)
