"""Every error that the product raises on purpose.

DuetError
├── RequestError
│   ├── InvalidRequestError        400 invalid_request       a field is missing, unknown or malformed
│   ├── InvalidNameError           422 invalid_name          a person id or name that cannot be stored
│   ├── KeyRequiredError           401 key_required          no API key, or a wrong one
│   ├── PathForbiddenError         403 path_forbidden        a path outside the media root
│   └── BusyError                  503 busy                  all recognition slots are taken for too long
├── MediaError
│   ├── MediaMissingError          400 media_missing         no file in the request
│   ├── MediaNotFoundError         404 media_not_found       no such file below the media root
│   ├── MediaEmptyError            422 media_empty           a file of no bytes
│   ├── MediaTooLargeError         413 media_too_large       more bytes than allowed
│   ├── MediaTypeError             415 media_type            neither a video, sound nor picture format that is read
│   ├── MediaCorruptError          422 media_corrupt         the right type, but it cannot be decoded
│   ├── MediaTooLongError          422 media_too_long        longer than allowed
│   └── NoBiometricError           422 no_biometric          neither a usable face nor usable speech
├── GalleryError
│   ├── PersonNotFoundError        404 person_not_found
│   ├── PersonExistsError          409 person_exists
│   ├── TemplateNotFoundError      404 template_not_found
│   ├── LastTemplateError          409 last_template         the last template of a person cannot be split off
│   ├── ThumbnailNotFoundError     404 thumbnail_not_found   no picture of this person is kept
│   ├── IdentificationNotFoundError 404 identification_not_found  no such answer is remembered, or it named somebody else
│   ├── DuplicatePersonError       409 duplicate_person      the same face or voice is enrolled under another id
│   ├── EncoderMismatchError       409 encoder_mismatch      vectors of two encoders would be compared
│   ├── StoreUnavailableError      503 store_unavailable     the database does not answer
│   ├── JobNotFoundError           404 job_not_found
│   ├── StorageFullError           503 storage_full          no room to write
│   └── BrokerUnavailableError     503 broker_unavailable    the broker of the jobs does not answer
├── ModelError                     503 model_unavailable     weights or card missing or not what the card says
├── DatasetError                   422 dataset               training or evaluation data that cannot be read
├── OutputError                    409 output_refused        a file to write is there already, or cannot be written
├── CheckpointError                422 checkpoint            a training checkpoint that cannot be continued from
└── ConfigError                    500 config                a setting that cannot be used (raised at start)

`message` states the rule and what was received, `hint` what to do about it. Neither ever holds a server path, a secret or a vector.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
"""Numbers of operating system errors that mean a full disk or quota."""


class DuetError(Exception):
    """Base of all. Class attributes `code` (stable) and `status` (HTTP) are what the
    edges answer with.
    """

    code = "internal"
    status = 500
    default_hint = ""
    retry_after_s: int | None = None

    def __init__(
        self, message: str, hint: str | None = None, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint
        self.details = dict(details or {})

    def to_dict(self) -> dict[str, str]:
        """Code, message and hint, as answers and results of jobs have them."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class RequestError(DuetError):
    """The request itself cannot be served."""

    code = "invalid_request"
    status = 400


class InvalidRequestError(RequestError):
    """A field is missing, unknown or malformed."""


class InvalidNameError(RequestError):
    """A person id or name that cannot be stored."""

    code = "invalid_name"
    status = 422


class KeyRequiredError(RequestError):
    """No API key, or one that is not known."""

    code = "key_required"
    status = 401
    default_hint = "Send the key in the header X-API-Key."


class PathForbiddenError(RequestError):
    """A path that leads outside the media root."""

    code = "path_forbidden"
    status = 403
    default_hint = "Put the file below the media root (setting DUET_MEDIA_ROOT), or upload it."


class BusyError(RequestError):
    """All recognition slots are taken."""

    code = "busy"
    status = 503
    default_hint = "Ask again in a few seconds."
    retry_after_s = 5


class MediaError(DuetError):
    """The media file cannot be used."""

    code = "media_corrupt"
    status = 422


class MediaMissingError(MediaError):
    """No file came with the request."""

    code = "media_missing"
    status = 400
    default_hint = "Send the clip as multipart/form-data in the field `media`."


class MediaNotFoundError(MediaError):
    """No such file below the media root."""

    code = "media_not_found"
    status = 404


