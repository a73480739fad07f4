"""Request.py: the clip that it asks for, its address, a service that is busy at first."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar

import pytest

import Request
from Request import default_url, describe_error, explain_first_sight, main
from tests.support.http_server import serving
from utils.config import url_of_service

BUSY = {"error": {"code": "busy", "message": "Busy.", "hint": ""}}
CHALLENGE = {"challenge_id": "7-ab", "digits": "482913", "expires_s": 45}


def test_an_interrupt_ends_the_program_with_its_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_args: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(Request, "run", interrupt)
    assert main(["a.mp4"]) == 130
    assert capsys.readouterr().err == "Stopped before there was an answer.\n"


class BusyTwice(BaseHTTPRequestHandler):
    """Answers 503 `busy` to the first two clips. Its challenge is `CHALLENGE`."""

    requests: ClassVar[list[bytes]] = []
    answered: ClassVar[dict[str, str]] = {"100001": "ann"}

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/challenges":
            self.answer(201, CHALLENGE)
            return
        self.requests.append(body)
        if len(self.requests) <= 2:
            self.answer(503, BUSY)
        else:
            self.answer(200, self.answered)

    def answer(self, status: int, body: object) -> None:
        """Send a body as JSON."""
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    BusyTwice.requests.clear()
    with serving(BusyTwice) as address:
        yield address


def test_a_busy_service_is_asked_again(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = tmp_path / "ann-1.mp4"
    clip.write_bytes(b"a clip")
    assert main([str(clip), "--url", url]) == 0
    printed = capsys.readouterr()
    assert "100001: ann" in printed.out
    assert printed.err.count("The service is busy. The clip is sent again") == 2
    lengths = [len(request) for request in BusyTwice.requests]
    assert len(lengths) == 3
    assert len(set(lengths)) == 1, "the whole clip is sent each time"


def type_in(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """Answer what is asked with these lines, then with the end of the input."""
    left = iter(lines)

    def answer(_prompt: str) -> str:
        try:
            return next(left)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", answer)


def test_without_a_clip_it_asks_for_one_until_there_is_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = tmp_path / "Ann's first-1.mp4"
    clip.write_bytes(b"a clip")
    type_in(monkeypatch, "nowhere.mp4", f'"{clip}"')
    assert Request.ask_for_clip() == clip
    assert "No such file: nowhere.mp4" in capsys.readouterr().err


def test_digits_are_printed_before_the_clip_is_asked_for(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = tmp_path / "ann-1.mp4"
    clip.write_bytes(b"a clip")
    type_in(monkeypatch, str(clip))
    assert main(["--challenge", "ko", "--url", url]) == 0
    said = capsys.readouterr().err
    assert "45초 안에 이 숫자를 말하는" in said
    assert "4 8 2 9 1 3" in said
    assert b'name="challenge"\r\n\r\n7-ab\r\n' in BusyTwice.requests[-1]
    assert main([str(clip), "--challenge", "en", "--url", url]) == 0, "nobody presses Enter"


@pytest.mark.parametrize("lines", [(), ("",), ("  ",)])
def test_nothing_named_is_wrong_use(
    monkeypatch: pytest.MonkeyPatch, lines: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(monkeypatch, *lines)
    assert main([]) == 2
    assert "Name a clip" in capsys.readouterr().err


@pytest.mark.parametrize(
    "typed", ["{0}", " {0} ", "'{0}'", '"{0}"', r"{1}"], ids=["plain", "spaces", "'", '"', "\\"]
)
def test_a_path_is_read_as_terminals_give_it(tmp_path: Path, typed: str) -> None:
    clip = tmp_path / "two words.mp4"
    clip.write_bytes(b"")
    assert Request.read_path(typed.format(clip, str(clip).replace(" ", "\\ "))) == clip


def test_the_address_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("DUET_URL", "DUET_PORT"):
        monkeypatch.delenv(variable, raising=False)
    assert default_url() == url_of_service() == "http://127.0.0.1:5000"
    monkeypatch.setenv("DUET_PORT", "8080")
    assert default_url() == url_of_service() == "http://127.0.0.1:8080"
    monkeypatch.setenv("DUET_URL", "https://duet.example.org/id")
    assert default_url() == url_of_service() == "https://duet.example.org/id"
    assert Request.parse(["a.mp4"]).url == "https://duet.example.org/id"


WRONG = {
    "--url 127.0.0.1:5000": "The address must be one such as",
    "--url http://127.0.0.1:port": "Received: 'http://127.0.0.1:port'",
    "--url ftp://127.0.0.1": "The address must be one such as",
    "--ca nowhere.crt": "No such certificate: nowhere.crt",
    "--api-key k\u20ac": "a key plain letters and digits",
    "--name \udcff": "A name must be text in UTF-8",
}


@pytest.mark.parametrize("words", WRONG, ids=ascii)
def test_words_that_cannot_be_used_are_told_in_a_line(
    url: str, tmp_path: Path, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"a clip")
    assert main([str(tmp_path / "a.mp4"), "--url", url, *words.split()]) == 2
    printed = capsys.readouterr().err
    assert WRONG[words] in printed
    assert printed.count("\n") == 1


def test_files_that_cannot_be_read_are_told_in_a_line(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["x" * 300, "--url", url]) == 2
    assert "No such file: xxx" in capsys.readouterr().err
    assert main(["/proc/self/mem", "--url", url]) == 2
    assert capsys.readouterr().err == "/proc/self/mem cannot be read: Input/output error.\n"


def test_json_is_whole_in_any_encoding(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = tmp_path / "ann-1.mp4"
    clip.write_bytes(b"a clip")
    answer = {"100001": "Zo\u00eb \U0001f600"}
    monkeypatch.setattr(BusyTwice, "answered", answer)
    output = io.TextIOWrapper(io.BytesIO(), encoding="cp949")
    monkeypatch.setattr(sys, "stdout", output)
    assert main([str(clip), "--url", url, "--json"]) == 0
    assert json.loads(output.buffer.getvalue().decode("cp949")) == answer


@pytest.mark.parametrize("fault", [RuntimeError("lost sys.stdin"), IsADirectoryError()])
def test_where_nothing_can_be_typed_nothing_is_waited_for(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def answer(_prompt: str) -> str:
        raise fault

    monkeypatch.setattr("builtins.input", answer)
    clip = tmp_path / "ann-1.mp4"
    clip.write_bytes(b"a clip")
    assert main([str(clip), "--challenge", "en", "--url", url]) == 0
    assert main(["--url", url]) == 2


def test_message_and_advice_are_two_sentences_that_name_the_option() -> None:
    error = {"code": "duplicate_person", "message": "Received: 'b'", "hint": "Use force=true."}
    assert describe_error(error, 409) == "duplicate_person (409): Received: 'b'. Use --force."
    assert describe_error({**error, "hint": ""}, 409) == "duplicate_person (409): Received: 'b'."
    body = {"100001": "ann", "notice": "Send it again with force=true."}
    assert explain_first_sight(body)[1] == "notice: Send it again with --force."
