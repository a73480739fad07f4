"""/v1/visits: recent visitors, and what was wrong about them (DUET_VISIT_DAYS)."""

from __future__ import annotations

from typing import Any

from flask_restx import Namespace, Resource

from gallery.records.visits import OUTCOMES
from recognition import as_json
from utils.errors import VisitNotFoundError
from web.api.people import JSON_ERRORS, PERSON_ERRORS, READ_ERRORS, WRITE_ERRORS
from web.state import store
from web.wire import parse
from web.wire.schema.base import REQUEST_ID, document_errors, limit_param
from web.wire.schema.visits import NEW_CORRECTION, VISIT, VISITS

ns = Namespace("visits", "Recent visitors (DUET_VISIT_DAYS)", path="/v1/visits")
MAX_NUMBER = 10**15
PART = {
    "limit": limit_param("answer with at most this many visits"),
    "before": {
        "description": "only visits of a number below this one, as `next_before` tells it",
        "type": "integer",
        "example": 17,
    },
    "person_id": {
        "description": "only visits that named this person, or were this person",
        "example": "ann@example.com",
    },
    "outcome": {
        "description": "only answers of this outcome; wrong: those that were corrected",
        "enum": list(OUTCOMES),
    },
    "since": {
        "description": "only visits from this time on, in ISO 8601; without a zone it is UTC",
        "example": "2026-01-31T00:00:00Z",
    },
    "until": {
        "description": "only visits before this time, in ISO 8601; without a zone it is UTC",
        "example": "2026-02-01T00:00:00Z",
    },
}
VISIT_ID = {"visit_id": {"description": "id of the visit", "example": REQUEST_ID}}


@ns.route("")
class VisitList(Resource):
    """Recent visitors."""

    @ns.doc(id="list_visits", params=PART)
    @ns.response(200, "part of the list, newest first", VISITS)
    @document_errors(ns, *PERSON_ERRORS, *READ_ERRORS)
    def get(self) -> dict[str, Any]:
        """List whom the latest answers were about, newest first."""
        parse.check_query(PART)
        limit = parse.query_limit(PART)
        visits = store().list_visits(
            limit,
            parse.query_text("person_id") or None,
            before=parse.query_int("before", MAX_NUMBER, 1, MAX_NUMBER),
            outcome=parse.query_text("outcome") or None,
            since=parse.query_time("since"),
            until=parse.query_time("until"),
        )
        return as_json.visits(visits, limit, store().visit_days)


@ns.route("/<string:visit_id>/correction")
@ns.doc(params=VISIT_ID)
class Correction(Resource):
    """What was wrong about an answer."""

    @ns.doc(id="correct_visit")
    @ns.expect(NEW_CORRECTION)
    @ns.response(200, "the visit as it is now", VISIT)
    @document_errors(ns, VisitNotFoundError, *PERSON_ERRORS, *JSON_ERRORS)
    def post(self, visit_id: str) -> dict[str, Any]:
        """Say that an answer is wrong, and who it was.

        It is noted in the audit, shown in the history of both people, and becomes a trial
        of the next calibration. No template changes.
        """
        parse.check_query()
        fields = parse.json_object({"person_id": (str, type(None))}, ("person_id",))
        return as_json.visit(store().correct_visit(visit_id, fields["person_id"]))

    @ns.doc(id="take_back_correction")
    @ns.response(200, "the visit as it is now", VISIT)
    @document_errors(ns, VisitNotFoundError, *WRITE_ERRORS)
    def delete(self, visit_id: str) -> dict[str, Any]:
        """Let an answer stand that was said to be wrong."""
        parse.check_query()
        return as_json.visit(store().take_back_correction(visit_id))
