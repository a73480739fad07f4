"""The voice API as a client uses it: one method a route, over HTTP. Needs no network of
ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from utils.errors import DuetError

if TYPE_CHECKING:
    import requests

CONNECT_S = 5.0


class UnreachableError(DuetError):
    """Nobody answers at the address, or not in time."""

    code = "server_unreachable"
    status = 503


class RefusedError(DuetError):
    """The server answered with an error; `code` is the one that it named."""

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.code = code


class VoiceServer:
    """A service at `url`. Every method raises UnreachableError when it does not answer
    within `timeout_s`, RefusedError when it answers with an error.
    """

    def __init__(self, url: str, api_key: str = "", timeout_s: float = 60.0) -> None:
        self.url = url.rstrip("/")
        self._headers = {"X-API-Key": api_key} if api_key else {}
        self._timeout = (min(CONNECT_S, timeout_s), timeout_s)

    def identify(self, path: Path, threshold: float) -> dict[str, Any]:
        """Who speaks in the file."""
        return self._send("/speakers/identify", "audio", [path], {"threshold": threshold})

    def batch(self, paths: Sequence[Path], threshold: float) -> dict[str, Any]:
        """Who speaks in each of the files."""
        return self._send("/batch", "files", paths, {"threshold": threshold})

    def register(
        self, speaker_id: str, paths: Sequence[Path], name: str | None, force: bool
    ) -> dict[str, Any]:
        """Store recordings of a speaker."""
        about = {"speaker_id": speaker_id, "force": str(force).lower()} | (
            {"name": name} if name else {}
        )
        return self._send("/speakers/register", "audio", paths, about)

    def speakers(self, offset: int, limit: int) -> dict[str, Any]:
        """Part of the list of speakers."""
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
            raise RefusedError(
                "server_certificate",
                "The server must have a certificate that this machine trusts. Received:"
                " another one",
                "Name the file of your own authority in the variable REQUESTS_CA_BUNDLE.",
            ) from error
        except (requests.exceptions.ConnectionError, requests.exceptions.Timeout) as error:
            why = (
                "no answer in time"
                if isinstance(error, requests.exceptions.Timeout)
                else "no connection"
            )
            raise UnreachableError(
                f"A service must answer at {self.url}. Received: {why}"
            ) from error
        except requests.exceptions.RequestException as error:  # an address that is none
            raise RefusedError(
                "server_address", f"The server is named by its URL. Received: {self.url}"
            ) from error
        return self._body(answer)

    def _body(self, answer: requests.Response) -> dict[str, Any]:
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise RefusedError(
                "no_service",
                f"A service of this kind must answer at {self.url}. Received: status"
                f" {answer.status_code}, without JSON",
            )
        if "error" in body:
            error = body["error"]
            raise RefusedError(error["code"], error["message"], error["hint"])
        return body
