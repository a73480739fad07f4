"""POST /v1/identify (who is it?) and POST /v1/verify (is it this person?)."""

from __future__ import annotations

from typing import Any

from flask import g
from flask_restx import Namespace, Resource

from recognition import as_json
from recognition.requests import IdentificationRequest, VerificationRequest
from utils import errors
from utils.errors import InvalidRequestError
from web.api.challenges import CHALLENGE_ERRORS, CHALLENGE_HELP, take_clip
from web.guard import rejections
from web.guard.auth import staff_only
from web.guard.figures import hide_figures
from web.metrics import metrics
from web.state import recognizer, store
from web.wire import parse
from web.wire.compared_media import show_compared
from web.wire.errors import ContentTypeError, UploadBrokenError, UploadTimeoutError
from web.wire.hanging_up import unless_gone
from web.wire.schema.base import add_file, add_flag, document_errors
from web.wire.schema.recognition import (
    IDENTIFICATION,
    VERIFICATION,
)

ns = Namespace(
    "identify",
    "Who is in a clip, by face and voice together, by face alone and by voice alone",
    path="/v1",
)

UPLOAD_ERRORS = (
    errors.KeyRequiredError,
    errors.InvalidRequestError,
    errors.MediaMissingError,
    UploadBrokenError,
    UploadTimeoutError,
    errors.MediaTooLargeError,
    ContentTypeError,
    errors.MediaTypeError,
    errors.MediaEmptyError,
    errors.MediaCorruptError,
    errors.MediaUnreadableError,
    errors.MediaTooLongError,
    errors.NoBiometricError,
    errors.EncoderMismatchError,
    errors.BusyError,
    errors.StoreUnavailableError,
    errors.StorageFullError,
)
MEDIA_HELP = (
    "the clip: mp4, mov, webm, mpg, avi, mkv; wav, flac, mp3, ogg, m4a, amr, aiff (voice only);"
    " jpg, png, webp, heic, avif (face only)"
)

identify_form = ns.parser()
add_file(identify_form, "media", MEDIA_HELP, required=True)

add_flag(identify_form, "all_faces", "true: `others` tells who everybody else in view is, by face")

identify_form.add_argument(
    "group",
    location="form",
    help="search the people of this group alone: everybody else is a stranger to it. Without it,"
    " everybody is searched",
)
identify_form.add_argument("challenge", location="form", help=CHALLENGE_HELP)

verify_form = ns.parser()
add_file(verify_form, "media", MEDIA_HELP, required=True)
verify_form.add_argument(
    "person_id",
    location="form",
    help="compare with this person of the gallery, or send `reference`",
)
add_file(verify_form, "reference", "compare with this clip, or send `person_id`")
add_flag(
    verify_form,
    "show",
    "true: the answer shows the faces that were compared, and when there was speech",
)
verify_form.add_argument("challenge", location="form", help=CHALLENGE_HELP)


@ns.route("/identify")
class Identify(Resource):
    """Who is in this clip?"""

    @ns.doc(id="identify")
    @ns.expect(identify_form)
    @ns.response(200, "three answers, each with what it rests on", IDENTIFICATION)
    @document_errors(ns, errors.GroupNotFoundError, *UPLOAD_ERRORS, *CHALLENGE_ERRORS)
    def post(self) -> dict[str, Any]:
        """Say who is in a clip. A stranger is `unknown`, never the nearest name.

        Nothing of the clip is stored. For some days it is remembered whom the answer
        named, for feedback under its `request_id`.
        """
        parse.check_query()
        fields = parse.form(("all_faces", "group", "challenge"), ("media",))
        all_faces = parse.boolean(fields.get("all_faces", False), "all_faces")
        media = parse.upload("media")
        group = fields.get("group") or None
        with rejections.limit(), unless_gone():
            if group is not None:
                store().get_group(group)  # before the challenge is used up
            clip = take_clip(media, fields.get("challenge", ""))
            answer = recognizer().identify(
                IdentificationRequest(
                    clip,
                    request_id=g.request_id,
                    all_faces=all_faces,
                    group=group,
                    admit=rejections.count,
                )
            )
        body = as_json.identification(answer, g.request_id)
        metrics().count_answer(body)
        return hide_figures(body)


@ns.route("/verify")
class Verify(Resource):
    """Is it the same person?"""

    @ns.doc(id="verify", params={"person_id": {"example": "ann@example.com"}})
    @ns.expect(verify_form)
    @ns.response(200, "three verdicts with score and threshold", VERIFICATION)
    @document_errors(
        ns,
        errors.PersonNotFoundError,
        errors.InvalidNameError,
        *UPLOAD_ERRORS,
        *CHALLENGE_ERRORS,
    )
    def post(self) -> dict[str, Any]:
        """Compare a clip with one person or with another clip.

        Send `person_id` for a person of the gallery, or `reference` for a clip. Nothing
        is stored.
        """
        parse.check_query()
        fields = parse.form(("person_id", "show", "challenge"), ("media", "reference"))
        show = parse.boolean(fields.get("show", False), "show")
        media = parse.upload("media")
        reference = parse.optional_upload("reference")
        # Swagger UI sends an empty text for what was left out
        person_id = fields.get("person_id") or None
        if (person_id is None) == (reference is None):
            raise InvalidRequestError(
                "Send either `person_id` or `reference`. Received:"
                f" {'neither' if reference is None else 'both'}"
            )
        if person_id is not None:
            staff_only("To compare with a person of the gallery")
        with rejections.limit(), unless_gone():
            if person_id is not None:
                store().get_person(person_id)  # before the challenge is used up
            clip = take_clip(media, fields.get("challenge", ""))
            answer = recognizer().verify(
                VerificationRequest(
                    clip, reference.clip if reference else str(person_id), rejections.count
                )
            )
        body = hide_figures(as_json.verification(answer, g.request_id))
        if show:
            body["compared"] = show_compared(answer)
        return body
