"""The port for clients of the compatible live system, which open a WebSocket at /."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]
PATH = "/v1/live"
_NOTHING = "/no-route-of-this-port"


def serve_own_port(app: Wsgi, port: int) -> Wsgi:
    """Serve live transcription alone on a port, at any path. Other ports are as ever."""

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ.get("SERVER_PORT") != str(port):
            return app(environ, start_response)
        is_socket = environ.get("HTTP_UPGRADE", "").lower() == "websocket"
        return app({**environ, "PATH_INFO": PATH if is_socket else _NOTHING}, start_response)

    return serve
