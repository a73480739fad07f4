"""Routes of the voice API: /speakers and /batch, over the same gallery (docs/voice-api.md).

Recordings come as files of a multipart form, or as base64 in JSON, with the same fields.
Everything here is by voice alone.
"""

from __future__ import annotations

from typing import Any

from flask import request
from flask_restx import Namespace, Resource

from recognition.voice_confidence import OWN_THRESHOLD
from utils.errors import DuplicatePersonError, InvalidNameError, StoreUnavailableError
from web.api.health import health
from web.api.identify import MEDIA_HELP, UPLOAD_ERRORS
from web.api.people import MAX_OFFSET, PERSON_ERRORS, READ_ERRORS, REFUSALS, WRITE_ERRORS
from web.compat.speakers import schema
from web.compat.speakers.answers import show_speaker
from web.compat.speakers.batch import MAX_BATCH, read_file_batch, read_json_batch, run_batch
from web.compat.speakers.operations import OPERATIONS, Operation, delete
from web.compat.speakers.requests import VoiceRequest, read_request
from web.state import store
from web.wire import parse
from web.wire.errors import RoleForbiddenError
from web.wire.schema.base import add_file, add_flag, document_errors, limit_param, offset_param
from web.wire.schema.people import ID_RULE
from web.wire.schema.service import HEALTH

ns = Namespace("speakers", "By voice alone: for clients of the voice API", path="/")

SPEAKER_ID = {"speaker_id": {"description": "id of the speaker", "example": "ann@example.com"}}
PAGE = {
    "offset": offset_param("leave out this many speakers"),
    "limit": limit_param("answer with at most this many", 100),
}
THRESHOLD_HELP = (
    "confidence that a speaker must reach, 0 to 1; 0.7 asks for what /v1/identify asks for. Below"
    " 0.7 strangers are named more often than was stated, so that it takes the role admin"
)
AUDIO_HELP = (
    f"a recording ({MEDIA_HELP.partition('the clip: ')[2]}); `file` and `files` are read too"
)
identify_form = ns.parser()
add_file(identify_form, "audio", AUDIO_HELP, required=True)
identify_form.add_argument(
    "threshold", type=float, location="form", default=OWN_THRESHOLD, help=THRESHOLD_HELP
)
register_form = ns.parser()
register_form.add_argument(
    "speaker_id",
    location="form",
    required=True,
    help=f"id of the speaker: {ID_RULE} (or `anonymousId`)",
)
add_file(register_form, "audio", f"{AUDIO_HELP}, once or more often", required=True)
register_form.add_argument("name", location="form", help="display name; the id when missing")
register_form.add_argument(
    "metadata",
    location="form",
    help='a JSON object to keep with the speaker, like `{"nickname": "Ann"}`',
)
add_flag(
    register_form,
    "force",
    "true: store even if the voice is like that of somebody who is known under another id, or"
    " the recordings are not of one person",
)
batch_form = ns.parser()
add_file(batch_form, "files", f"recordings, at most {MAX_BATCH}", required=True)
batch_form.add_argument(
    "threshold", type=float, location="form", default=OWN_THRESHOLD, help=THRESHOLD_HELP
)


@ns.route("/health", endpoint="health_alias")
class Health(Resource):
    """State of the service."""

    @ns.doc(id="health_alias", security=[])
    @ns.response(200, "requests can be answered", HEALTH)
    @document_errors(ns, StoreUnavailableError)
    def get(self) -> dict[str, Any]:
        """Tell whether requests can be answered: the same as GET /v1/health."""
        return health()


