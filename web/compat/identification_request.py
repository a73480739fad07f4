"""POST /Identification_Request: identify, and register on first sight.

The clip is a file below the media root (`path_dir` and `name`), or comes with the
request. Whoever is seen for the first time under the person part of `name` is
registered; a person who is known under another id, and a clip that is not of one person,
are reported, and stored with `force` alone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import g, request
from flask_restx import Namespace, Resource

from gallery.names import display_name, parse_clip_name, read_clip_person
from recognition.results import Decision, Outcome
from utils.errors import (
    InvalidNameError,
    InvalidRequestError,
    MediaNotFoundError,
    PathForbiddenError,
)
from utils.modality import SINGLE, Modality, PerModality
from web.api.challenges import CHALLENGE_ERRORS, CHALLENGE_HELP, take_clip
from web.api.identify import MEDIA_HELP, UPLOAD_ERRORS
from web.compat.first_sight import FirstSight, FirstSightRequest, identify_on_sight
from web.compat.identification_schema import IDENTIFICATION_ANSWER
from web.guard import rejections
from web.guard.auth import staff_only
from web.state import recognizer, settings
from web.wire import parse
from web.wire.schema.base import add_file, document_errors

ns = Namespace("compatible", "For clients of POST /Identification_Request", path="/")

FILE_FIELDS = ("media", "file")
FIELDS: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "path_dir": str,
    "ip_address": str,
    "challenge": str,
    "re_register": (bool, str),
    "force": (bool, str),
}
LINES = {
    "100001": (Modality.FUSED, "Multi-modal Speaker Recognition - Speaker ID : "),
    "100002": (Modality.FACE, "Image Based Speaker Recognition - Speaker ID : "),
    "100003": (Modality.VOICE, "Voice Based Speaker Recognition - Speaker ID: "),
}
NOTHING = {
    Modality.FUSED: "None (neither face nor speech)",
    Modality.FACE: "None (no face)",
    Modality.VOICE: "None (no speech)",
}
MAX_NAME_BYTES = 255

request_form = ns.parser()
add_file(request_form, "media", MEDIA_HELP + "; or send `path_dir`")
request_form.add_argument(
    "name",
    location="form",
    help="name of the clip: person, hyphen, number, like `ann@example.com-1.mp4`",
)
request_form.add_argument(
    "path_dir",
    location="form",
    help="folder of the clip below the media root; missing = the media root itself",
)
request_form.add_argument(
    "ip_address",
    location="form",
    help="address of the terminal, as it states it: noted in the audit, and never trusted",
)
request_form.add_argument("challenge", location="form", help=CHALLENGE_HELP)
request_form.add_argument(
    "re_register",
    location="form",
    choices=("True", "False"),
    default="False",
    help="True replaces what is stored of this person",
)
request_form.add_argument(
    "force",
    location="form",
    choices=("True", "False"),
    default="False",
    help="True stores the clip even if it looks like somebody who is known under another id, or is"
    " not of one person",
)


@ns.route("/Identification_Request")
class IdentificationRequest(Resource):
    """Identify, and register on first sight."""

    @ns.doc(
        id="identification_request",
        params={
            "name": {"example": "ann@example.com-1.mp4"},
            "path_dir": {"example": "lobby"},
            "ip_address": {"example": "192.168.1.20"},
        },
    )
    @ns.expect(request_form)
    @ns.response(
        200,
        "the three answers; `Unknown` for a stranger, `None (no speech)` or `None (no face)` for"
        " what the clip lacks",
        IDENTIFICATION_ANSWER,
    )
    @document_errors(
        ns,
        PathForbiddenError,
        MediaNotFoundError,
        InvalidNameError,
        *UPLOAD_ERRORS,
        *CHALLENGE_ERRORS,
    )
    def post(self) -> dict[str, str]:
        """Identify a clip, and register the person on first sight.

        Multipart and urlencoded forms and JSON all work, with the same fields; for
        example `{"name": "ann@example.com-1.mp4", "path_dir": "lobby", "re_register":
        "False"}` reads the clip from the folder `lobby` below the media root. A
        multipart form may bring the clip itself in `media` (or `file`): then `path_dir`
        is not used, and a missing `name` is taken from the file's.
        """
        parse.check_query()
        fields, upload = _read_body()
        with rejections.limit():
            request = replace(_read_request(fields, upload), admit=rejections.count)
            sight = identify_on_sight(recognizer(), request)
        return show_answer(sight)


def _read_request(fields: dict[str, Any], upload: parse.Upload | None) -> FirstSightRequest:
    """Read the fields, and find the clip.

    Raises InvalidRequestError, InvalidNameError, RoleForbiddenError, PathForbiddenError,
    MediaNotFoundError.
    """
    name = fields.get("name") or (upload.filename if upload else "")
    if not name:
        raise InvalidRequestError("`name` is required, like ann@example.com-1.mp4.")
    check_clip_name(name)
    person_id = parse_clip_name(name)
    re_register = parse.boolean(fields.get("re_register", False), "re_register")
    force = parse.boolean(fields.get("force", False), "force")
    if re_register or force:
        staff_only("To replace what is stored of a person, or to force")
    if upload:
        path = upload.path
    else:
        path = find_clip(settings().storage.media_folder, fields.get("path_dir", ""), name)
    clip = take_clip(parse.Upload(path, name), fields.get("challenge", ""))
    return FirstSightRequest(
        person_id=person_id,
        name=display_name(person_id, read_clip_person(name)),
        clip=clip,
        re_register=re_register,
        force=force,
        request_id=g.request_id,
        detail=_note_address(fields),
    )


def _note_address(fields: dict[str, Any]) -> dict[str, str]:
    """Note what the terminal says its address is. Nothing else goes by it.

    The audit takes no text of a client, so that a name cannot get into it.
    """
    text = fields.get("ip_address", "").strip()
    if not text:
        return {}
    try:
        return {"stated_address": str(ipaddress.ip_address(text))}
    except ValueError:
        return {"stated_address": "not an IP address"}


def _read_body() -> tuple[dict[str, Any], parse.Upload | None]:
    if request.mimetype == parse.MULTIPART:
        fields = parse.form(tuple(FIELDS), FILE_FIELDS)
        sent = [upload for upload in map(parse.optional_upload, FILE_FIELDS) if upload]
        if len(sent) > 1:
            raise InvalidRequestError("Send one file, in `media` or in `file`, not in both.")
        return dict(fields), (sent[0] if sent else None)
    if request.mimetype == parse.URLENCODED:
        return dict(parse.text_fields(tuple(FIELDS))), None
    return parse.json_object(FIELDS), None


def check_clip_name(name: str) -> None:
    """Refuse a name that is not one plain file name. Raises InvalidNameError."""
    if (
        "/" in name
        or "\\" in name
        or not name.isprintable()
        or len(name.encode(errors="replace")) > MAX_NAME_BYTES
    ):
        raise InvalidNameError(
            f"`name` must be a file name of at most {MAX_NAME_BYTES} bytes, without folders and"
            f" control characters. Received: {name[:40]!r}",
            "The folder goes into `path_dir`.",
        )


def find_clip(root: Path, path_dir: str, name: str) -> Path:
    """Find the file `name` in the folder `path_dir` below `root`.

    All symbolic links are followed. Raises PathForbiddenError, MediaNotFoundError.
    """
    try:
        root = root.resolve()
        path = (root / path_dir / name).resolve()
        inside = path.is_relative_to(root)
        exists = path.is_file()
    except (OSError, ValueError, RuntimeError):  # a NUL, a name too long, links in a circle
        inside = False
        exists = False
    if not inside:
        raise PathForbiddenError(
            f"`path_dir` must be a folder below the media root. Received: {path_dir[:80]!r}"
        )
    if not exists:
        raise MediaNotFoundError(
            f"There is no such clip below the media root. Received: path_dir={path_dir[:80]!r}, "
            f"name={name[:80]!r}",
            "Check both, or upload the clip in the field `media`.",
        )
    return path


def show_answer(result: FirstSight) -> dict[str, str]:
    """Show the three lines, and a notice where something is to be said."""
    decisions = result.identification.decisions
    lines = {
        key: text + _speaker(decisions[modality], modality)
        for key, (modality, text) in LINES.items()
    }
    notice = " ".join(_notices(result))
    return {**lines, "notice": notice} if notice else lines


def _notices(result: FirstSight) -> Iterator[str]:
    identification = result.identification
    if _needs_reason(identification.decisions):
        yield f"{identification.decisions.fused.reason}."
    if (silent := identification.unconfirmed_by) is not None:
        by = identification.decisions.fused.modality
        yield f"Recognised by {by} alone: the {silent} does not confirm it."
    if identification.duplicates:
        entries = ", ".join(identification.duplicates)
        yield f"Several entries look like one person: {entries}. Merge them."
    if result.duplicate is not None:
        done = "Registered" if result.registered else "Not registered"
        yield (
            f"{done} as {result.person_id}: this is {result.duplicate.person_id}, who is registered"
            f" already (probability {result.duplicate.probability:.3f})."
        )
        if not result.registered:
            yield "If these are two people, send it again with force=true."
    elif result.refusal is not None:
        yield f"Not registered as {result.person_id}: {result.refusal.message.rstrip('.')}."
        yield "To register the clip all the same, send it again with force=true."
    elif result.registered:
        yield f"Registered: {result.person_id}."


def _needs_reason(decisions: PerModality[Decision]) -> bool:
    """Whether the lines alone do not tell why nobody is named by both."""
    if decisions.fused.outcome is Outcome.UNKNOWN:
        return any(decisions[modality].match is not None for modality in SINGLE)
    return decisions.fused.outcome in (Outcome.CONFLICT, Outcome.REJECTED)


def _speaker(decision: Decision, modality: Modality) -> str:
    if decision.outcome is Outcome.NO_PROBE:
        return NOTHING[modality]
    return decision.match.person_id if decision.match else "Unknown"
