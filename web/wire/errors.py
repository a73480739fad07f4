"""The error shape of the service: `{"error": {"code", "message", "hint", "request_id"}}`.

Some errors have "details" too. Here are the HTTP status of every code and the errors
that only HTTP can get wrong. `hints.py` has the hints.

An unforeseen exception becomes 500 `internal`. The client learns the request id. The log
has the type of the exception and where it was raised. Its text is nowhere, as it may
hold vectors, names or secrets.
"""

from __future__ import annotations

import logging
import sysconfig
import traceback
from typing import Any

from flask import Flask, Response, current_app, g, jsonify, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing.exceptions import WebsocketMismatch

from utils.errors import (
    NO_ROOM,
    BusyError,
    DuetError,
    KeyRequiredError,
    MediaTooLargeError,
    MediaUnreadableError,
    RequestError,
    StorageFullError,
)
from web.wire.hints import HINTS

log = logging.getLogger("duet.web")

# Parts of the paths of packages that are installed, of Python's own, and of code made at run time
_FOREIGN = ("site-packages", sysconfig.get_path("stdlib"), "<")

STATUS = {
    "invalid_request": 400,
    "media_missing": 400,
    "upload_broken": 400,
    "key_required": 401,
    "cross_origin": 403,
    "forbidden": 403,
    "host_forbidden": 403,
    "challenge_foreign": 403,
    "path_forbidden": 403,
    "challenge_unknown": 404,
    "identification_not_found": 404,
    "job_not_found": 404,
    "group_not_found": 404,
    "group_exists": 409,
    "key_not_found": 404,
    "media_not_found": 404,
    "not_found": 404,
    "person_not_found": 404,
    "template_not_found": 404,
    "thumbnail_not_found": 404,
    "transcript_not_found": 404,
    "visit_not_found": 404,
    "stranger_not_found": 404,
    "method_not_allowed": 405,
    "upload_timeout": 408,
    "challenge_used": 409,
    "backup_off": 409,
    "duplicate_person": 409,
    "encoder_mismatch": 409,
    "last_admin_key": 409,
    "last_template": 409,
    "name_taken": 409,
    "person_exists": 409,
    "unlike_person": 409,
    "challenge_expired": 410,
    "file_not_awaited": 409,
    "row_conflict": 409,
    "file_shared": 409,
    "media_too_large": 413,
    "content_type": 415,
    "media_type": 415,
    "invalid_name": 422,
    "media_corrupt": 422,
    "media_empty": 422,
    "media_too_long": 422,
    "media_unreadable": 422,
    "mixed_people": 422,
    "no_biometric": 422,
    "not_live": 422,
    "poor_quality": 422,
    "several_people": 422,
    "table_columns": 422,
    "table_encoding": 422,
    "table_malformed": 422,
    "rate_limited": 429,
    "speech_unavailable": 501,
    "broker_unavailable": 503,
    "busy": 503,
    "model_unavailable": 503,
    "storage_full": 503,
    "store_unavailable": 503,
}
"""HTTP status by code. Every other code is a fault of the service: 500."""
RETRY_AFTER_S = {"busy": 5, "store_unavailable": 5, "storage_full": 60}
"""Seconds after which a request is worth sending again, by code."""


class RouteNotFoundError(RequestError):
    """No route of this URL."""

    code = "not_found"


class MethodNotAllowedError(RequestError):
    """The route does not know this method."""

    code = "method_not_allowed"


class ContentTypeError(RequestError):
    """The body is of a type that the route does not read."""

    code = "content_type"


class UploadBrokenError(RequestError):
    """The body ended before it was complete."""

    code = "upload_broken"


class UploadTimeoutError(RequestError):
    """The body came too slowly."""

    code = "upload_timeout"


class HostForbiddenError(RequestError):
    """A service without a key was asked under a name that is not this machine's."""

    code = "host_forbidden"


class CrossOriginError(RequestError):
    """A browser sent the request on behalf of another web page."""

    code = "cross_origin"


class RoleForbiddenError(RequestError):
    """The key is good, but not for this."""

    code = "forbidden"


class RateLimitedError(RequestError):
    """More requests, or more wrong keys, than are allowed in a time."""

    code = "rate_limited"

    def __init__(self, message: str, hint: str = "", *, retry_after_s: int) -> None:
        super().__init__(message, hint or f"Ask again in {retry_after_s} s.")
        self.retry_after_s = retry_after_s


