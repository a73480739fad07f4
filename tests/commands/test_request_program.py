"""Request.py against a service that is busy at first."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from Request import main


class BusyTwice(BaseHTTPRequestHandler):
    """Answers 503 `busy` to the first two requests."""

    requests: ClassVar[list[int]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.requests.append(len(body))
        is_busy = len(self.requests) <= 2
        error = {"code": "busy", "message": "Busy.", "hint": ""}
        answer = {"error": error} if is_busy else {"100001": "ann"}
        content = json.dumps(answer).encode()
        self.send_response(503 if is_busy else 200)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), BusyTwice)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_busy_service_is_asked_again(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = tmp_path / "ann-1.mp4"
    clip.write_bytes(b"a clip")
    assert main([str(clip), "--url", url]) == 0
    printed = capsys.readouterr()
    assert "100001: ann" in printed.out
    assert printed.err.count("The service is busy. The clip is sent again") == 2
    assert len(set(BusyTwice.requests)) == 1, "the whole clip is sent each time"
    assert len(BusyTwice.requests) == 3
