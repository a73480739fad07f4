"""POST /v1/identifications/{request_id}/feedback: what is true of an answer, kept for
the next calibration.
"""

from __future__ import annotations

from typing import Any

from flask_restx import Namespace, Resource

from gallery.records.keys import Role
from utils.errors import IdentificationNotFoundError
from web.api.people import JSON_ERRORS, PERSON_ERRORS
from web.guard.auth import caller
from web.state import store
from web.wire import parse, schema

ns = Namespace(
    "feedback",
    "What people say of an answer: this is me, not this person",
    path="/v1/identifications",
)


@ns.route("/<string:request_id>/feedback")
@ns.doc(
    params={
        "request_id": {
            "description": "the `request_id` of an answer of the last days",
            "example": schema.REQUEST_ID,
        }
    }
)
class Feedback(Resource):
    """Right or wrong?"""

    @ns.doc(id="give_feedback")
    @ns.expect(schema.FEEDBACK)
    @ns.response(200, "what is kept", schema.FEEDBACK_KEPT)
    @schema.documented(ns, IdentificationNotFoundError, *PERSON_ERRORS, *JSON_ERRORS)
    def post(self, request_id: str) -> dict[str, Any]:
        """Say that an answer was right about a person ("this is me") or wrong ("not
        this person").

        A kiosk says it of its own answers. What was said before is replaced. The
        comparisons become trials of the next calibration; the gallery stays as it is.
        """
        parse.check_query()
        given = parse.json_object({"person_id": str, "same": bool}, ("person_id", "same"))
        asked = caller()
        own_only = asked.actor if asked is not None and asked.role is not Role.ADMIN else None
        modalities = store().give_feedback(request_id, given["person_id"], given["same"], own_only)
        return {
            "request_id": request_id,
            "person_id": given["person_id"],
            "same": given["same"],
            "modalities": list(map(str, modalities)),
        }
