"""The voice API as a client uses it: one method a route, over HTTP.

Needs none of the product's networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from commands.hints import SERVER_HINTS
from utils.errors import DuetError

if TYPE_CHECKING:
    import requests

CONNECT_S = 5.0
NUMBER = (int, float)
TEXT = (str, type(None))
ERROR = {"code": str, "message": str, "hint": str}
IDENTIFIED = {
    "identified": bool,
    "speaker_id": TEXT,
    "name": TEXT,
    "confidence": NUMBER,
    "threshold": NUMBER,
}
SPEAKER = {"speaker_id": str, "name": str, "audioCount": int}
SPEAKERS = {"speakers": [SPEAKER], "total": int}
DONE = {"message": str}
"""What a client needs of each answer: names and types, in a list those of each."""


class UnreachableError(DuetError):
    """Nobody answers at the address, or not in time."""

    code = "server_unreachable"


class ServerError(DuetError):
    """The server answered with an error. `code` is the one that it named."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.code = code


class VoiceServer:
    """A service at `url`.

    Every method raises UnreachableError when it does not answer within `timeout_s`, and
    ServerError when it answers with an error.
    """

    def __init__(self, url: str, api_key: str = "", timeout_s: float = 60.0) -> None:
        self.url = url.rstrip("/")
        self._headers = {"X-API-Key": api_key} if api_key else {}
        self._timeout = (min(CONNECT_S, timeout_s), timeout_s)

    def identify(self, path: Path, threshold: float) -> dict[str, Any]:
        """Ask who speaks in the file."""
        answer = self._send("/speakers/identify", "audio", [path], {"threshold": threshold})
        return self._check(answer, has_shape(answer, IDENTIFIED))

    def batch(self, paths: Sequence[Path], threshold: float) -> dict[str, Any]:
        """Ask who speaks in each of the files."""
        answer = self._send("/batch", "files", paths, {"threshold": threshold})
        results = answer.get("results")
        is_whole = isinstance(results, list) and len(results) == len(paths)
        return self._check(answer, is_whole and all(map(_is_result, answer["results"])))

    def register(
        self, speaker_id: str, paths: Sequence[Path], *, name: str | None, force: bool
    ) -> dict[str, Any]:
        """Store recordings of a speaker."""
        values = {"speaker_id": speaker_id, "force": str(force).lower()}
        if name:
            values["name"] = name
        answer = self._send("/speakers/register", "audio", paths, values)
        return self._check(answer, has_shape(answer, DONE))

    def list_speakers(self, offset: int, limit: int) -> dict[str, Any]:
        """List a part of the speakers."""
        answer = self._ask("GET", "/speakers", params={"offset": offset, "limit": limit})
        return self._check(answer, has_shape(answer, SPEAKERS))

    def get(self, speaker_id: str) -> dict[str, Any]:
        """Show a speaker."""
        answer = self._ask("GET", _route_of(speaker_id))
        return self._check(answer, has_shape(answer, SPEAKER))

    def delete(self, speaker_id: str) -> dict[str, Any]:
        """Forget a speaker."""
        answer = self._ask("DELETE", _route_of(speaker_id))
        return self._check(answer, has_shape(answer, DONE))

    def _send(
        self, route: str, field: str, paths: Sequence[Path], values: dict[str, Any]
    ) -> dict[str, Any]:
        with ExitStack() as opened:
            files = [(field, (path.name, opened.enter_context(path.open("rb")))) for path in paths]
            return self._ask("POST", route, files=files, data=values)

    def _ask(self, method: str, route: str, **more: Any) -> dict[str, Any]:
        import requests  # only a client that asks pays for it

        try:
            answer = requests.request(
                method, self.url + route, headers=self._headers, timeout=self._timeout, **more
            )
        except requests.exceptions.SSLError as error:
            if "CERTIFICATE_VERIFY_FAILED" not in str(error):
                raise ServerError(
                    "server_address",
                    f"The server does not speak https. Received: {self.url}",
                    "Write http:// in the address, if the server is on this machine.",
                ) from error
            raise ServerError(
                "server_certificate",
                "This machine does not trust the certificate of the server.",
                "Name the file of your own authority in the variable REQUESTS_CA_BUNDLE.",
            ) from error
        except requests.exceptions.Timeout as error:
            raise UnreachableError(f"There is no answer in time from {self.url}.") from error
        except requests.exceptions.ConnectionError as error:
            raise UnreachableError(f"There is no connection to {self.url}.") from error
        except requests.exceptions.RequestException as error:
            raise ServerError(
                "server_address",
                f"The server is named by its URL. Received: {self.url!r}",
                "Begin it with http:// or https://, as http://127.0.0.1:5000.",
            ) from error
        return self._read(answer)

    def _read(self, answer: requests.Response) -> dict[str, Any]:
        """Read the body of an answer. Raises ServerError."""
        try:
            body = answer.json()
        except (ValueError, RecursionError):
            body = None
        if isinstance(body, dict) and has_shape(body.get("error"), ERROR):
            raise read_error(body["error"])
        if not answer.ok or not isinstance(body, dict):
            raise self._foreign(f"status {answer.status_code}")
        return body

    def _check(self, answer: dict[str, Any], is_ours: bool) -> dict[str, Any]:
        """Refuse an answer of another shape. Raises ServerError."""
        if not is_ours:
            raise self._foreign(f"fields {', '.join(map(ascii, answer))[:100] or 'none'}")
        return answer

    def _foreign(self, received: str) -> ServerError:
        return ServerError(
            "no_service",
            f"What answers at {self.url} is no service of this kind. Received: {received}",
            "Name the address of the service with --server or DUET_URL.",
        )


def _route_of(speaker_id: str) -> str:
    return f"/speakers/{quote(speaker_id, safe='')}"


def has_shape(value: object, shape: Any) -> bool:
    """Whether a value of JSON has the types of `shape`. An object may have more fields."""
    if isinstance(shape, dict):
        return isinstance(value, dict) and all(
            has_shape(value.get(name), part) for name, part in shape.items()
        )
    if isinstance(shape, list):
        return isinstance(value, list) and all(has_shape(one, shape[0]) for one in value)
    return isinstance(value, shape)


def _is_result(result: object) -> bool:
    """Whether this is one result of a batch: an answer or an error."""
    return has_shape(result, {"result": IDENTIFIED}) or has_shape(result, {"error": ERROR})


def read_error(body: Mapping[str, Any]) -> ServerError:
    """Read the body of an error that a server answered with.

    The server's hint is for programs. It is left out where the command line has its own.
    """
    code = body["code"]
    return ServerError(code, body["message"], "" if code in SERVER_HINTS else body["hint"])
