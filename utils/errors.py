"""Every error that the product raises on purpose.

DuetError
├── RequestError
│   ├── InvalidRequestError: invalid_request
│   ├── InvalidNameError: invalid_name
│   ├── KeyRequiredError: key_required
│   ├── PathForbiddenError: path_forbidden
│   ├── BusyError: busy
│   └── ChallengeError
│       ├── ChallengeUnknownError: challenge_unknown
│       ├── ChallengeExpiredError: challenge_expired
│       ├── ChallengeUsedError: challenge_used
│       └── ChallengeForeignError: challenge_foreign
├── MediaError
│   ├── MediaMissingError: media_missing
│   ├── MediaNotFoundError: media_not_found
│   ├── MediaEmptyError: media_empty
│   ├── MediaTooLargeError: media_too_large
│   ├── MediaTypeError: media_type
│   ├── MediaCorruptError: media_corrupt
│   ├── MediaUnreadableError: media_unreadable
│   ├── MediaTooLongError: media_too_long
│   ├── NoBiometricError: no_biometric
│   └── ClipRefusedError: only `force` enrols the clip
│       ├── MixedPeopleError: mixed_people
│       ├── SeveralPeopleError: several_people
│       ├── PoorQualityError: poor_quality
│       ├── UnlikePersonError: unlike_person
│       └── NotLiveError: not_live
├── GalleryError
│   ├── PersonNotFoundError: person_not_found
│   ├── PersonExistsError: person_exists
│   ├── NameTakenError: name_taken
│   ├── TemplateNotFoundError: template_not_found
│   ├── LastTemplateError: last_template
│   ├── ThumbnailNotFoundError: thumbnail_not_found
│   ├── IdentificationNotFoundError: identification_not_found
│   ├── DuplicatePersonError: duplicate_person
│   ├── EncoderMismatchError: encoder_mismatch
│   ├── StoreUnavailableError: store_unavailable
│   ├── JobNotFoundError: job_not_found
│   ├── GroupNotFoundError: group_not_found
│   ├── GroupExistsError: group_exists
│   ├── KeyNotFoundError: key_not_found
│   ├── LastAdminKeyError: last_admin_key
│   ├── TranscriptNotFoundError: transcript_not_found
│   ├── VisitNotFoundError: visit_not_found
│   ├── StrangerNotFoundError: stranger_not_found
│   ├── StorageFullError: storage_full
│   ├── BackupUnusableError: backup_unusable
│   ├── BackupOffError: backup_off
│   └── BrokerUnavailableError: broker_unavailable
├── TableError, FileNotAwaitedError: utils/table_errors.py
├── ModelError: model_unavailable
├── SpeechUnavailableError: speech_unavailable
├── DatasetError: dataset
├── OutputError: output_refused
├── CheckpointError: checkpoint
└── ConfigError: config

An error knows nothing of HTTP or of the command line. Each front has its own table of
hints by code: `web/wire/hints.py`, `commands/hints.py`, and the texts of the pages.
"""

from __future__ import annotations

from utils.error_base import NO_ROOM as NO_ROOM
from utils.error_base import DuetError as DuetError
from utils.error_base import fill_hint as fill_hint
from utils.error_base import say_body as say_body
from utils.table_errors import FileNotAwaitedError as FileNotAwaitedError
from utils.table_errors import FileSharedError as FileSharedError
from utils.table_errors import RowConflictError as RowConflictError
from utils.table_errors import TableColumnsError as TableColumnsError
from utils.table_errors import TableEncodingError as TableEncodingError
from utils.table_errors import TableMalformedError as TableMalformedError
from utils.tool_errors import CheckpointError as CheckpointError
from utils.tool_errors import DatasetError as DatasetError
from utils.tool_errors import OutputError as OutputError


class RequestError(DuetError):
    """The request itself cannot be served."""

    code = "invalid_request"


class InvalidRequestError(RequestError):
    """A field is missing, unknown or malformed."""


class InvalidNameError(RequestError):
    """A person id or name that cannot be stored."""

    code = "invalid_name"


class KeyRequiredError(RequestError):
    """No API key, or one that is not known."""

    code = "key_required"


class PathForbiddenError(RequestError):
    """A path that leads outside the media root."""

    code = "path_forbidden"


class BusyError(RequestError):
    """All recognition slots are taken."""

    code = "busy"


class ChallengeError(RequestError):
    """A clip brings a challenge that it cannot answer."""


class ChallengeUnknownError(ChallengeError):
    """Nothing of this id was asked."""

    code = "challenge_unknown"


class ChallengeExpiredError(ChallengeError):
    """The clip came too late."""

    code = "challenge_expired"


class ChallengeUsedError(ChallengeError):
    """Another clip came before."""

    code = "challenge_used"


class ChallengeForeignError(ChallengeError):
    """Somebody else was asked."""

    code = "challenge_foreign"