def _from_http(error: HTTPException) -> DuetError:
    """Flask's and Werkzeug's own refusals in our terms."""
    if error.code == 404:
        return RouteNotFoundError(
            f"There is no such URL. Received: {request.method} {request.path[:200]!r}",
            _advise_on_pages(),
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
    if isinstance(error, WebsocketMismatch):
        return _other_protocol()
    return RequestError(error.description or "The request cannot be served.")


def _advise_on_pages() -> str:
    """What to do in a browser, where the API alone is served ("" elsewhere)."""
    if current_app.config["SWAGGER_UI"] or "text/html" not in request.accept_mimetypes.values():
        return ""
    return (
        "This service is the API alone, without pages: `make run` starts one with them. GET"
        " /swagger.json lists the routes."
    )


def _other_protocol() -> RequestError:
    if request.headers.get("Upgrade"):
        return RequestError("This URL takes no WebSocket.", "A live session opens at /v1/live.")
    return RequestError(
        "This URL is opened as a WebSocket. The request is an ordinary one.",
        "Open it with ws:// or wss://, and look for a proxy that drops the header Upgrade.",
    )


def too_large() -> MediaTooLargeError:
    """Make the error for a body over one of the limits of this request."""
    limit = request.max_content_length or 0
    is_form = request.mimetype == "multipart/form-data"
    if is_form and request.content_length and request.content_length <= limit:
        return MediaTooLargeError(
            f"A form may have {request.max_form_parts} fields and files, and"
            f" {request.max_form_memory_size or 0:,} bytes beside the files. This one has more.",
            "Send fewer or shorter fields. A clip goes into the form as a file.",
        )
    return MediaTooLargeError(
        f"The body of this request may have {limit:,} bytes at most, "
        f"with few and short fields beside the file. Received: {request.content_length or 'more'}",
        "" if is_form else "Send shorter fields; a clip goes into a multipart form.",
    )


def status_of(error: DuetError | type[DuetError]) -> int:
    """HTTP status of an error."""
    return STATUS.get(error.code, 500)


def _retry_after_s(error: DuetError) -> int | None:
    if isinstance(error, RateLimitedError):
        return error.retry_after_s
    return RETRY_AFTER_S.get(error.code)


def error_body(error: DuetError, request_id: str) -> dict[str, Any]:
    """Body of an answer that is an error."""
    body: dict[str, Any] = {**error.to_dict(HINTS), "request_id": request_id}
    if error.details:
        body["details"] = error.details
    return {"error": body}


def to_response(error: DuetError) -> Response:
    """Answer in the error shape, with the status and headers of the error."""
    response = jsonify(error_body(error, g.request_id))
    response.status_code = status_of(error)
    retry_after_s = _retry_after_s(error)
    if retry_after_s is not None:
        response.headers["Retry-After"] = str(retry_after_s)
    if isinstance(error, KeyRequiredError):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _on_duet(error: DuetError) -> Response:
    status = status_of(error)
    if status >= 500:
        is_short = status != 500 and not log.isEnabledFor(logging.DEBUG)
        log.error("request_id=%s %s", g.request_id, where(error, frames=1 if is_short else 6))
    if isinstance(error, MediaUnreadableError):
        log.warning("request_id=%s %s", g.request_id, error.message)
    return to_response(error)


def _on_http(error: HTTPException) -> Response | HTTPException:
    if error.code is None or error.code < 400:
        return error
    if error.code >= 500 and error.code != 503:
        return _on_unexpected(error)
    response = to_response(_from_http(error))
    # Werkzeug knows more kinds of 400s than are named here, such as 416. Its status stands.
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
    """Describe the type of an exception and where it was raised, never its text.

    The innermost of `frames` frames comes first, then the exceptions that it came from.
    Where none of them is of this project, its frame that called them is added.
    One frame is enough where the service works, and something that it needs does not: each
    request says so then.
    """
    parts: list[str] = []
    link: BaseException | None = error
    while link is not None and len(parts) < 4:
        stack = traceback.extract_tb(link.__traceback__)[::-1]
        inner = stack[:frames]
        own = [frame for frame in stack if not any(map(frame.filename.count, _FOREIGN))]
        if frames > 1 and own and own[0] not in inner:
            inner.append(own[0])
        parts.append(
            f"{type(link).__name__} at "
            + " < ".join(f"{f.filename}:{f.lineno} {f.name}" for f in inner)
        )
        link = link.__cause__ or link.__context__
    return " from ".join(parts)


def init_app(app: Flask) -> None:
    """Answer every error in the one shape."""
    app.register_error_handler(DuetError, _on_duet)
    app.register_error_handler(HTTPException, _on_http)
    app.register_error_handler(Exception, _on_unexpected)
