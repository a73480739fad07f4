"""POST /v1/challenges: digits that the next clip must say."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_restx import Namespace, Resource

from liveness.challenge import Challenge, draw_digits
from liveness.spoken_digits import LANGUAGES
from recognition import as_json
from recognition.requests import ClipFile
from utils import errors
from utils.errors import InvalidRequestError, SpeechUnavailableError
from utils.file_hash import hash_file
from web.guard.limits import asker
from web.state import challenges, scribe, settings
from web.wire import parse
from web.wire.errors import ContentTypeError
from web.wire.parse import Upload
from web.wire.schema.base import document_errors
from web.wire.schema.challenges import CHALLENGE, NEW_CHALLENGE

ns = Namespace(
    "challenges", "Digits to say, so that an old recording is refused", path="/v1/challenges"
)
ERRORS = (
    errors.KeyRequiredError,
    errors.InvalidRequestError,
    ContentTypeError,
    errors.SpeechUnavailableError,
    errors.StoreUnavailableError,
    errors.StorageFullError,
)
CHALLENGE_ERRORS = (
    errors.ChallengeUnknownError,
    errors.ChallengeExpiredError,
    errors.ChallengeUsedError,
    errors.ChallengeForeignError,
    errors.SpeechUnavailableError,
    errors.ModelError,
)
CHALLENGE_HELP = (
    "id of POST /v1/challenges whose digits the clip says, in its time and from the same address."
    " Without it, the clip answers no challenge"
)


@ns.route("")
class Challenges(Resource):
    """Digits to be said."""

    @ns.doc(id="make_challenge")
    @ns.expect(NEW_CHALLENGE)
    @ns.response(201, "the digits", CHALLENGE)
    @document_errors(ns, *ERRORS)
    def post(self) -> tuple[dict[str, Any], int]:
        """Make a challenge: six digits, for one clip of this key and address.

        Record a clip in which the person says them, and send it in time with the id in the
        field `challenge`.
        """
        parse.check_query()
        body = {}
        if request.content_length or request.content_type:
            body = parse.json_object({"language": str})
        language = parse.choice(body.get("language", "en"), "language", LANGUAGES)
        _check_on()
        seconds = settings().liveness.challenge_s
        issued = challenges().issue(draw_digits(), language, asker=asker(), seconds=seconds)
        return {
            "challenge_id": issued.challenge_id,
            "digits": issued.digits,
            "language": issued.language,
            "expires_at": as_json.instant(issued.expires_at),
            "expires_s": int(seconds),
        }, 201


def take_clip(upload: Upload, challenge_id: str) -> ClipFile:
    """Make the clip of an upload that may carry a challenge, which is used up.

    Raises ChallengeError, InvalidRequestError, SpeechUnavailableError.
    """
    if not challenge_id:
        return upload.clip
    _check_on()
    issued = challenges().redeem(challenge_id, hash_file(upload.path), asker=asker())
    challenge = Challenge(issued.digits, issued.language, scribe().listen)
    return ClipFile(upload.path, upload.filename, challenge)


def _check_on() -> None:
    if settings().liveness.liveness_challenge == "off":
        raise InvalidRequestError(
            "Challenges are off.", "The operator turns them on with DUET_LIVENESS_CHALLENGE=report."
        )
    if not scribe().is_available:
        raise SpeechUnavailableError(
            "What is said cannot be read: speech to text is not installed."
        )
