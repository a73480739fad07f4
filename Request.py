#!/usr/bin/env python3
"""Terminal client of a running Duet ID service: sends one clip and prints who it is.

It needs the standard library and `requests` only, and uploads the clip to
`/Identification_Request`. A name that is not enrolled yet is registered on first sight.
`--re-register` replaces what is stored under it. A person who is enrolled under another
name is reported, and registered with `--force` only. With `--identify` nothing is ever
registered, and the whole answer of `/v1/identify` is explained.

Without a clip on the command line, it asks for one. With `--challenge` it first prints
digits, which the clip must say. The address is DUET_URL, or else this
machine at DUET_PORT.

Examples:
    python Request.py anna@example.org-1.mp4
    python Request.py clip.mp4 --name anna@example.org-2.mp4 --re-register
    python Request.py clip.mp4 --identify
    python Request.py --challenge ko --identify
"""

from __future__ import annotations

import signal

AT_ONCE = __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler
if AT_ONCE:  # until `main`, whose packages take a while to load
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import codecs
import contextlib
import io
import json
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import requests

TIMEOUT_S = (5, 180)
MOST_TIMES = 20
MOST_WAIT_S = 60
ADDRESS_FAULTS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)
NOBODY_TYPES = (EOFError, OSError, RuntimeError)
"""What `input` raises at its end, where it is no text, and where there is none."""
DIGITS = {
    "en": (
        "Record yourself saying, within {seconds} s: {digits}",
        "Press Enter when {clip} is recorded: ",
    ),
    "ko": (
        "{seconds}초 안에 이 숫자를 말하는 모습을 녹화하세요: {digits}",
        "{clip} 녹화가 끝나면 Enter 키를 누르세요: ",
    ),
    "zh": (
        "请在 {seconds} 秒内录下自己说这些数字：{digits}",
        "{clip} 录好后按回车键：",
    ),
}
"""What is asked for digits, and the question after it, by language."""
LINES = {"fused": "Answer", "face": "By face alone", "voice": "By voice alone"}


class NotOursError(Exception):
    """What answers is no Duet ID service."""


def main(argv: list[str] | None = None) -> int:
    """Run the client.

    Exit status: 0 answered, 1 refused by the service, 2 wrong use or no service, 130 Ctrl+C.
    """
    write_every_sign()
    args = parse(argv)
    if args.ca and not is_file(Path(args.ca)):
        return fail(f"No such certificate: {args.ca}")
    try:
        return run(args)
    except NotOursError as error:
        return fail(f"{args.url} answered {error}. Is it a Duet ID service?")
    except KeyboardInterrupt:
        return fail("Stopped before there was an answer.", status=130)
    except (OSError, UnicodeEncodeError) as error:  # those of requests are OSErrors
        return fail(say_why(error, args))


