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
        return self._send("/speakers/identify", "audio", [path], {"threshold": threshold})

    def batch(self, paths: Sequence[Path], threshold: float) -> dict[str, Any]:
        """Ask who speaks in each of the files."""
        return self._send("/batch", "files", paths, {"threshold": threshold})

    def register(
        self, speaker_id: str, paths: Sequence[Path], *, name: str | None, force: bool
    ) -> dict[str, Any]:
        """Store recordings of a speaker."""
        values = {"speaker_id": speaker_id, "force": str(force).lower()}
        if name:
            values["name"] = name
        return self._send("/speakers/register", "audio", paths, values)

    def list_speakers(self, offset: int, limit: int) -> dict[str, Any]:
        """List a part of the speakers."""
        return self._ask("GET", "/speakers", params={"offset": offset, "limit": limit})

    def delete(self, speaker_id: str) -> dict[str, Any]:
        """Forget a speaker."""
        return self._ask("DELETE", f"/speakers/{quote(speaker_id, safe='')}")

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
                "server_address", f"The server is named by its URL. Received: {self.url}"
            ) from error
        return self._read(answer)

    def _read(self, answer: requests.Response) -> dict[str, Any]:
        """Read the body of an answer. Raises ServerError."""
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise ServerError(
                "no_service",
                f"What answers at {self.url} is no service of this kind. Received: status"
                f" {answer.status_code}, without JSON",
            )
        if "error" in body:
            raise read_error(body["error"])
        return body


def read_error(body: Mapping[str, Any]) -> ServerError:
    """Read the body of an error that a server answered with.

    The server's hint is for programs. It is left out where the command line has its own.
    """
    code = body["code"]
    return ServerError(code, body["message"], "" if code in SERVER_HINTS else body["hint"])
