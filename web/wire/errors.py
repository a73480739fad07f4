"""The one error shape of the service, on every path: `{"error": {"code", "message",
"hint", "request_id"}}`, for some with "details".

Adds to the tree of utils/errors.py what only HTTP can get wrong. What nobody foresaw
becomes 500 `internal`: the client learns the request id, the log the type of the
exception and where it was raised, but not its text, which may hold vectors, names or
secrets.
"""

from __future__ import annotations

import logging
import traceback
from typing import Any

from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException

from utils.errors import (
    NO_ROOM,
    BusyError,
    DuetError,
    KeyRequiredError,
    MediaTooLargeError,
    RequestError,
    StorageFullError,
)

log = logging.getLogger("duet.web")


class RouteNotFoundError(RequestError):
    """No route of this URL."""

    code = "not_found"
    status = 404
    default_hint = "GET /swagger.json lists the routes."


class MethodNotAllowedError(RequestError):
    """The route does not know this method."""

    code = "method_not_allowed"
    status = 405


class ContentTypeError(RequestError):
    """The body is of a type that the route does not read."""

    code = "content_type"
    status = 415


class UploadBrokenError(RequestError):
    """The body ended before it was complete."""

    code = "upload_broken"
    status = 400
    default_hint = "Send the request again."


class UploadTimeoutError(RequestError):
    """The body came too slowly."""

    code = "upload_timeout"
    status = 408
    default_hint = "Send a smaller file, or over a better connection."


class HostForbiddenError(RequestError):
    """A service without a key was asked under a name that is not this machine's."""

    code = "host_forbidden"
    status = 403
    default_hint = (
        "Use http://127.0.0.1 or http://localhost, or set DUET_API_KEY to be asked under any name."
    )


class CrossOriginError(RequestError):
    """A browser sent the request on behalf of another web page."""

    code = "cross_origin"
    status = 403
    default_hint = "Pages of other origins may not use this service from a browser."


class RoleForbiddenError(RequestError):
    """The key is good, but not for this."""

    code = "forbidden"
    status = 403
    default_hint = "Ask the operator for a key of that role."


class RateLimitedError(RequestError):
    """More requests, or more wrong keys, than are allowed in a time."""

    code = "rate_limited"
    status = 429
    default_hint = "Wait as long as the header Retry-After says."

    def __init__(self, message: str, hint: str | None = None, *, retry_after_s: int) -> None:
        super().__init__(message, hint)
        self.retry_after_s = retry_after_s


def _from_http(error: HTTPException) -> DuetError:
    """Flask's and Werkzeug's own refusals in our terms."""
    if error.code == 404:
        return RouteNotFoundError(
            f"There is no such URL. Received: {request.method} {request.path[:200]!r}"
        )
    if error.code == 405:
        return MethodNotAllowedError(
            f"This URL does not know the method. Received: {request.method}",
            f"Allowed: {', '.join(sorted(getattr(error, 'valid_methods', None) or []))}.",
        )
    if error.code == 413:
        return too_large()
    if error.code == 415:
        return ContentTypeError(
            f"The content type is not read here. Received: {request.mimetype[:100]!r}"
        )
    if error.code == 503:
        return BusyError("The service cannot answer now.")
    return RequestError(error.description or "The request cannot be served.")


def too_large() -> MediaTooLargeError:
    """The error for a body over the limit of this request."""
    hint = (
        None
        if request.mimetype == "multipart/form-data"
        else "Send shorter fields; a clip goes into a multipart form."
    )
    return MediaTooLargeError(
        f"The body of this request may have {request.max_content_length or 0:,} bytes at most, "
        f"with few and short fields beside the file. Received: {request.content_length or 'more'}",
        hint,
    )


def error_body(error: DuetError, request_id: str) -> dict[str, Any]:
    """Body of an answer that is an error."""
    body: dict[str, Any] = {**error.to_dict(), "request_id": request_id}
    if error.details:
        body["details"] = error.details
    return {"error": body}


def to_response(error: DuetError) -> Response:
    """An answer in the error shape with the error's status and headers."""
    response = jsonify(error_body(error, g.request_id))
    response.status_code = error.status
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, KeyRequiredError):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _on_duet(error: DuetError) -> Response:
    if error.status >= 500:
        log.error("request_id=%s %s", g.request_id, where(error))
    return to_response(error)


def _on_http(error: HTTPException) -> Response | HTTPException:
    if error.code is None or error.code < 400:
        return error
    if error.code >= 500 and error.code != 503:
        return _on_unexpected(error)
    ours = _from_http(error)
    # Werkzeug knows 400s of more kinds than we name (405's Allow, 416, ...): its status
    # stands.
    response = to_response(ours)
    response.status_code = error.code
    if error.code == 405 and getattr(error, "valid_methods", None):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))  # type: ignore[attr-defined]
    return response


def _on_unexpected(error: Exception) -> Response:
    log.error("request_id=%s unexpected %s", g.request_id, where(error))
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return to_response(StorageFullError("The server has no room left to write."))
    return to_response(
        DuetError(
            "Something went wrong inside the service.",
            "Ask the operator to look this request_id up in the log.",
        )
    )


def where(error: BaseException, frames: int = 6) -> str:
    """Type of an exception and where it was raised, innermost frame first, with those
    it came from; never its text.
    """
    parts: list[str] = []
    link: BaseException | None = error
    while link is not None and len(parts) < 4:
        stack = traceback.extract_tb(link.__traceback__)[::-1][:frames]
        parts.append(
            f"{type(link).__name__} at "
            + " < ".join(f"{f.filename}:{f.lineno} {f.name}" for f in stack)
        )
        link = link.__cause__ or link.__context__
    return " from ".join(parts)


def init_app(app: Flask) -> None:
    """Answer every error in the one shape."""
    app.register_error_handler(DuetError, _on_duet)
    app.register_error_handler(HTTPException, _on_http)
    app.register_error_handler(Exception, _on_unexpected)