def write_every_sign() -> None:
    """Write what the terminal has no sign for as its number, such as \\xe9."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def run(args: argparse.Namespace) -> int:
    """Ask for what is missing, send the clip, and print the answer."""
    refusal = draw_digits(args)
    if refusal is not None:
        return show(refusal, args)
    args.clip = args.clip or ask_for_clip()
    if args.clip is None:
        return fail("Name a clip: python Request.py CLIP")
    if not is_file(args.clip):
        return fail(f"No such file: {args.clip}")
    return show(send_when_free(args), args)


def say_why(error: Exception, args: argparse.Namespace) -> str:
    """Say why there is no answer."""
    if isinstance(error, ADDRESS_FAULTS):
        return (
            f"The address must be one such as http://127.0.0.1:5000. Received: {args.url!r}."
            " Change --url, DUET_URL or DUET_PORT."
        )
    if isinstance(error, requests.exceptions.SSLError):
        if "CERTIFICATE_VERIFY_FAILED" not in str(error):
            return f"{args.url} does not speak https. Does the service speak http://?"
        return (
            f"The certificate of {args.url} is not trusted here. If it is your own, add --ca"
            " service.crt"
        )
    if isinstance(error, requests.exceptions.ConnectionError):
        return f"No service answers at {args.url}. Start it with `make run`."
    if isinstance(error, requests.exceptions.RequestException):
        return f"The request failed: {error}"
    if isinstance(error, OSError):
        return f"{args.clip} cannot be read: {error.strerror or error}."
    return "A name must be text in UTF-8, and a key plain letters and digits."


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="Request.py", description="Ask a running Duet ID service who is in a clip."
    )
    parser.add_argument(
        "clip",
        type=Path,
        nargs="?",
        metavar="CLIP",
        help="video, sound or picture file (default: it is asked for)",
    )
    _add_service_options(parser)
    _add_clip_options(parser)
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    return parser.parse_args(argv)


def default_url() -> str:
    """Address of the service: DUET_URL, else this machine at DUET_PORT or 5000."""
    port = os.environ.get("DUET_PORT") or "5000"
    return os.environ.get("DUET_URL") or f"http://127.0.0.1:{port}"


def is_file(path: Path) -> bool:
    """Whether there is a file. A name that no file can have is none."""
    with contextlib.suppress(OSError, ValueError):
        return path.is_file()
    return False


def ask_for_clip() -> Path | None:
    """Ask for a clip until a file is named. None where nothing is."""
    while True:
        try:
            text = input("Clip (video, sound or picture; drop a file here, or Enter to end): ")
        except (KeyboardInterrupt, *NOBODY_TYPES):
            return None
        if not text.strip():
            return None
        path = read_path(text)
        if is_file(path):
            return path
        print(f"No such file: {path}", file=sys.stderr)


def read_path(text: str) -> Path:
    """Read a path as it is typed, pasted, or dropped into a terminal with quotes."""
    path = Path(text.strip()).expanduser()
    if is_file(path) or os.name == "nt":
        return Path(text.strip().strip('"')).expanduser() if os.name == "nt" else path
    try:
        return Path(*shlex.split(text)[:1]).expanduser()
    except ValueError:  # a quote that is not closed
        return path


def _add_service_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url",
        default=default_url(),
        help="address of the service (default: DUET_URL, or DUET_PORT here: %(default)s)",
    )
    parser.add_argument(
        "--api-key",
        default=os.environ.get("DUET_API_KEY"),
        help="API key (default: environment variable DUET_API_KEY)",
    )
    parser.add_argument(
        "--ca",
        metavar="FILE",
        help="certificate to trust for https, in a PEM file (default: those of this computer)",
    )


def _add_clip_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--name",
        help=(
            '"id-number.mp4"; the part before the hyphen is the person id (default: name of the'
            " file)"
        ),
    )
    parser.add_argument(
        "--re-register",
        action="store_true",
        help="replace what is stored for this person by this clip",
    )
    parser.add_argument(
        "--force", action="store_true", help="register even if the clip matches somebody else"
    )
    parser.add_argument(
        "--identify",
        action="store_true",
        help="only identify, never register, and explain the answer",
    )
    parser.add_argument(
        "--challenge",
        choices=tuple(DIGITS),
        metavar="LANGUAGE",
        help="first print digits to say, in en, ko or zh; the clip is recorded then",
    )


def draw_digits(args: argparse.Namespace) -> requests.Response | None:
    """Ask for digits and print them, if the clip is to say any. Returns a refusal."""
    args.challenge_id = None
    if not args.challenge:
        return None
    answer = post(args, "/v1/challenges", json={"language": args.challenge})
    if answer.status_code != 201:
        return answer
    drawn = read_body(answer)
    if not isinstance(drawn.get("digits"), str) or "challenge_id" not in drawn:
        raise NotOursError("201 without digits")
    args.challenge_id = drawn["challenge_id"]
    digits = " ".join(drawn["digits"])
    asked, question = DIGITS[args.challenge]
    print(asked.format(seconds=drawn.get("expires_s"), digits=digits), file=sys.stderr)
    if args.clip:
        wait_for_enter(question.format(clip=args.clip))
    return None


def wait_for_enter(question: str) -> None:
    """Wait until somebody presses Enter, or nobody can."""
    with contextlib.suppress(*NOBODY_TYPES):
        input(question)


def send_when_free(args: argparse.Namespace) -> requests.Response:
    """Upload the clip, again and again while the service is busy."""
    for _ in range(MOST_TIMES - 1):
        answer = send(args)
        if answer.status_code != 503 or '"busy"' not in answer.text:
            return answer
        wait_s = read_wait(answer.headers.get("Retry-After", ""))
        print(f"The service is busy. The clip is sent again in {wait_s} s ...", file=sys.stderr)
        time.sleep(wait_s)
    return send(args)


def send(args: argparse.Namespace) -> requests.Response:
    """Upload the clip."""
    route = "/v1/identify" if args.identify else "/Identification_Request"
    fields = {
        "name": args.name or args.clip.name,
        "re_register": str(args.re_register),
        "force": str(args.force),
    }
    data = {} if args.identify else fields
    if args.challenge_id:
        data["challenge"] = args.challenge_id
    with args.clip.open("rb") as file:
        return post(args, route, files={"media": (args.clip.name, file)}, data=data)


def post(args: argparse.Namespace, route: str, **body: Any) -> requests.Response:
    """Send a POST with the key."""
    return requests.post(
        args.url.rstrip("/") + route,
        headers={"X-API-Key": args.api_key} if args.api_key else {},
        verify=args.ca or True,
        timeout=TIMEOUT_S,
        **body,
    )


def read_wait(text: str) -> int:
    """Read a Retry-After in seconds, at most a minute. A date counts as 5 s."""
    return (
        min(int(text), MOST_WAIT_S) if text.isascii() and text.isdigit() and len(text) < 10 else 5
    )


def read_body(response: requests.Response) -> dict[str, Any]:
    """Read an answer of JSON. Raises NotOursError."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        raise NotOursError(f"{response.status_code} with something that is not JSON") from None
    if not isinstance(body, dict):
        raise NotOursError(f"{response.status_code} with JSON that is no object")
    return body


