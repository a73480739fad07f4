"""POST /v1/identifications/{request_id}/feedback: whether an answer was right.

It is stored for the next calibration.
"""

from __future__ import annotations

from typing import Any

from flask_restx import Namespace, Resource

from utils.errors import IdentificationNotFoundError
from web.api.people import JSON_ERRORS, PERSON_ERRORS
from web.guard.auth import caller, is_staff
from web.state import store
from web.wire import parse
from web.wire.schema.base import (
    REQUEST_ID,
    document_errors,
)
from web.wire.schema.recognition import (
    FEEDBACK,
    FEEDBACK_KEPT,
)

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
            "example": REQUEST_ID,
        }
    }
)
class Feedback(Resource):
    """Right or wrong?"""

    @ns.doc(id="give_feedback")
    @ns.expect(FEEDBACK)
    @ns.response(200, "what is kept", FEEDBACK_KEPT)
    @document_errors(ns, IdentificationNotFoundError, *PERSON_ERRORS, *JSON_ERRORS)
    def post(self, request_id: str) -> dict[str, Any]:
        """Say whether an answer was right about a person.

        `same` is true for "this is me", and false for "not this person". A kiosk says it of
        its own answers. What was said before is replaced. The
        comparisons become trials of the next calibration; the gallery stays as it is.
        """
        parse.check_query()
        fields = parse.json_object({"person_id": str, "same": bool}, ("person_id", "same"))
        modalities = store().give_feedback(
            request_id, fields["person_id"], same=fields["same"], asked_by=_only_asked_by()
        )
        return {
            "request_id": request_id,
            "person_id": fields["person_id"],
            "same": fields["same"],
            "modalities": list(map(str, modalities)),
        }


def _only_asked_by() -> str | None:
    """Who must have got the answer: a kiosk speaks of its own answers only."""
    asking = caller()
    return None if asking is None or is_staff() else asking.actor
