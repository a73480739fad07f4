"""Strict parsing of requests.

Every field is known, of its type and given once. Anything else is refused and named.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from flask import request
from werkzeug.datastructures import FileStorage

from gallery.results import MAX_PAGE
from recognition.requests import ClipFile
from utils.errors import InvalidRequestError, MediaEmptyError, MediaMissingError
from utils.moments import read_moment
from web.wire.errors import ContentTypeError
from web.wire.json_text import read_json
from web.wire.uploads import SMALL_BODY_BYTES, UploadRequest, refuse_other_encodings

MULTIPART = "multipart/form-data"
JSON = "application/json"
URLENCODED = "application/x-www-form-urlencoded"
BOOLEANS = {"true": True, "false": False}
# More than there is anything of, and less than a database takes
_MOST_DIGITS = 18


@dataclass(frozen=True)
class Upload:
    """File of the request.

    `path`: where it lies until the request ends. `filename`: the name its sender gave it.
    """

    path: Path
    filename: str

    @property
    def clip(self) -> ClipFile:
        """The file as a clip to be asked about."""
        return ClipFile(self.path, self.filename)


def check_query(allowed: Collection[str] = ()) -> None:
    """Refuse query parameters that are unknown, repeated or no UTF-8.

    Raises InvalidRequestError.
    """
    refuse_other_encodings(request.query_string, "The query")
    _check_names(request.args.keys(), allowed, "query parameter")
    for name in allowed:
        _once(request.args.getlist(name), name)


def query_int(name: str, default: int, low: int, high: int) -> int:
    """Read a whole number of the query. Raises InvalidRequestError."""
    text = request.args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16 and low <= int(text) <= high):
        raise InvalidRequestError(
            f"`{name}` must be a whole number from {low} to {high}. Received: {text[:40]!r}"
        )
    return int(text)


def query_limit(params: Mapping[str, Mapping[str, object]]) -> int:
    """Read `limit` of the query, whose default is the one of its description in `params`.

    Raises InvalidRequestError.
    """
    return query_int("limit", int(str(params["limit"]["default"])), 1, MAX_PAGE)


def query_count(name: str) -> int | None:
    """Read a whole number from 1 of the query. None when missing. Raises InvalidRequestError."""
    text = request.args.get(name)
    if text is None:
        return None
    digits = text.lstrip("0")
    if not (text.isascii() and text.isdigit() and digits):
        raise InvalidRequestError(
            f"`{name}` must be a whole number, 1 or more. Received: {text[:40]!r}"
        )
    return int(digits[:_MOST_DIGITS])


def query_text(name: str) -> str:
    """Read a text of the query. Empty when missing."""
    return request.args.get(name, "")


def query_choice(name: str, choices: Collection[str]) -> str:
    """Read one of `choices` of the query: the first when missing. Raises InvalidRequestError."""
    return choice(request.args.get(name, next(iter(choices))), name, choices)


def query_time(name: str) -> datetime | None:
    """Read a moment of the query, in ISO 8601. None when missing.

    Without a time zone it is UTC. Raises InvalidRequestError.
    """
    text = request.args.get(name)
    if not text:
        return None
    moment = read_moment(text)
    if moment is None:
        raise InvalidRequestError(
            f"`{name}` must be a time such as 2026-01-31T08:00:00Z. Received: {text[:40]!r}"
        )
    return moment


def json_object(
    allowed: Mapping[str, type | tuple[type, ...]],
    required: Collection[str] = (),
    limit_bytes: int = SMALL_BODY_BYTES,
) -> dict[str, Any]:
    """Read the body, a JSON object of the `allowed` fields and their types.

    It has `limit_bytes` at most. Raises ContentTypeError, InvalidRequestError,
    MediaTooLargeError.
    """
    if request.mimetype != JSON:
        raise ContentTypeError(
            f"This route reads {JSON}. Received: {_received_type()}",
            f"Send the header Content-Type: {JSON}.",
        )
    body = read_json(cast(UploadRequest, request).json_text(limit_bytes), "The body")
    return checked_object(body, allowed, required, "The body")


def checked_object(
    body: object,
    allowed: Mapping[str, type | tuple[type, ...]],
    required: Collection[str],
    what: str,
) -> dict[str, Any]:
    """Check that `body` is a JSON object of these fields. Raises InvalidRequestError."""
    if not isinstance(body, dict):
        raise InvalidRequestError(f"{what} must be a JSON object. Received: {_kind(body)}")
    _check_names(body.keys(), allowed, "field")
    for name in required:
        if name not in body:
            raise InvalidRequestError(
                f"`{name}` is required. Received: {', '.join(body) or 'no field'}"
            )
    for name, value in body.items():
        if not _is_a(value, allowed[name]):
            raise InvalidRequestError(
                f"`{name}` must be {_format_types(allowed[name])}. Received: {_kind(value)}"
            )
    return body


def form(
    allowed: Collection[str] = (),
    files: Collection[str] = (),
    *,
    lists: Collection[str] = (),
) -> dict[str, str]:
    """Read the text fields of a form that may hold these fields and files.

    Fields of `lists` may come several times, and `texts` reads them all. Raises
    ContentTypeError, InvalidRequestError, MediaMissingError.
    """
    if not request.mimetype and not request.content_length:
        raise MediaMissingError("The request must bring a file, and its body is empty.")
    if request.mimetype != MULTIPART:
        raise ContentTypeError(
            f"This route reads {MULTIPART}. Received: {_received_type()}",
            "For example: curl -F media=@clip.mp4 URL",
        )
    for name in files:
        if name in request.form:
            raise MediaMissingError(
                f"`{name}` is a text field. It must be a file.",
                f"With curl, write -F {name}=@clip.mp4 (mind the @).",
            )
    return text_fields(allowed, files, lists=lists)


def text_fields(
    allowed: Collection[str], files: Collection[str] = (), *, lists: Collection[str] = ()
) -> dict[str, str]:
    """Read the text fields of the form, checked by name. Raises InvalidRequestError."""
    _check_names(request.form.keys(), (*allowed, *lists), "form field")
    _check_names(request.files.keys(), files, "file field")
    for name in allowed:
        _once(request.form.getlist(name), name)
    return dict(request.form.items())


def texts(name: str, choices: Collection[str]) -> list[str]:
    """Read all values of a field, each one of `choices`. Raises InvalidRequestError."""
    values = request.form.getlist(name)
    for value in values:
        choice(value, name, choices)
    return values


def choice(value: str, name: str, choices: Collection[str]) -> str:
    """Check that a value is one of `choices`. Raises InvalidRequestError."""
    if value not in choices:
        raise InvalidRequestError(
            f"`{name}` must be one of {', '.join(choices)}. Received: {value[:40]!r}"
        )
    return value


def upload(name: str) -> Upload:
    """Read the file in the field `name`.

    Raises MediaMissingError, MediaEmptyError, InvalidRequestError.
    """
    file = optional_upload(name)
    if file is None:
        raise MediaMissingError(
            f"The request must bring a file in the field `{name}`. Received:"
            f" {', '.join(request.files) or 'no file'}",
            f"Send it as multipart/form-data in the field `{name}`.",
        )
    return file


def optional_upload(name: str) -> Upload | None:
    """Read the file in the field `name`, if there is one.

    A browser sends an unnamed empty file where nothing was chosen.
    """
    files = request.files.getlist(name)
    _once(files, name)
    return read_upload(files[0], name) if files and _is_chosen(files[0]) else None


def uploads(names: Collection[str]) -> list[Upload]:
    """Read all files in the fields `names`, in order.

    Raises MediaEmptyError, MediaMissingError.
    """
    files: list[Upload] = []
    for name in names:
        chosen = filter(_is_chosen, request.files.getlist(name))
        files += [read_upload(file, name) for file in chosen]
    if not files:
        raise MediaMissingError(f"The request has no file in the field `{next(iter(names))}`.")
    return files


def decode_upload(text: str, name: str) -> Upload:
    """Decode a file that came as base64 in a JSON field.

    Raises MediaMissingError, InvalidRequestError, StorageFullError.
    """
    if not text:
        raise MediaMissingError(f"`{name}` is empty. It must hold a file in base64.")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequestError(
            f"`{name}` must hold a file in base64, without a data: prefix."
        ) from None
    return Upload(cast(UploadRequest, request).keep(data), "")


def boolean(value: object, name: str) -> bool:
    """Read true or false, as JSON or as text in any case. Raises InvalidRequestError."""
    if isinstance(value, bool):
        return value
    flag = BOOLEANS.get(value.strip().lower()) if isinstance(value, str) else None
    if flag is None:
        raise InvalidRequestError(f"`{name}` must be true or false. Received: {str(value)[:40]!r}")
    return flag


def read_upload(file: FileStorage, name: str) -> Upload:
    """Read a file of the form. It lies on the disk until the request ends.

    Raises MediaEmptyError.
    """
    if not _size(file):
        raise MediaEmptyError(f"The file in `{name}` must not be empty. Received: 0 bytes")
    file.stream.flush()
    # On the temporary file behind the upload (uploads.py), `name` is its path.
    return Upload(Path(cast(Any, file.stream).name), file.filename or "")


def _is_chosen(file: FileStorage) -> bool:
    return bool(file.filename or _size(file))


def _size(file: FileStorage) -> int:
    file.stream.seek(0, 2)
    return file.stream.tell()


def _check_names(given: Collection[str], allowed: Collection[str], what: str) -> None:
    unknown = sorted(set(given) - set(allowed))
    if unknown:
        names = ", ".join(f"`{name}`" for name in allowed) or "none"
        raise InvalidRequestError(
            f"Unknown {what}. Received: {', '.join(ascii(n[:40]) for n in unknown[:5])}",
            f"Known here: {names}.",
        )


def _once(values: Collection[object], name: str) -> None:
    if len(values) > 1:
        raise InvalidRequestError(f"`{name}` must be given once. Received: {len(values)} times")


def _received_type() -> str:
    return ascii(request.mimetype[:100]) if request.mimetype else "no Content-Type"


def _is_a(value: object, types: type | tuple[type, ...]) -> bool:
    """Check a type as isinstance does, except that true is no number."""
    return isinstance(value, types) and not (
        isinstance(value, bool) and bool not in (types if isinstance(types, tuple) else (types,))
    )


def _kind(value: object) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "true or false",
        int: "a whole number",
        type(None): "null",
    }
    return names.get(type(value), "a number")


def _format_types(types: type | tuple[type, ...]) -> str:
    return " or ".join(_kind(t()) for t in (types if isinstance(types, tuple) else (types,)))