def show(response: requests.Response, args: argparse.Namespace) -> int:
    """Print the answer or the error. Raises NotOursError."""
    body = read_body(response)
    if not response.ok or "error" in body:
        return fail(describe_error(body.get("error"), response.status_code), status=1)
    try:
        lines = explain(body) if args.identify else explain_first_sight(body)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise NotOursError(f"{response.status_code} without an answer to the clip") from None
    return write(to_json(body) if args.json else "\n".join(lines))


def to_json(body: dict[str, Any]) -> str:
    """Write an answer as JSON that can be printed in whatever encoding the output has."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    is_utf8 = codecs.lookup(encoding).name == "utf-8"
    return json.dumps(body, indent=1, ensure_ascii=not is_utf8)


def describe_error(error: Any, status: int) -> str:
    """Describe an error of the service in a line. Raises NotOursError."""
    if not isinstance(error, dict) or not error.keys() >= {"code", "message"}:
        raise NotOursError(f"{status} with an error of another kind")
    message = str(error["message"]).rstrip(".")
    hint = name_option(error.get("hint") or "")
    return f"{error['code']} ({status}): {message}. {hint}".rstrip()


def name_option(advice: str) -> str:
    """Name the option of this program in place of the field of a request."""
    return advice.replace("force=true", "--force")


def write(text: str) -> int:
    """Print an answer. Returns the exit status."""
    try:
        print(text, flush=True)
    except OSError as error:
        # Else the interpreter tries again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return fail(f"The answer cannot be written: {error.strerror}.", status=1)
    return 0


def explain_first_sight(body: dict[str, Any]) -> list[str]:
    """Explain an answer of /Identification_Request in lines of text."""
    if "100001" not in body:
        raise KeyError("100001")
    return [f"{key}: {name_option(str(text))}" for key, text in body.items()]


def explain(body: dict[str, Any]) -> list[str]:
    """Explain an answer of /v1/identify in lines of text."""
    lines = [_explain_decision(body[modality], words) for modality, words in LINES.items()]
    return lines + [f"Hint: {hint['text']}" for hint in body["hints"]]


def _explain_decision(decision: dict[str, Any], words: str) -> str:
    match = decision["match"]
    who = decision["outcome"]
    if match:
        who = f"{match['name']} ({match['person_id']}), score {match['score']:.3f}"
    if decision["threshold"] is not None:
        who += f", threshold {decision['threshold']:.3f}"
    return f"{words:18} {who}. {decision['reason']}"


def fail(message: str, status: int = 2) -> int:
    """Print what went wrong on stderr. Returns the exit status."""
    print(message, file=sys.stderr)
    return status


if __name__ == "__main__":
    if AT_ONCE:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())
