"""/v1/transcripts: what was said in recordings, where it is kept."""

from __future__ import annotations

from typing import Any

from flask_restx import Namespace, Resource

from speech.keeping import kept_to_json, kept_with_turns_to_json
from utils import errors
from web.state import store
from web.wire import parse
from web.wire.schema.base import document_errors, limit_param, offset_param
from web.wire.schema.transcripts import KEPT_TRANSCRIPT, KEPT_TRANSCRIPTS

ns = Namespace(
    "transcripts", "Transcripts that are kept (DUET_KEEP_TRANSCRIPTS=1)", path="/v1/transcripts"
)
ERRORS = (errors.KeyRequiredError, errors.InvalidRequestError, errors.StoreUnavailableError)
MAX_OFFSET = 10**12
PART = {
    "limit": limit_param("answer with at most this many transcripts"),
    "offset": offset_param("leave this many out"),
}


@ns.route("")
class Transcripts(Resource):
    """All of them."""

    @ns.doc(id="list_transcripts", params=PART)
    @ns.response(200, "part of the list, newest first", KEPT_TRANSCRIPTS)
    @document_errors(ns, *ERRORS)
    def get(self) -> dict[str, Any]:
        """List kept transcripts without their lines, newest first."""
        parse.check_query(PART)
        limit = parse.query_limit(PART)
        offset = parse.query_int("offset", 0, 0, MAX_OFFSET)
        page = store().list_transcripts(offset, limit)
        rows = [kept_to_json(one) for one in page.transcripts]
        return {"transcripts": rows, "total": page.total, "offset": offset, "limit": limit}


@ns.route("/<string:transcript_id>")
class OneTranscript(Resource):
    """One of them."""

    @ns.doc(id="read_transcript")
    @ns.response(200, "the transcript", KEPT_TRANSCRIPT)
    @document_errors(ns, errors.TranscriptNotFoundError, *ERRORS)
    def get(self, transcript_id: str) -> dict[str, Any]:
        """Read a transcript with the present names of those who speak."""
        parse.check_query()
        return kept_with_turns_to_json(store().read_transcript(transcript_id))

    @ns.doc(id="delete_transcript")
    @ns.response(204, "deleted, also from the bytes of the database")
    @document_errors(ns, errors.TranscriptNotFoundError, *ERRORS)
    def delete(self, transcript_id: str) -> tuple[str, int]:
        """Delete a transcript."""
        parse.check_query()
        store().delete_transcript(transcript_id)
        return "", 204
