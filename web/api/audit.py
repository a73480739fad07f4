"""/v1/audit: who did what, and whether the record of it is whole."""

from __future__ import annotations

from typing import Any

from flask_restx import Namespace, Resource

from gallery.audit import Head
from gallery.results import ACTIONS
from recognition import as_json
from utils import errors
from web.api.people import PERSON_ERRORS
from web.guard.auth import staff_only
from web.state import store
from web.wire import parse
from web.wire.schema.audit import (
    AUDIT,
    AUDIT_VERIFIED,
)
from web.wire.schema.base import (
    SHA256,
    document_errors,
    limit_param,
)

ns = Namespace(
    "audit",
    "Who did what, when, with what outcome; people appear by internal number only",
    path="/v1/audit",
)

ERRORS = (errors.KeyRequiredError, errors.InvalidRequestError, errors.StoreUnavailableError)
MAX_ROW = 10**15
PART = {
    "limit": limit_param("answer with at most this many rows"),
    "before": {
        "description": (
            "only rows of a number below this one, as `next_before` of the answer before"
        ),
        "type": "integer",
        "example": 17,
    },
    "action": {
        "description": f"only rows of this action: {', '.join(ACTIONS)}",
        "example": "identify",
    },
    "outcome": {"description": "only rows of this outcome", "example": "accepted"},
    "actor": {"description": "only rows of this key, or of local", "example": "3f9a1c2e"},
    "person_id": {
        "description": "only rows on this person; for admins",
        "example": "ann@example.com",
    },
    "since": {
        "description": "only rows from this time on, in ISO 8601; without a zone it is UTC",
        "example": "2026-01-31T08:00:00Z",
    },
    "until": {
        "description": "only rows before this time, in ISO 8601; without a zone it is UTC",
        "example": "2026-02-01T08:00:00Z",
    },
}
NOTED = {
    "noted": {
        "description": (
            "a head that an earlier answer stated, as `number:hash`: its row must still be the same"
        ),
        "example": f"42:{SHA256}",
    }
}


@ns.route("")
class Audit(Resource):
    """The rows."""

    @ns.doc(id="list_events", params=PART)
    @ns.response(200, "part of the audit, newest first", AUDIT)
    @document_errors(ns, *PERSON_ERRORS, *ERRORS)
    def get(self) -> dict[str, Any]:
        """Read the audit, newest rows first. Needs the role auditor, operator or admin."""
        parse.check_query(PART)
        limit = parse.query_limit(PART)
        person_id = parse.query_text("person_id") or None
        if person_id is not None:
            staff_only("To ask for a person by id")  # auditors know people by number only
        events = store().events(
            limit,
            person_id=person_id,
            before=parse.query_int("before", MAX_ROW, 1, MAX_ROW),
            action=parse.query_text("action") or None,
            outcome=parse.query_text("outcome") or None,
            actor=parse.query_text("actor") or None,
            since=parse.query_time("since"),
            until=parse.query_time("until"),
        )
        return as_json.audit(events, limit)


@ns.route("/verify")
class Verify(Resource):
    """The chain of hashes."""

    @ns.doc(id="verify_audit", params=NOTED)
    @ns.response(200, "what was found", AUDIT_VERIFIED)
    @document_errors(ns, *ERRORS)
    def get(self) -> dict[str, Any]:
        """Check that no row was changed, removed, inserted or moved.

        Needs the role auditor or admin. Write the `head` down elsewhere: whoever can
        write to the database could write the whole audit anew, and only `noted` shows
        that.
        """
        parse.check_query(NOTED)
        noted = parse.query_text("noted")
        return as_json.audit_verified(store().verify_audit(Head.parse(noted) if noted else None))
