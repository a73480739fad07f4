"""Building blocks of the schemas, and the description of errors.

A schema describes a JSON body in Swagger: every field with its meaning and an example.
Tests compare the schemas with the answers, and the examples with the code.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flask_restx import Model, Namespace, fields
from flask_restx.reqparse import RequestParser
from werkzeug.datastructures import FileStorage

from gallery.results import MAX_PAGE
from utils.errors import DuetError
from web.wire.errors import (
    CrossOriginError,
    HostForbiddenError,
    RateLimitedError,
    RoleForbiddenError,
    status_of,
)

FACE_ID = "face-1f2e3d4c5b6a"
VOICE_ID = "voice-0a1b2c3d4e5f"
FUSED_ID = "fusion-9f8e7d6c5b4a"
REQUEST_ID = "3f0c2f9f5c7b4a5e8d1c6b7a8e9f0d1c"
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
MODELS: list[Model] = []


def make_model(name: str, /, **members: fields.Raw) -> Model:
    model = Model(name, dict(members))
    MODELS.append(model)
    return model


def text_field(about: str, example: str, **more: Any) -> fields.Raw:
    return _field(fields.String, about, example=example, **more)


def float_field(about: str, example: float, **more: Any) -> fields.Raw:
    return _field(fields.Float, about, example=example, **more)


def int_field(about: str, example: int, **more: Any) -> fields.Raw:
    return _field(fields.Integer, about, example=example, **more)


def model_field(model: Model, about: str, **more: Any) -> fields.Raw:
    return _field(partial(fields.Nested, model), about, **more)


def list_field(model: Model, about: str) -> fields.Raw:
    return values_field(fields.Nested(model), about)


def values_field(of: fields.Raw, about: str, **more: Any) -> fields.Raw:
    """Describe a list of values that are no models."""
    return _field(partial(fields.List, of), about, **more)


def raw_field(about: str, example: dict[str, Any], **more: Any) -> fields.Raw:
    """Describe an object whose names are free."""
    return _field(fields.Raw, about, example=example, **more)


def any_field(about: str, example: Any, **more: Any) -> fields.Raw:
    """Describe a value of any type."""
    field = raw_field(about, example, **more)
    del field.__schema__["type"]
    return field


def _field(
    kind: Callable[..., fields.Raw], about: str, *, x_nullable: bool = False, **more: Any
) -> fields.Raw:
    """Build a field that is required unless `more` says otherwise.

    A field that may be null is marked by `x-nullable`, which clients of Swagger 2 read: that has
    no word of its own. What flask-restx calls nullable holds for what is received alone.
    """
    field = kind(description=about, **({"required": True} | more))
    if x_nullable:
        field.__schema__["x-nullable"] = True
    return field


def limit_param(about: str, default: int = 50) -> dict[str, Any]:
    """Describe `limit` of a query, which `parse.query_limit` reads."""
    return {"description": f"{about}, 1 to {MAX_PAGE}", "type": "integer", "default": default}


def offset_param(about: str) -> dict[str, Any]:
    """Describe `offset` of a query."""
    return {"description": about, "type": "integer", "default": 0}


def add_flag(form: RequestParser, name: str, about: str, *, default: str = "false") -> None:
    """Add a field that is true or false to a form."""
    form.add_argument(name, location="form", choices=("true", "false"), default=default, help=about)


def add_file(form: RequestParser, name: str, about: str, *, required: bool = False) -> None:
    """Add a file to a form."""
    form.add_argument(name, type=FileStorage, location="files", required=required, help=about)


REQUEST_ID_FIELD = text_field(
    "id of this request, also in the header X-Request-ID and in the service's log", REQUEST_ID
)
ERROR_DETAIL = make_model(
    "ErrorDetail",
    code=text_field("stable code to act on", "person_not_found"),
    message=text_field(
        "the rule that was broken, and what was received",
        "There is no such person. Received: 'ann@example.com'",
    ),
    hint=text_field("what to do about it (may be empty)", "List the people with GET /v1/people."),
    request_id=REQUEST_ID_FIELD,
    details=raw_field(
        "more about some errors, for example `hints` or the duplicate person",
        {"hints": []},
        required=False,
    ),
)
ERROR = make_model("Error", error=model_field(ERROR_DETAIL, "what went wrong"))


def document_errors(ns: Namespace, *errors: type[DuetError]) -> Callable[[Any], Any]:
    """Describe the errors that a route may answer with, by status. A decorator."""
    by_status: dict[int, list[str]] = {}
    listed: tuple[type[DuetError], ...] = (
        *errors,
        HostForbiddenError,
        CrossOriginError,
        RoleForbiddenError,
        RateLimitedError,
    )
    for error in dict.fromkeys(listed):
        first_line = (error.__doc__ or "").splitlines()[0]
        by_status.setdefault(status_of(error), []).append(f"`{error.code}`: {first_line}")

    def decorate(target: Any) -> Any:
        for status, lines in by_status.items():
            target = ns.response(status, " ".join(lines), ERROR)(target)
        return target

    return decorate