class MediaEmptyError(MediaError):
    """A file without a byte in it."""

    code = "media_empty"
    status = 422
    default_hint = "The upload or the recording failed: record again."


class MediaTooLargeError(MediaError):
    """More bytes than the service accepts."""

    code = "media_too_large"
    status = 413
    default_hint = "Send a shorter clip (a few seconds are enough), or raise DUET_MAX_UPLOAD_MB."


class MediaTypeError(MediaError):
    """Not a format that is read."""

    code = "media_type"
    status = 415
    default_hint = (
        "Send mp4, mov, webm, mpg, avi or mkv; wav, flac, mp3, ogg or m4a for voice only; jpg, png"
        " or webp for face only."
    )


class MediaCorruptError(MediaError):
    """The right type, but broken."""

    default_hint = "The file is damaged or cut off: record or upload it again."


class MediaTooLongError(MediaError):
    """Longer than the service accepts."""

    code = "media_too_long"
    status = 422
    default_hint = "Send a clip of a few seconds, or raise DUET_MAX_CLIP_S."


class NoBiometricError(MediaError):
    """Neither a usable face nor usable speech; `details["hints"]` says why."""

    code = "no_biometric"
    status = 422


class GalleryError(DuetError):
    """The gallery refuses."""

    code = "gallery"
    status = 409


class PersonNotFoundError(GalleryError):
    """Nobody of this id."""

    code = "person_not_found"
    status = 404
    default_hint = "List the people with GET /v1/people."


class PersonExistsError(GalleryError):
    """The id is taken."""

    code = "person_exists"
    status = 409
    default_hint = "Choose another person_id, or enrol a clip for the person who is there."


class TemplateNotFoundError(GalleryError):
    """Nothing of this template id."""

    code = "template_not_found"
    status = 404


class LastTemplateError(GalleryError):
    """The last template of a person cannot be split off: nothing would be left of them."""

    code = "last_template"
    status = 409
    default_hint = "Merge the whole person into the other one, or rename or delete the person."


class ThumbnailNotFoundError(GalleryError):
    """No picture of this person is kept."""

    code = "thumbnail_not_found"
    status = 404
    default_hint = (
        "Pictures are kept of clips that are enrolled with the setting DUET_KEEP_MEDIA=1."
    )


class IdentificationNotFoundError(GalleryError):
    """No such answer is remembered, or it named somebody else."""

    code = "identification_not_found"
    status = 404
    default_hint = (
        "Send the request_id of an answer of the last days, and the person_id of a match in it."
    )


class JobNotFoundError(GalleryError):
    """Nothing of this job id."""

    code = "job_not_found"
    status = 404
    default_hint = "GET /v1/jobs lists the jobs that are kept."


class DuplicatePersonError(GalleryError):
    """The same face or voice is enrolled under another id; `details` names it."""

    code = "duplicate_person"
    status = 409
    default_hint = (
        "If these are really two people, enrol with force (force=true; --force on the command"
        " line)."
    )


class EncoderMismatchError(GalleryError):
    """Vectors of two encoders would be mixed."""

    code = "encoder_mismatch"
    status = 409
    default_hint = "The models changed since these people were enrolled: enrol them again."


class StoreUnavailableError(GalleryError):
    """The database does not answer."""

    code = "store_unavailable"
    status = 503
    default_hint = "Nothing was stored. Ask again in a few seconds."
    retry_after_s = 5


class StorageFullError(GalleryError):
    """No room to write."""

    code = "storage_full"
    status = 503
    default_hint = "Nothing was stored. Free some disk space on the server."
    retry_after_s = 60


class BrokerUnavailableError(GalleryError):
    """The broker that wakes the workers of batch jobs does not answer."""

    code = "broker_unavailable"
    status = 503


class ModelError(DuetError):
    """Weights or card are missing, or are not what the card says."""

    code = "model_unavailable"
    status = 503


class ConfigError(DuetError):
    """A setting that cannot be used."""

    code = "config"
    status = 500


class DatasetError(DuetError):
    """Training or evaluation data that cannot be read or used."""

    code = "dataset"
    status = 422


class OutputError(DuetError):
    """A file that would be written is there already, or cannot be written."""

    code = "output_refused"
    status = 409


class CheckpointError(DuetError):
    """A training checkpoint that cannot be continued from."""

    code = "checkpoint"
    status = 422
