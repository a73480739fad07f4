"""More of /v1/people/{person_id}: merge, move a template, export, and the picture."""

from __future__ import annotations

import json
from typing import Any

from flask import Response
from flask_restx import Resource

from gallery.names import new_person_id
from gallery.records.people import NewPerson
from recognition import as_json
from utils import errors
from utils.errors import InvalidRequestError
from web.api.people import (
    JSON_ERRORS,
    PERSON_ERRORS,
    PERSON_ID,
    READ_ERRORS,
    TEMPLATE_ID,
    WRITE_ERRORS,
)
from web.api.people import ns as ns
from web.state import store
from web.wire import parse
from web.wire.schema.base import document_errors
from web.wire.schema.people import (
    DISTINCT,
    MERGE,
    MOVE,
    PERSON,
    PERSON_EXPORT,
)

MOVE_ERRORS = (
    errors.TemplateNotFoundError,
    errors.LastTemplateError,
    errors.PersonExistsError,
    errors.EncoderMismatchError,
)


@ns.route("/<string:person_id>/merge")
@ns.doc(params=PERSON_ID)
class Merge(Resource):
    """Two entries of one person become one."""

    @ns.doc(id="merge_people")
    @ns.expect(MERGE)
    @ns.response(200, "the person after the merge", PERSON)
    @document_errors(ns, *PERSON_ERRORS, errors.EncoderMismatchError, *JSON_ERRORS)
    def post(self, person_id: str) -> dict[str, Any]:
        """Make another person part of this one.

        All templates, feedback and answers move here, and the other id is forgotten.
        This person keeps id and name; a name, note or consent that is missing here is
        taken from the other. Of two ends of retention the earlier holds. Nothing is
        compared: that both are one person is the word of whoever asks. It cannot be
        undone.
        """
        parse.check_query()
        fields = parse.json_object({"other": str}, ("other",))
        return as_json.person(store().merge_people(person_id, fields["other"]))


@ns.route("/<string:person_id>/distinct")
@ns.doc(params=PERSON_ID)
class Distinct(Resource):
    """Two entries that look alike are two people."""

    @ns.doc(id="mark_distinct")
    @ns.expect(DISTINCT)
    @ns.response(204, "the two are no duplicates")
    @document_errors(ns, *PERSON_ERRORS, *JSON_ERRORS)
    def post(self, person_id: str) -> tuple[str, int]:
        """Remember that another person who looks the same is somebody else.

        The two are no longer listed by GET /v1/gallery/duplicates.
        """
        parse.check_query()
        fields = parse.json_object({"other": str}, ("other",))
        store().mark_distinct(person_id, fields["other"])
        return "", 204


@ns.route("/<string:person_id>/templates/<string:template_id>/move")
@ns.doc(params=PERSON_ID | TEMPLATE_ID)
class MoveTemplate(Resource):
    """A template goes to another person."""

    @ns.doc(id="move_template")
    @ns.expect(MOVE)
    @ns.response(200, "the person who has the template now", PERSON)
    @document_errors(ns, *MOVE_ERRORS, *PERSON_ERRORS, *JSON_ERRORS)
    def post(self, person_id: str, template_id: str) -> dict[str, Any]:
        """Give a template to another person.

        `to` is a person who is there, or with `create` one who is made for it. The last
        template of a person is not split off: merge the whole person into the other
        one. A person who is made is kept as long as the one whom the template comes
        from.
        """
        parse.check_query()
        fields = parse.json_object({"to": str, "create": bool, "name": str})
        return as_json.person(store().move_template(person_id, template_id, _read_target(fields)))


def _read_target(fields: dict[str, Any]) -> str | NewPerson:
    if fields.get("create", False):
        return NewPerson(fields.get("to", new_person_id()), fields.get("name"))
    if "to" not in fields or "name" in fields:
        raise InvalidRequestError(
            f"`to` names a person who is there; `create`: true makes one, who may have a `name`. "
            f"Received: {', '.join(fields) or 'no field'}"
        )
    to: str = fields["to"]
    return to


@ns.route("/<string:person_id>/export")
@ns.doc(params=PERSON_ID)
class Export(Resource):
    """Everything on one person."""

    @ns.doc(id="export_person")
    @ns.response(200, "one JSON file", PERSON_EXPORT)
    @document_errors(ns, *PERSON_ERRORS, *WRITE_ERRORS)
    def get(self, person_id: str) -> Response:
        """Export everything that is stored on a person.

        Vectors, kept media, feedback and the rows of the audit are in it.
        """
        parse.check_query()
        body = json.dumps(store().export_person(person_id), ensure_ascii=False)
        return Response(
            body,
            mimetype=parse.JSON,
            headers={"Content-Disposition": f'attachment; filename="person-{person_id}.json"'},
        )


@ns.route("/<string:person_id>/thumbnail")
@ns.doc(params=PERSON_ID)
class Thumbnail(Resource):
    """A picture of one person."""

    @ns.doc(id="thumbnail", produces=["image/webp", "application/json"])
    @ns.response(200, "a WebP picture of 112 × 112 pixels")
    @document_errors(ns, *PERSON_ERRORS, errors.ThumbnailNotFoundError, *READ_ERRORS)
    def get(self, person_id: str) -> Response:
        """Show the best face that is kept of a person."""
        parse.check_query()
        return Response(store().thumbnail(person_id), mimetype="image/webp")