@ns.route("/speakers/register")
class Register(Resource):
    """Store a voice."""

    @ns.doc(
        id="register_speaker",
        params={
            "speaker_id": {"example": "ann@example.com"},
            "name": {"example": "Ann Lee"},
            "metadata": {"example": '{"nickname": "Ann"}'},
        },
    )
    @ns.expect(register_form)
    @ns.response(200, "what is stored of the speaker now", schema.SPEAKER_REGISTERED)
    @document_errors(
        ns, RoleForbiddenError, InvalidNameError, DuplicatePersonError, *REFUSALS, *UPLOAD_ERRORS
    )
    def post(self) -> dict[str, Any]:
        """Store recordings of a speaker, all or none. A new speaker is created.

        Or as JSON: `{"speaker_id": "ann@example.com", "audioData": "UklGR...",
        "metadata": {"nickname": "Ann"}}`.
        """
        return _answer("register")


@ns.route("/speakers/identify")
class Identify(Resource):
    """Who speaks?"""

    @ns.doc(id="identify_speaker")
    @ns.expect(identify_form)
    @ns.response(200, "the speaker, or that nobody who is known speaks", schema.SPEAKER_IDENTIFIED)
    @document_errors(ns, RoleForbiddenError, *UPLOAD_ERRORS)
    def post(self) -> dict[str, Any]:
        """Say who speaks. Nothing is stored.

        Or as JSON: `{"audioData": "UklGR...", "threshold": 0.7}`.
        """
        return _answer("identify")


@ns.route("/speakers")
class Speakers(Resource):
    """All speakers."""

    @ns.doc(id="list_speakers", params=PAGE)
    @ns.response(200, "part of the list", schema.SPEAKERS)
    @document_errors(ns, *READ_ERRORS)
    def get(self) -> dict[str, Any]:
        """List the people of the gallery, by id.

        A person who is enrolled by face alone has an audioCount of 0.
        """
        parse.check_query(("offset", "limit"))
        offset = parse.query_int("offset", 0, 0, MAX_OFFSET)
        limit = parse.query_limit(PAGE)
        page = store().list_people(offset=offset, limit=limit)
        return {
            "speakers": [show_speaker(p) for p in page.people],
            "total": page.total,
            "offset": offset,
            "limit": limit,
        }


@ns.route("/speakers/<string:speaker_id>")
@ns.doc(params=SPEAKER_ID)
class Speaker(Resource):
    """One speaker."""

    @ns.doc(id="get_speaker")
    @ns.response(200, "the speaker", schema.SPEAKER)
    @document_errors(ns, *PERSON_ERRORS, *READ_ERRORS)
    def get(self, speaker_id: str) -> dict[str, Any]:
        """Show a speaker."""
        parse.check_query()
        return show_speaker(store().get_person(speaker_id))

    @ns.doc(id="delete_speaker")
    @ns.response(200, "the speaker is forgotten", schema.SPEAKER_DELETED)
    @document_errors(ns, *PERSON_ERRORS, *WRITE_ERRORS)
    def delete(self, speaker_id: str) -> dict[str, Any]:
        """Forget a speaker and everything that is stored of the person, the face too."""
        parse.check_query()
        return delete(VoiceRequest({"speaker_id": speaker_id}))


@ns.route("/batch")
class Batch(Resource):
    """Several at once."""

    @ns.doc(id="batch")
    @ns.expect(batch_form)
    @ns.response(
        200,
        "one result for each; a bad one does not keep the others from being done",
        schema.BATCH,
    )
    @document_errors(ns, *UPLOAD_ERRORS)
    def post(self) -> dict[str, Any]:
        """Identify several files, one after the other.

        Or as JSON, for every operation: `{"operation": "register", "items": [...]}`,
        where each item is the body of the single request; an operation is `register`,
        `identify` or `delete`.
        """
        parse.check_query()
        if request.mimetype == parse.JSON:
            operation, items = read_json_batch()
            return run_batch(operation, items)
        return run_batch("identify", read_file_batch())


def _answer(name: str) -> dict[str, Any]:
    """Do what the request asks for, and answer."""
    parse.check_query()
    operation: Operation = OPERATIONS[name]
    return operation.run(read_request(operation.fields))
