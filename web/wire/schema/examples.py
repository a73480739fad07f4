"""An example of each error, as it is answered, for the description of the API.

Swagger 2 has one example for each status of a route, and several codes share a status.
So the examples of all codes stand in the description of the status, and under
`x-examples` by code. A test compares them with what the code raises.
"""

from __future__ import annotations

import json
import re
from itertools import chain
from typing import Any

from gallery.results import Role
from utils import errors
from utils.errors import DuetError
from web.wire import errors as http
from web.wire.errors import error_body
from web.wire.schema.base import REQUEST_ID

ANN = "ann@example.com"
_NO_FACE = {
    "code": "no_face",
    "text": "No face was found: look into the camera from about an arm's length.",
}
_NOTES = "text, named 'notes.txt'"
_INSTANCES: tuple[DuetError, ...] = (
    errors.InvalidRequestError("limit must be a whole number from 1 to 1000. Received: '0'"),
    errors.InvalidNameError(
        "A name is 1 to 200 characters on one line, some of them visible, without control"
        " characters or marks that change the direction of writing. Received: 'Ann\\nLee'"
    ),
    errors.KeyRequiredError("This service needs an API key.", details={"key": "missing"}),
    errors.PathForbiddenError(
        "`folder` must be a folder below the media root. Received: '../secrets'"
    ),
    errors.TableMalformedError("The table has no row below the names of its columns."),
    errors.TableEncodingError("The table must be text in utf-8. Byte 26 is none."),
    errors.TableColumnsError(
        "The columns must be person_id, name, note, consent, retention_days, file. Received:"
        " 'consnt'",
        details={"columns": ["consnt"]},
    ),
    errors.RowConflictError(
        "Rows 2 and 3 are of one person, and differ in more than their files.",
        details={"rows": [2, 3]},
    ),
    errors.FileSharedError("The file is named for two people. Received: 'two.mp4'"),
    errors.FileNotAwaitedError(
        "This file of the job is not waited for: it came before, or the job has ended."
        " Received: position 0"
    ),
    errors.ChallengeUnknownError(
        "The challenge must be one that was made here. Received: '1767225600-0'"
    ),
    errors.ChallengeExpiredError("The time of the challenge is over."),
    errors.ChallengeUsedError("A challenge is for one clip. It is used already."),
    errors.ChallengeForeignError("A challenge is for the key and the address that asked for it."),
    errors.BusyError("All 2 recognition slots were taken for 10 s."),
    errors.MediaMissingError("The request must bring a file, and its body is empty."),
    errors.MediaNotFoundError("There is no such folder below the media root. Received: 'monday'"),
    errors.MediaEmptyError("The file in `media` must not be empty. Received: 0 bytes"),
    errors.MediaTooLargeError("A picture may have 64 million pixels. Received: 20000 × 20000."),
    errors.MediaTypeError(
        "The content is not video, sound or a picture in a format that is read."
        f" Received: {_NOTES}."
    ),
    errors.MediaCorruptError(
        "The file begins like a picture, but cannot be decoded: it is damaged or cut off."
    ),
    errors.MediaUnreadableError(
        "The file cannot be decoded: its decoder died (SIGSEGV).", details={"signal": "SIGSEGV"}
    ),
    errors.MediaTooLongError("A clip may last 600 s. Received: 950 s or more."),
    errors.NoBiometricError(
        "The clip holds neither a usable face nor usable speech. No face was found. The clip has"
        " no sound.",
        details={"hints": [_NO_FACE]},
    ),
    errors.MixedPeopleError(
        "A clip must show one person. Another face is seen in 12 frames.",
        details={"modality": "face", "seconds": [2.4, 2.6]},
    ),
    errors.SeveralPeopleError(
        "One person must be in view. Received: 2 people or pictures of people"
    ),
    errors.PoorQualityError(
        "The voice must have a quality of 0.2 or more. Received: 0.11",
        details={"modality": "voice", "quality": 0.11},
    ),
    errors.NotLiveError(
        "The clip must pass the check mouth_motion. Speech is heard, and the mouth does not move."
    ),
    errors.UnlikePersonError(
        "A clip must be like what is stored of the person: by face with a probability of 0.75 or"
        f" more. Received: 0.004 for '{ANN}'",
        details={"person_id": ANN, "modality": "face", "probability": 0.004},
    ),
    errors.PersonNotFoundError(f"Nobody is enrolled under this person_id. Received: '{ANN}'"),
    errors.PersonExistsError(f"The person_id must be new. Received: '{ANN}'"),
    errors.NameTakenError(
        "Somebody has this name already. Received: 'Ann Lee'", details={"name": "Ann Lee"}
    ),
    errors.TemplateNotFoundError(
        "The person has no template of this id.", "List the person's templates first."
    ),
    errors.LastTemplateError("A person's only template cannot be moved."),
    errors.ThumbnailNotFoundError(f"No picture of this person is stored. Received: '{ANN}'"),
    errors.IdentificationNotFoundError(
        "No remembered answer of this request names the person. Received:"
        f" request_id='{REQUEST_ID}'"
    ),
    errors.DuplicatePersonError(
        "A person is enrolled under one person_id. Received: person_id='new@example.com', but by"
        f" face and voice the clip is '{ANN}' (Ann Lee), with a probability of 0.999",
        details={"person_id": ANN, "name": "Ann Lee", "probability": 0.999},
    ),
    errors.EncoderMismatchError(
        "A person's templates of one modality must be of one model. The face templates are of two."
    ),
    errors.StoreUnavailableError("PostgreSQL cannot be reached."),
    errors.JobNotFoundError("There is no job of this id. Received: '0a1b2c3d'"),
    errors.GroupNotFoundError("There is no group of this id. Received: 'staff'"),
    errors.GroupExistsError("The group_id must be new. Received: 'staff'"),
    errors.KeyNotFoundError("There is no key of this id. Received: '3f9a1c2e'"),
    errors.LastAdminKeyError(
        "A service with keys needs one of the role admin. No other is in use."
    ),
    errors.BackupOffError("No folder for backups is set."),
    errors.TranscriptNotFoundError("There is no transcript of this id. Received: '0a1b2c3d'"),
    errors.VisitNotFoundError("No visit of this id is kept. Received: '0a1b2c3d'"),
    errors.StrangerNotFoundError("No unknown visitor of this id is kept. Received: '0a1b2c3d'"),
    errors.StorageFullError("The disk of the database is full."),
    errors.ModelError(
        "The speech model base cannot be loaded: its model.bin or its settings are broken."
    ),
    errors.SpeechUnavailableError("Speech to text is not installed."),
    http.ContentTypeError("This route reads application/json. Received: 'text/plain'"),
    http.UploadBrokenError("The body ended before it was complete."),
    http.UploadTimeoutError("The body must arrive within 600 s and never stall for long."),
    http.HostForbiddenError(
        "A service without an API key answers under this machine's own names only. Received:"
        " Host='duet.example'"
    ),
    http.CrossOriginError(
        "The request comes from a page of another origin. Received: Sec-Fetch-Site='cross-site'"
    ),
    http.RoleForbiddenError(
        "This needs a key for the role admin. The key has the role kiosk.",
        "The operator makes one with `cli.py keys create --role admin`.",
        {"role": str(Role.KIOSK), "needed": [str(Role.ADMIN)]},
    ),
    http.RateLimitedError(
        "The rate limit is reached. A key, or an address without one, may send 24 clips in 1"
        " minute, or ten times as many other requests.",
        retry_after_s=12,
    ),
)
EXAMPLES: dict[str, DuetError] = {error.code: error for error in _INSTANCES}
"""An error of each code that a route may answer with."""

_CODES = re.compile(r"`(\w+)`(?=: )")


def example_of(code: str) -> dict[str, Any]:
    """Make the body of an answer with this error."""
    return error_body(EXAMPLES[code], REQUEST_ID)


def add_examples(document: dict[str, Any]) -> dict[str, Any]:
    """Add to each error answer of an OpenAPI document the example of each of its codes."""
    for path in document.get("paths", {}).values():
        operations = [value for name, value in path.items() if name != "parameters"]
        for status, answer in chain(*(one["responses"].items() for one in operations)):
            if int(status) >= 400:
                _add_to(answer)
    return document


def _add_to(answer: dict[str, Any]) -> None:
    codes = _CODES.findall(answer["description"])
    bodies = {code: example_of(code) for code in codes if code in EXAMPLES}
    blocks = [
        f"```json\n{json.dumps(body, ensure_ascii=False, indent=1)}\n```"
        for body in bodies.values()
    ]
    answer["description"] = "\n\n".join([answer["description"], *blocks])
    answer["examples"] = {"application/json": next(iter(bodies.values()), {})}
    answer["x-examples"] = bodies
