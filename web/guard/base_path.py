"""The service below a path of a proxy, such as https://host/duet/.

WSGI knows that path as SCRIPT_NAME. Links, redirects and the description of the API are
made with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# What a proxy may state. Anything else could break out of a link.
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*", re.ASCII)


class BasePath:
    """Serves an application below a path.

    It is the path of the settings, or else the one that a trusted proxy states in
    X-Forwarded-Prefix (`ProxyFix`). The proxy may take the path off what it passes on, or
    leave it there.
    """

    def __init__(self, app: WSGIApplication, path: str) -> None:
        self._app = app
        self._path = path

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        stated = environ.get("SCRIPT_NAME", "").rstrip("/")
        root = self._path or (stated if _PREFIX.fullmatch(stated) else "")
        environ["SCRIPT_NAME"] = root
        environ["PATH_INFO"] = _strip(environ.get("PATH_INFO") or "/", root)
        return self._app(environ, start_response)


def _strip(path: str, root: str) -> str:
    """Take `root` off a path below it."""
    is_below = path == root or path.startswith(f"{root}/")
    return (path[len(root) :] or "/") if root and is_below else path
