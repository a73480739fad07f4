"""/v1/strangers: unknown visitors who come by again (DUET_STRANGER_DAYS)."""

from __future__ import annotations

from typing import Any

from flask import Response, g, request
from flask_restx import Namespace, Resource

from gallery.names import new_person_id
from gallery.store import NewPerson
from recognition import as_json
from recognition.requests import StrangerEnrolment
from utils import errors
from utils.errors import InvalidRequestError
from web.api.people import (
    JSON_ERRORS,
    NEW_PERSON_ERRORS,
    PERSON_ERRORS,
    READ_ERRORS,
    REFUSALS,
    WRITE_ERRORS,
)
from web.state import recognizer, store
from web.wire import parse
from web.wire.schema.base import REQUEST_ID, document_errors, limit_param, offset_param
from web.wire.schema.people import ENROLLED
from web.wire.schema.strangers import (
    STRANGER,
    STRANGER_CHANGES,
    STRANGER_ENROLMENT,
    STRANGERS,
)

ns = Namespace("strangers", "Unknown visitors (DUET_STRANGER_DAYS)", path="/v1/strangers")
MAX_OFFSET = 10**12
PART = {
    "limit": limit_param("answer with at most this many"),
    "offset": offset_param("leave this many out"),
    "hidden": {
        "description": "true: those who stay unknown in your word",
        "type": "boolean",
        "default": False,
    },
}
FIELDS: dict[str, type | tuple[type, ...]] = {
    "consent": str,
    "person_id": str,
    "name": str,
    "retention_days": (int, type(None)),
    "force": bool,
}
STRANGER_ID = {"stranger_id": {"description": "id of the unknown visitor", "example": REQUEST_ID}}


@ns.route("")
class StrangerList(Resource):
    """Unknown visitors."""

    @ns.doc(id="list_strangers", params=PART)
    @ns.response(200, "part of the list", STRANGERS)
    @document_errors(ns, *READ_ERRORS)
    def get(self) -> dict[str, Any]:
        """List unknown visitors, each with how often it came, the one seen last first."""
        parse.check_query(PART)
        limit = parse.query_limit(PART)
        offset = parse.query_int("offset", 0, 0, MAX_OFFSET)
        hidden = parse.boolean(request.args.get("hidden", "false"), "hidden")
        page, total = store().list_strangers(offset, limit, hidden=hidden)
        return {
            "strangers": [as_json.stranger(one) for one in page],
            "days": as_json.number(store().stranger_days),
            "total": total,
            "offset": offset,
            "limit": limit,
        }


@ns.route("/<string:stranger_id>")
@ns.doc(params=STRANGER_ID)
class OneStranger(Resource):
    """One of them."""

    @ns.doc(id="hide_stranger")
    @ns.expect(STRANGER_CHANGES)
    @ns.response(200, "the visitor as it is now", STRANGER)
    @document_errors(ns, errors.StrangerNotFoundError, *JSON_ERRORS)
    def patch(self, stranger_id: str) -> dict[str, Any]:
        """Remember that an unknown visitor stays unknown, or list it again.

        It is still deleted with its term.
        """
        parse.check_query()
        fields = parse.json_object({"hidden": bool}, ("hidden",))
        return as_json.stranger(store().hide_stranger(stranger_id, hidden=fields["hidden"]))

    @ns.doc(id="delete_stranger")
    @ns.response(204, "deleted, also from the bytes of the database")
    @document_errors(ns, errors.StrangerNotFoundError, *WRITE_ERRORS)
    def delete(self, stranger_id: str) -> tuple[str, int]:
        """Delete an unknown visitor now."""
        parse.check_query()
        store().delete_stranger(stranger_id)
        return "", 204


@ns.route("/<string:stranger_id>/enrolment")
@ns.doc(params=STRANGER_ID)
class EnrolStranger(Resource):
    """This is ..."""

    @ns.doc(id="enroll_stranger")
    @ns.expect(STRANGER_ENROLMENT)
    @ns.response(201, "what was stored", ENROLLED)
    @document_errors(
        ns,
        errors.StrangerNotFoundError,
        errors.DuplicatePersonError,
        errors.EncoderMismatchError,
        *REFUSALS,
        *PERSON_ERRORS,
        *NEW_PERSON_ERRORS,
        *JSON_ERRORS,
    )
    def post(self, stranger_id: str) -> tuple[dict[str, Any], int]:
        """Enrol an unknown visitor who agreed to it: as a new person, or for one who is there.

        Send `name` for a new person, or the `person_id` of one who is there. The rules of
        every enrolment hold. The visits are the person's afterwards.
        """
        parse.check_query()
        fields = parse.json_object(FIELDS, ("consent",))
        person = read_person(fields)
        consent = fields["consent"].strip()
        force = fields.get("force", False)
        asked = StrangerEnrolment(stranger_id, person, consent, force=force)
        enrolment = recognizer().enroll_stranger(asked)
        return as_json.enrolment(enrolment, g.request_id), 201


@ns.route("/<string:stranger_id>/picture")
@ns.doc(params=STRANGER_ID)
class Picture(Resource):
    """Its face, where DUET_STRANGER_PICTURES=1."""

    @ns.doc(id="stranger_picture", produces=["image/webp", "application/json"])
    @ns.response(200, "a WebP picture of 112 × 112 pixels")
    @document_errors(ns, errors.StrangerNotFoundError, errors.ThumbnailNotFoundError, *READ_ERRORS)
    def get(self, stranger_id: str) -> Response:
        """Show the latest face that is kept of an unknown visitor."""
        parse.check_query()
        return Response(store().stranger_picture(stranger_id), mimetype="image/webp")


def read_person(fields: dict[str, Any]) -> str | NewPerson:
    """Read who it is: a new person, or the id of one who is there.

    Raises InvalidRequestError without a consent, and where nobody is named.
    """
    consent = str(fields["consent"]).strip()
    if not consent:
        raise InvalidRequestError("`consent` must say what the person agreed to. It is empty.")
    if "name" in fields:
        return NewPerson(
            person_id=fields.get("person_id") or new_person_id(),
            name=fields["name"],
            consent=consent,
            retention_days=fields.get("retention_days"),
        )
    if "person_id" not in fields or "retention_days" in fields:
        raise InvalidRequestError(
            "Send `name` for a new person, or `person_id` alone for one who is there. Received:"
            f" {', '.join(fields)}"
        )
    return str(fields["person_id"])
