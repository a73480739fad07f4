"""/speakers and /batch: the API that clients of the field's voice service speak, over
the same gallery (docs/voice-api.md).

Recordings come as files of a multipart form, or as base64 in JSON; the fields are the
same. Everything here is by voice alone.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from flask import g, request
from flask_restx import Namespace, Resource
from werkzeug.datastructures import FileStorage

from gallery.names import validate_name, validate_note
from gallery.results import MAX_PAGE, Person
from gallery.store import NewPerson
from recognition import as_json, voice_confidence
from recognition.requests import EnrolmentRequest
from recognition.results import Identification
from recognition.voice_confidence import OWN_THRESHOLD
from utils import errors as known
from utils.errors import DuetError, InvalidRequestError
from utils.modality import Modality
from web.api.health import health
from web.api.identify import MEDIA_HELP, UPLOAD_ERRORS
from web.api.people import MAX_OFFSET, PERSON_ERRORS, READ_ERRORS, WRITE_ERRORS
from web.compat import speakers_schema as described
from web.guard.auth import admin_only
from web.state import recognizer, store
from web.wire import parse, schema
from web.wire.errors import RoleForbiddenError
from web.wire.hints import HINTS

ns = Namespace("speakers", "By voice alone: for clients of the field's voice service", path="/")

FILES = ("audio", "file", "files")
MAX_BATCH = 32
MAX_JSON_BYTES = 8_000_000
"""Of JSON with recordings in base64: 3 minutes of 16 kHz mono. Longer ones come as
files.
"""
OPERATIONS = ("register", "identify", "delete")

Values = Mapping[str, Any]
Work = list[tuple[dict[str, str], Callable[[], dict[str, Any]]]]
"""Of a batch: what its result says of an item, and how it is done."""
IDENTIFY = {"audioData": str, "threshold": (int, float), "metaverseContext": dict}
REGISTER = {
    "speaker_id": str,
    "anonymousId": str,
    "audioData": str,
    "name": str,
    "metadata": dict,
    "force": bool,
}
DELETE = {"speaker_id": str, "anonymousId": str}
SPEAKER_ID = {"speaker_id": {"description": "id of the speaker", "example": "ann@example.com"}}

THRESHOLD_HELP = (
    "confidence that a speaker must reach, 0 to 1; 0.7 asks for what /v1/identify asks for. Below"
    " 0.7 strangers are named more often than was stated, so that it takes the role admin"
)
AUDIO_HELP = (
    f"a recording ({MEDIA_HELP.partition('the clip: ')[2]}); `file` and `files` are read too"
)
identify_form = ns.parser()
identify_form.add_argument(
    "audio", type=FileStorage, location="files", required=True, help=AUDIO_HELP
)
identify_form.add_argument(
    "threshold", type=float, location="form", default=OWN_THRESHOLD, help=THRESHOLD_HELP
)
register_form = ns.parser()
register_form.add_argument(
    "speaker_id",
    location="form",
    required=True,
    help=f"id of the speaker: {schema.ID_RULE} (or `anonymousId`)",
)
register_form.add_argument(
    "audio",
    type=FileStorage,
    location="files",
    required=True,
    help=f"{AUDIO_HELP}, once or more often",
)
register_form.add_argument("name", location="form", help="display name; the id when missing")
register_form.add_argument(
    "metadata",
    location="form",
    help='a JSON object to keep with the speaker, like `{"nickname": "Ann"}`',
)
register_form.add_argument(
    "force",
    location="form",
    choices=("true", "false"),
    default="false",
    help="true: store even if the voice is like that of somebody who is known under another id",
)
batch_form = ns.parser()
batch_form.add_argument(
    "files",
    type=FileStorage,
    location="files",
    required=True,
    help=f"recordings, at most {MAX_BATCH}",
)
batch_form.add_argument(
    "threshold", type=float, location="form", default=OWN_THRESHOLD, help=THRESHOLD_HELP
)


@dataclass(frozen=True)
class Asked:
    """What a request, or an item of a batch, holds: fields of its JSON or form, and its
    recordings; the answer is remembered for feedback under `request_id` (default: that
    of the request).
    """

    values: Values
    clips: list[parse.Upload]
    request_id: str | None = None


@ns.route("/health", endpoint="health_alias")
class Health(Resource):
    """State of the service."""

    @ns.doc(id="health_alias", security=[])
    @ns.response(200, "requests can be answered", schema.HEALTH)
    @schema.documented(ns, known.StoreUnavailableError)
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
    @ns.response(200, "what is stored of the speaker now", described.SPEAKER_REGISTERED)
    @schema.documented(
        ns, RoleForbiddenError, known.InvalidNameError, known.DuplicatePersonError, *UPLOAD_ERRORS
    )
    def post(self) -> dict[str, Any]:
        """Store recordings of a speaker, of all or of none; a new speaker is created.

        Or as JSON: `{"speaker_id": "ann@example.com", "audioData": "UklGR...",
        "metadata": {"nickname": "Ann"}}`.
        """
        parse.check_query()
        return register(_read(REGISTER))


@ns.route("/speakers/identify")
class Identify(Resource):
    """Who speaks?"""

    @ns.doc(id="identify_speaker")
    @ns.expect(identify_form)
    @ns.response(
        200, "the speaker, or that nobody who is known speaks", described.SPEAKER_IDENTIFIED
    )
    @schema.documented(ns, RoleForbiddenError, *UPLOAD_ERRORS)
    def post(self) -> dict[str, Any]:
        """Say who speaks. Nothing is stored. Or as JSON: `{"audioData": "UklGR...",
        "threshold": 0.7}`.
        """
        parse.check_query()
        return identify(_read(IDENTIFY))


@ns.route("/speakers")
class Speakers(Resource):
    """All speakers."""

    @ns.doc(
        id="list_speakers",
        params={
            "offset": {
                "description": "leave out this many speakers",
                "type": "integer",
                "default": 0,
            },
            "limit": {
                "description": f"answer with at most this many, 1 to {MAX_PAGE}",
                "type": "integer",
                "default": 100,
            },
        },
    )
    @ns.response(200, "part of the list", described.SPEAKERS)
    @schema.documented(ns, *READ_ERRORS)
    def get(self) -> dict[str, Any]:
        """List the people of the gallery, by id; who is known by face alone has an
        audioCount of 0.
        """
        parse.check_query(("offset", "limit"))
        offset = parse.query_int("offset", 0, 0, MAX_OFFSET)
        limit = parse.query_int("limit", 100, 1, MAX_PAGE)
        page = store().list_people("", offset, limit)
        return {
            "speakers": [speaker(p) for p in page.people],
            "total": page.total,
            "offset": offset,
            "limit": limit,
        }


@ns.route("/speakers/<string:speaker_id>")
@ns.doc(params=SPEAKER_ID)
class Speaker(Resource):
    """One speaker."""

    @ns.doc(id="get_speaker")
    @ns.response(200, "the speaker", described.SPEAKER)
    @schema.documented(ns, *PERSON_ERRORS, *READ_ERRORS)
    def get(self, speaker_id: str) -> dict[str, Any]:
        """Show a speaker."""
        parse.check_query()
        return speaker(store().get_person(speaker_id))

    @ns.doc(id="delete_speaker")
    @ns.response(200, "the speaker is forgotten", described.SPEAKER_DELETED)
    @schema.documented(ns, *PERSON_ERRORS, *WRITE_ERRORS)
    def delete(self, speaker_id: str) -> dict[str, Any]:
        """Forget a speaker and everything that is stored of the person, the face too."""
        parse.check_query()
        return delete(Asked({"speaker_id": speaker_id}, []))


@ns.route("/batch")
class Batch(Resource):
    """Several at once."""

    @ns.doc(id="batch")
    @ns.expect(batch_form)
    @ns.response(
        200,
        "one result for each; a bad one does not keep the others from being done",
        described.BATCH,
    )
    @schema.documented(ns, *UPLOAD_ERRORS)
    def post(self) -> dict[str, Any]:
        """Identify several files, one after the other.

        Or as JSON, for every operation: `{"operation": "register", "items": [...]}`,
        where each item is the body of the single request; an operation is `register`,
        `identify` or `delete`.
        """
        parse.check_query()
        if request.mimetype == parse.JSON:
            operation, work = _batch_of_json()
        else:
            operation = "identify"
            work = _batch_of_files()
        results = [{"index": i, **about, **_done(step)} for i, (about, step) in enumerate(work)]
        done = sum(r["status"] == "success" for r in results)
        return {
            "operation": operation,
            "totalItems": len(results),
            "successCount": done,
            "errorCount": len(results) - done,
            "results": results,
            **_stamp(),
            "request_id": g.request_id,
        }


# ---- the operations, on one request or one item of a batch


def register(asked: Asked) -> dict[str, Any]:
    """Store voice templates."""
    speaker_id = _speaker_id(asked.values)
    force = parse.boolean(asked.values.get("force", False), "force")
    name = validate_name(asked.values["name"]) if asked.values.get("name") else None
    note = _note_of(asked.values.get("metadata"), store().find_person(speaker_id))

    def guard() -> None:
        before = store().find_person(speaker_id)
        if force or (before and any(before.templates.values())):
            admin_only("To force, or to register more of a person who is enrolled")
        if before and (name not in (None, before.name) or note not in (None, before.note)):
            admin_only("To change name or metadata of a person who is there")

    # Before the recordings are read, and again when they are stored: another kiosk may
    # have been faster
    guard()
    stored = recognizer().enroll(
        EnrolmentRequest(
            person=NewPerson(speaker_id, name, note or ""),
            clips=tuple(upload.clip for upload in asked.clips),
            modality=Modality.VOICE,
            force=force,
            guard=guard,
        )
    )
    person = stored.person
    changes = {
        key: value
        for key, value in (("name", name), ("note", note))
        if value is not None and value != getattr(person, key)
    }
    if changes:  # the person was there before
        store().update_person(speaker_id, **changes)  # type: ignore[arg-type]
    count = len(stored.templates)
    message = f"Registered: {count} recording{'s' * (count != 1)} of {speaker_id}."
    return {
        "status": "success",
        **_ids(speaker_id),
        "message": message,
        "audioCount": person.templates["voice"],
        "duplicate": as_json.match(stored.duplicate),
        "hints": as_json.hints(stored.hints),
        **_stamp(),
        "request_id": g.request_id,
    }


def identify(asked: Asked) -> dict[str, Any]:
    """Who speaks in the recording."""
    if len(asked.clips) != 1:
        raise InvalidRequestError(
            f"One recording is identified; POST /batch takes several. Received: {len(asked.clips)}"
        )
    threshold = _threshold(asked.values.get("threshold", OWN_THRESHOLD))
    clip = asked.clips[0]
    request_id = asked.request_id or g.request_id
    answer = recognizer().identify(voice_confidence.ask_by_voice(clip.clip, threshold, request_id))
    return {**show_identification(answer, threshold), "request_id": request_id}


def delete(asked: Asked) -> dict[str, Any]:
    """Forget a person."""
    speaker_id = _speaker_id(asked.values)
    store().delete_person(speaker_id)
    return {
        "status": "success",
        **_ids(speaker_id),
        "message": f"Deleted: {speaker_id}, with everything that was stored.",
        "timestamp": _stamp()["timestamp"],
        "request_id": g.request_id,
    }


RUN: dict[str, tuple[Callable[[Asked], dict[str, Any]], dict[str, Any]]] = {
    "register": (register, REGISTER),
    "identify": (identify, IDENTIFY),
    "delete": (delete, DELETE),
}


# ---- what goes out


def speaker(person: Person) -> dict[str, Any]:
    """A person as a speaker."""
    return {
        **_ids(person.person_id),
        "name": person.name,
        "audioCount": person.templates["voice"],
        "registeredAt": as_json.instant(person.enrolled_at or person.created_at),
        "metadata": _metadata(person.note),
    }


def show_identification(answer: Identification, threshold: float) -> dict[str, Any]:
    """An answer, for an unknown speaker without any name."""
    voice = answer.decisions.voice
    match = voice.match
    named = voice.match is not None
    about = store().find_person(match.person_id) if match else None
    return {
        "status": "success",
        "identified": named,
        "isKnownSpeaker": named,
        **_ids(match.person_id if match else None),
        "name": match.name if match else None,
        "confidence": as_json.number(voice_confidence.confidence(voice, threshold)),
        "threshold": threshold,
        "reason": voice.reason,
        "metadata": _metadata(about.note) if about else {},
        "hints": as_json.hints(answer.observation.hints),
        **_stamp(),
    }


def _ids(speaker_id: str | None) -> dict[str, str | None]:
    return {"speaker_id": speaker_id, "anonymousId": speaker_id}


def _stamp() -> dict[str, Any]:
    return {
        "processingTime": round(time.perf_counter() - g.started, 6),
        "timestamp": as_json.instant(datetime.now(UTC)),
    }


def _metadata(note: str) -> dict[str, Any]:
    """The note of a person as an object: what was sent as one, or a text under `note`."""
    try:
        found = json.loads(note)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"note": note} if note else {}


# ---- what comes in


def _read(allowed: Mapping[str, Any]) -> Asked:
    """A JSON body with the recording in `audioData`, or a form with files."""
    if request.mimetype == parse.JSON:
        return _of_json(parse.json_object(allowed, ("audioData",), MAX_JSON_BYTES))
    values: dict[str, Any] = dict(
        parse.form(
            [name for name in allowed if name not in ("audioData", "metaverseContext")], FILES
        )
    )
    if "metadata" in values:
        values["metadata"] = _json_text(values["metadata"])
    return Asked(values, parse.uploads(FILES))


def _of_json(values: Values) -> Asked:
    return Asked(
        values, [parse.decoded(values["audioData"], "audioData")] if "audioData" in values else []
    )


def _batch_of_json() -> tuple[str, Work]:
    body = parse.json_object(
        {"operation": str, "items": list}, ("operation", "items"), MAX_JSON_BYTES
    )
    if body["operation"] not in OPERATIONS:
        raise InvalidRequestError(
            f"`operation` must be one of {', '.join(OPERATIONS)}. Received:"
            f" {body['operation'][:40]!a}"
        )
    _check_count(len(body["items"]))
    run, allowed = RUN[body["operation"]]
    required = [] if body["operation"] == "delete" else ["audioData"]

    def step(index: int, item: object) -> dict[str, Any]:
        return run(
            replace(
                _of_json(parse.checked_object(item, allowed, required, "An item")),
                request_id=_item_id(index),
            )
        )

    return body["operation"], [({}, partial(step, i, item)) for i, item in enumerate(body["items"])]


def _batch_of_files() -> Work:
    request.max_form_parts = MAX_BATCH + 8
    values = parse.form(("threshold",), FILES)
    given = [(name, file) for name in FILES for file in request.files.getlist(name)]
    _check_count(len(given))

    def step(index: int, name: str, file: FileStorage) -> dict[str, Any]:
        return identify(Asked(values, [parse.kept(file, name)], _item_id(index)))

    return [
        ({"filename": file.filename or ""}, partial(step, i, name, file))
        for i, (name, file) in enumerate(given)
    ]


def _item_id(index: int) -> str:
    """The request id of an item of a batch, of 64 characters at most."""
    return f"{g.request_id[:61]}-{index}"


def _check_count(count: int) -> None:
    if not 1 <= count <= MAX_BATCH:
        raise InvalidRequestError(
            f"A batch holds 1 to {MAX_BATCH} items. Received: {count}",
            "Send the others in another batch.",
        )


def _done(step: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A result, or the product's own error, which does not end the batch."""
    try:
        return {"status": "success", "result": step()}
    except DuetError as error:
        return {"status": "error", "error": error.to_dict(HINTS)}


def _speaker_id(values: Values) -> str:
    given = {values[name] for name in ("speaker_id", "anonymousId") if name in values}
    if len(given) != 1:
        raise InvalidRequestError(
            "`speaker_id` (or `anonymousId`) is required. Received:"
            f" {'two of them' if given else 'none'}"
        )
    return str(given.pop())


def _threshold(value: object) -> float:
    try:
        found = float(value)  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        found = math.nan
    if not 0.0 <= found <= 1.0:
        raise InvalidRequestError(
            f"`threshold` must be a number from 0 to 1. Received: {str(value)[:40]!a}"
        )
    if found < OWN_THRESHOLD:
        admin_only(f"A threshold below {OWN_THRESHOLD}")
    return found


def _json_text(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidRequestError(f"`metadata` must be a JSON object. Received: {text[:40]!a}")
    return found


def _note_of(metadata: dict[str, Any] | None, person: Person | None) -> str | None:
    """The note that keeps `metadata`, added to what is kept already; None = nothing to
    keep. Raises InvalidNameError.
    """
    if not metadata:
        return None
    whole = (_metadata(person.note) if person else {}) | metadata
    return validate_note(json.dumps(whole, ensure_ascii=False), "`metadata` as JSON")