class MediaError(DuetError):
    """The media file cannot be used."""

    code = "media_corrupt"


class MediaMissingError(MediaError):
    """No file came with the request."""

    code = "media_missing"


class MediaNotFoundError(MediaError):
    """No such file below the media root."""

    code = "media_not_found"


class MediaEmptyError(MediaError):
    """A file without a byte in it."""

    code = "media_empty"


class MediaTooLargeError(MediaError):
    """More bytes than the service accepts."""

    code = "media_too_large"


class MediaTypeError(MediaError):
    """Not a format that is read."""

    code = "media_type"


class MediaCorruptError(MediaError):
    """The right type, but broken."""


class MediaUnreadableError(MediaError):
    """The decoder died of it, hung, or wanted too much memory or time."""

    code = "media_unreadable"


class MediaTooLongError(MediaError):
    """Longer than the service accepts."""

    code = "media_too_long"


class NoBiometricError(MediaError):
    """Neither a usable face nor usable speech, see `details["hints"]`."""

    code = "no_biometric"


class ClipRefusedError(MediaError):
    """The clip is not enrolled unless it is forced: `details` says what was seen."""


class MixedPeopleError(ClipRefusedError):
    """The faces, the parts of the speech, face and voice, or the clips are of two people."""

    code = "mixed_people"


class SeveralPeopleError(ClipRefusedError):
    """Several people are in view, and nothing says whose clip it is."""

    code = "several_people"


class PoorQualityError(ClipRefusedError):
    """The face or the speech is too poor to know the person by."""

    code = "poor_quality"


class UnlikePersonError(ClipRefusedError):
    """The face is not plainly that of the person it is enrolled for, or the voice is another's."""

    code = "unlike_person"


class NotLiveError(ClipRefusedError):
    """A check for liveness does not let the clip be enrolled."""

    code = "not_live"


class GalleryError(DuetError):
    """The gallery refuses."""

    code = "gallery"


class PersonNotFoundError(GalleryError):
    """Nobody of this id."""

    code = "person_not_found"


class PersonExistsError(GalleryError):
    """The id is taken."""

    code = "person_exists"


class NameTakenError(GalleryError):
    """Somebody else has this name, and a name that is new was asked for."""

    code = "name_taken"


class TemplateNotFoundError(GalleryError):
    """Nothing of this template id."""

    code = "template_not_found"


class LastTemplateError(GalleryError):
    """The last template of a person cannot be split off: nothing would be left of them."""

    code = "last_template"


class ThumbnailNotFoundError(GalleryError):
    """No picture of this person is kept."""

    code = "thumbnail_not_found"


class IdentificationNotFoundError(GalleryError):
    """No such answer is remembered, or it named somebody else."""

    code = "identification_not_found"


class JobNotFoundError(GalleryError):
    """Nothing of this job id."""

    code = "job_not_found"


class GroupNotFoundError(GalleryError):
    """No group of this id."""

    code = "group_not_found"


class GroupExistsError(GalleryError):
    """The id of the group is taken."""

    code = "group_exists"


class KeyNotFoundError(GalleryError):
    """No API key of this id."""

    code = "key_not_found"


class LastAdminKeyError(GalleryError):
    """Nobody could administer the service any more."""

    code = "last_admin_key"


class TranscriptNotFoundError(GalleryError):
    """No transcript of this id is kept."""

    code = "transcript_not_found"


class VisitNotFoundError(GalleryError):
    """No visit of this id is kept."""

    code = "visit_not_found"


class StrangerNotFoundError(GalleryError):
    """No unknown visitor of this id is kept."""

    code = "stranger_not_found"


class DuplicatePersonError(GalleryError):
    """The same face or voice is enrolled under another id, which `details` names."""

    code = "duplicate_person"


class EncoderMismatchError(GalleryError):
    """Vectors of two encoders would be mixed."""

    code = "encoder_mismatch"


class StoreUnavailableError(GalleryError):
    """The database does not answer."""

    code = "store_unavailable"


class StorageFullError(GalleryError):
    """No room to write."""

    code = "storage_full"


class BackupUnusableError(GalleryError):
    """A folder that is no backup, or a backup that is damaged."""

    code = "backup_unusable"


class BackupOffError(GalleryError):
    """No folder for backups is set."""

    code = "backup_off"


class BrokerUnavailableError(GalleryError):
    """The broker that wakes the workers of batch jobs does not answer."""

    code = "broker_unavailable"


class ModelError(DuetError):
    """Weights or card are missing, or are not what the card says."""

    code = "model_unavailable"


class SpeechUnavailableError(DuetError):
    """Speech to text is an extra that is not installed."""

    code = "speech_unavailable"


class ConfigError(DuetError):
    """A setting that cannot be used."""

    code = "config"
