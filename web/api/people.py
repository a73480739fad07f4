"""/v1/people: the people of the gallery and their templates."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flask import g, request
from flask_restx import Namespace, Resource

from gallery import results
from gallery.results import SUSPECTS, Kind, Order
from recognition import as_json
from recognition.requests import ClipFile, EnrolmentRequest
from utils import errors
from utils.errors import InvalidRequestError, PersonNotFoundError
from web.api.challenges import CHALLENGE_ERRORS, CHALLENGE_HELP, take_clip
from web.api.identify import MEDIA_HELP, UPLOAD_ERRORS
from web.api.turns import MOST_TURNS, read_turns
from web.guard import rejections
from web.guard.auth import staff_only
from web.guard.figures import hide_figures
from web.state import recognizer, store
from web.wire import parse
from web.wire.errors import ContentTypeError
from web.wire.schema.base import add_file, add_flag, document_errors, limit_param, offset_param
from web.wire.schema.people import (
    ENROLLED,
    NEW_PERSON,
    PEOPLE,
    PERSON,
    PERSON_CHANGES,
    TEMPLATES,
)

ns = Namespace("people", "Who is known: people and their stored templates", path="/v1/people")
MAX_OFFSET = 10**9
UNDO = timedelta(minutes=10)
"""A kiosk may take back a person so long, if no clip could be enrolled."""

READ_ERRORS = (errors.KeyRequiredError, InvalidRequestError, errors.StoreUnavailableError)
WRITE_ERRORS = (*READ_ERRORS, errors.StorageFullError)
PERSON_ERRORS = (PersonNotFoundError, errors.InvalidNameError)
NEW_PERSON_ERRORS = (errors.PersonExistsError, errors.NameTakenError, errors.InvalidNameError)
REFUSALS = (
    errors.MixedPeopleError,
    errors.SeveralPeopleError,
    errors.PoorQualityError,
    errors.NotLiveError,
    errors.UnlikePersonError,
)
JSON_ERRORS = (*WRITE_ERRORS, ContentTypeError, errors.MediaTooLargeError)
CHANGES: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "note": str,
    "consent": str,
    "retention_days": (int, type(None)),
}
PERSON_ID = {"person_id": {"description": "id of the person", "example": "ann@example.com"}}
TEMPLATE_ID = {
    "template_id": {
        "description": "id of the template",
        "example": "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    }
}
SEARCH: dict[str, dict[str, object]] = {
    "search": {
        "description": "only people whose id or name holds this text, in any case",
        "example": "ann",
    },
    "kind": {
        "description": (
            "only people without a face, without a voice, with templates of poor quality, who were"
            " never seen, whose retention ends within 30 days, who look like another entry, or who"
            " may be mixed of two people. `check` says when the last two were looked for"
        ),
        "enum": [str(kind) for kind in Kind],
        "default": "all",
    },
    "sort": {
        "description": "what the list is sorted by; who has none of it comes last",
        "enum": [str(order) for order in Order],
        "default": "person_id",
    },
    "descending": {
        "description": "true: the last ones first",
        "enum": ["true", "false"],
        "default": "false",
    },
    "offset": offset_param("leave out this many people"),
    "limit": limit_param("answer with at most this many"),
}

enroll_form = ns.parser()
add_file(enroll_form, "media", MEDIA_HELP, required=True)
add_flag(enroll_form, "replace", "true: forget the templates that are stored of this person first")
add_flag(
    enroll_form,
    "force",
    "true: store even if the clip looks like somebody who is known under another id, is not of"
    " one person, or is poor",
)
enroll_form.add_argument(
    "turns",
    location="form",
    help="only the voice, of these times: pairs of start and end in seconds, as [[1.2, 4.5],"
    f" [10, 12.5]], {MOST_TURNS} at most. The file may then be as long as a recording that is"
    " written down. Without it, the whole clip is enrolled",
)


enroll_form.add_argument("challenge", location="form", help=CHALLENGE_HELP)


@ns.route("")
class People(Resource):
    """All people."""

    @ns.doc(id="list_people", params=SEARCH)
    @ns.response(200, "part of the list", PEOPLE)
    @document_errors(ns, *READ_ERRORS)
    def get(self) -> dict[str, Any]:
        """List people: all, or those of one kind, by id or in another order."""
        parse.check_query(SEARCH)
        kind = Kind(parse.query_choice("kind", list(Kind)))
        look = recognizer().suspects.look() if kind in SUSPECTS else None
        latest = look.latest if look else None
        page = store().list_people(
            search=parse.query_text("search"),
            kind=kind,
            suspects=recognizer().suspects.keys_of(kind, latest) if latest else (),
            order=Order(parse.query_choice("sort", list(Order))),
            newest_first=parse.boolean(request.args.get("descending", "false"), "descending"),
            offset=parse.query_int("offset", 0, 0, MAX_OFFSET),
            limit=parse.query_limit(SEARCH),
        )
        return {**as_json.people(page), "check": look and as_json.look(look)}

    @ns.doc(id="create_person")
    @ns.expect(NEW_PERSON)
    @ns.response(201, "the person, without templates yet", PERSON)
    @document_errors(ns, *NEW_PERSON_ERRORS, *JSON_ERRORS)
    def post(self) -> tuple[dict[str, Any], int, dict[str, str]]:
        """Create a person.

        Send at least one of `person_id` and `name`. Clips are enrolled afterwards.
        """
        parse.check_query()
        fields = parse.json_object({"person_id": str, "unique_name": bool, **CHANGES})
        if "person_id" not in fields and "name" not in fields:
            raise InvalidRequestError(
                f"`name` or `person_id` is required. Received: {', '.join(fields) or 'no field'}"
            )
        person = store().create_person(**fields)
        return (
            as_json.person(person),
            201,
            {"Location": f"{request.script_root}/v1/people/{person.person_id}"},
        )


@ns.route("/<string:person_id>")
@ns.doc(params=PERSON_ID)
class Person(Resource):
    """One person."""

    @ns.doc(id="get_person")
    @ns.response(200, "the person", PERSON)
    @document_errors(ns, *PERSON_ERRORS, *READ_ERRORS)
    def get(self, person_id: str) -> dict[str, Any]:
        """Show a person."""
        parse.check_query()
        return as_json.person(store().get_person(person_id))

    @ns.doc(id="update_person")
    @ns.expect(PERSON_CHANGES)
    @ns.response(200, "the person after the change", PERSON)
    @document_errors(ns, *PERSON_ERRORS, *JSON_ERRORS)
    def patch(self, person_id: str) -> dict[str, Any]:
        """Change name, note, consent or retention of a person. What is not sent stays."""
        parse.check_query()
        fields = parse.json_object(CHANGES)
        if not fields:
            raise InvalidRequestError(
                f"The body has no field. One of {', '.join(CHANGES)} is required."
            )
        return as_json.person(store().update_person(person_id, **fields))

    @ns.doc(id="delete_person")
    @ns.response(204, "the person and everything on them is forgotten")
    @document_errors(ns, *PERSON_ERRORS, *WRITE_ERRORS)
    def delete(self, person_id: str) -> tuple[str, int]:
        """Forget a person for good: templates, kept media, feedback, what jobs hold.

        Backups are the operator's.
        """
        parse.check_query()
        store().delete_person(person_id, _refuse_deletion)
        return "", 204


def _refuse_deletion(person: results.Person, now: datetime) -> None:
    """A kiosk may take back whom it has just created. Raises RoleForbiddenError."""
    if any(person.templates.values()) or now - person.created_at > UNDO:
        staff_only("To delete a person")


@ns.route("/<string:person_id>/templates")
@ns.doc(params=PERSON_ID)
class Templates(Resource):
    """What is stored of one person."""

    @ns.doc(id="list_templates")
    @ns.response(200, "the templates", TEMPLATES)
    @document_errors(ns, *PERSON_ERRORS, *READ_ERRORS)
    def get(self, person_id: str) -> dict[str, Any]:
        """List the templates of a person."""
        parse.check_query()
        return {"templates": [as_json.template(t) for t in store().list_templates(person_id)]}

    @ns.doc(id="enroll")
    @ns.expect(enroll_form)
    @ns.response(201, "what was stored", ENROLLED)
    @document_errors(
        ns,
        *PERSON_ERRORS,
        errors.DuplicatePersonError,
        *REFUSALS,
        *UPLOAD_ERRORS,
        *CHALLENGE_ERRORS,
    )
    def post(self, person_id: str) -> tuple[dict[str, Any], int]:
        """Enrol a clip: store a template of the face, of the voice, or of both.

        The clip itself is not kept. Aligned faces and speech are kept where the service is set to
        (DUET_KEEP_MEDIA=1).
        """
        parse.check_query()
        fields = parse.form(("replace", "force", "turns", "challenge"), ("media",))
        replace = parse.boolean(fields.get("replace", False), "replace")
        force = parse.boolean(fields.get("force", False), "force")

        def guard() -> None:
            if replace or force or any(store().get_person(person_id).templates.values()):
                staff_only("To replace, to force, or to enrol more of a person who is enrolled")

        # Before the clip is read, and again when it is stored: another kiosk may have
        # been faster
        guard()
        with rejections.limit():
            clip = _read_clip(fields)
            enrolment = recognizer().enroll(
                EnrolmentRequest(person_id, (clip,), replace=replace, force=force, guard=guard)
            )
        return hide_figures(as_json.enrolment(enrolment, g.request_id)), 201


def _read_clip(fields: dict[str, str]) -> ClipFile:
    """Read the clip: turns of a recording, or all of it, which may carry a challenge."""
    turns = fields.get("turns", "")
    challenge_id = fields.get("challenge", "")
    if turns and challenge_id:
        raise InvalidRequestError("Send either `turns` or `challenge`, not both.")
    media = parse.upload("media")
    return read_turns(media, turns) if turns else take_clip(media, challenge_id)


@ns.route("/<string:person_id>/templates/<string:template_id>")
@ns.doc(params=PERSON_ID | TEMPLATE_ID)
class Template(Resource):
    """One template."""

    @ns.doc(id="delete_template")
    @ns.response(204, "the template is forgotten")
    @document_errors(ns, *PERSON_ERRORS, errors.TemplateNotFoundError, *WRITE_ERRORS)
    def delete(self, person_id: str, template_id: str) -> tuple[str, int]:
        """Forget one template."""
        parse.check_query()
        store().delete_template(person_id, template_id)
        return "", 204
