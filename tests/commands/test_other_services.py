"""Both clients before a service that is another one: one message, and never a traceback."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from click.testing import CliRunner

import cli
import Request
from tests.support.http_server import serving
from tests.support.service import ROOT

BODIES = (
    b"",
    b"<html>",
    b"\xff",
    b"null",
    b"[]",
    b"[" * 100_000,
    b"{}",
    b'{"error": null}',
    b'{"error": "Not found"}',
    b'{"error": {"code": 404}}',
    b'{"detail": "Not found"}',
    b'{"fused": 1, "face": 2, "voice": 3, "hints": 4}',
    b'{"speakers": 5, "results": 5, "identified": "yes", "message": 5}',
    b'{"speakers": [{}], "results": [1], "total": 1}',
    b'{"speakers": [], "results": [], "total": "none"}',
)
STATUSES = (200, 201, 404, 500)


class Another(BaseHTTPRequestHandler):
    """Answers with the body and the status that the path names."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        number, status = map(int, self.path.split("/")[1:3])
        self.send_response(status)
        self.send_header("Content-Length", str(len(BODIES[number])))
        self.end_headers()
        self.wfile.write(BODIES[number])

    do_GET = do_DELETE = do_POST

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def other() -> Iterator[str]:
    with serving(Another) as address:
        yield address


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = tmp_path_factory.mktemp("other") / "a.wav"
    made.write_bytes(b"a clip")
    return str(made)


@pytest.mark.parametrize("body", range(len(BODIES)), ids=[ascii(body)[:30] for body in BODIES])
def test_another_service_is_said_to_be_one(
    other: str, clip: str, body: int, capsys: pytest.CaptureFixture[str]
) -> None:
    for status in STATUSES:
        url = f"{other}/{body}/{status}"
        for more in ([], ["--identify"], ["--json"], ["--challenge", "ko"]):
            assert Request.main([clip, "--url", url, *more]) == 2
            assert "Is it a Duet ID service?\n" in capsys.readouterr().err
        for words in ("identify {}", "batch {}", "register ann {}", "list", "delete ann --yes"):
            command = ["client", *(word.format(clip) for word in words.split()), "--server", url]
            done = CliRunner().invoke(cli.cli, command)
            assert done.exit_code == 1, (status, words, done.exception)
            assert done.stderr.startswith("Error: no_service: ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_an_answer_that_cannot_be_written_is_told_in_a_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = _run(["cli.py", "settings"], full.fileno())
    assert "disk is full" in done.stderr.splitlines()[-1]  # packages may warn before it
    assert "Traceback" not in done.stderr
    program = "import Request, sys; sys.exit(Request.write('an answer'))"
    with Path("/dev/full").open("w") as full:
        done = _run(["-c", program], full.fileno())
    assert done.returncode == 1
    assert done.stderr == "The answer cannot be written: No space left on device.\n"


def _run(words: list[str], output: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_wait_is_bounded() -> None:
    waits = {"0": 0, "7": 7, "999999": 60, "": 5, "-1": 5, "Fri, 31 Dec 1999 23:59:59 GMT": 5}
    assert {text: Request.read_wait(text) for text in waits} == waits
    assert Request.read_wait("9" * 5000) == 5
