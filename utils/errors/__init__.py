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
├── TableError
│   ├── TableMalformedError: table_malformed
│   ├── TableEncodingError: table_encoding
│   ├── TableColumnsError: table_columns
│   ├── RowConflictError: row_conflict
│   └── FileSharedError: file_shared
├── FileNotAwaitedError: file_not_awaited
├── ModelError: model_unavailable
├── SpeechUnavailableError: speech_unavailable
├── ConfigError: config
├── DatasetError: dataset
├── OutputError: output_refused
└── CheckpointError: checkpoint

Each branch has a file. An error knows nothing of HTTP or of the command line. Each front
has its own table of hints by code: `web/wire/hints.py`, `commands/hints.py`, and the texts
of the pages.
"""

from __future__ import annotations

from utils.errors.base import NO_ROOM as NO_ROOM
from utils.errors.base import DuetError as DuetError
from utils.errors.base import fill_hint as fill_hint
from utils.errors.base import say_body as say_body
from utils.errors.gallery import BackupOffError as BackupOffError
from utils.errors.gallery import BackupUnusableError as BackupUnusableError
from utils.errors.gallery import BrokerUnavailableError as BrokerUnavailableError
from utils.errors.gallery import DuplicatePersonError as DuplicatePersonError
from utils.errors.gallery import EncoderMismatchError as EncoderMismatchError
from utils.errors.gallery import GalleryError as GalleryError
from utils.errors.gallery import GroupExistsError as GroupExistsError
from utils.errors.gallery import GroupNotFoundError as GroupNotFoundError
from utils.errors.gallery import IdentificationNotFoundError as IdentificationNotFoundError
from utils.errors.gallery import JobNotFoundError as JobNotFoundError
from utils.errors.gallery import KeyNotFoundError as KeyNotFoundError
from utils.errors.gallery import LastAdminKeyError as LastAdminKeyError
from utils.errors.gallery import LastTemplateError as LastTemplateError
from utils.errors.gallery import NameTakenError as NameTakenError
from utils.errors.gallery import PersonExistsError as PersonExistsError
from utils.errors.gallery import PersonNotFoundError as PersonNotFoundError
from utils.errors.gallery import StorageFullError as StorageFullError
from utils.errors.gallery import StoreUnavailableError as StoreUnavailableError
from utils.errors.gallery import StrangerNotFoundError as StrangerNotFoundError
from utils.errors.gallery import TemplateNotFoundError as TemplateNotFoundError
from utils.errors.gallery import ThumbnailNotFoundError as ThumbnailNotFoundError
from utils.errors.gallery import TranscriptNotFoundError as TranscriptNotFoundError
from utils.errors.gallery import VisitNotFoundError as VisitNotFoundError
from utils.errors.media import ClipRefusedError as ClipRefusedError
from utils.errors.media import MediaCorruptError as MediaCorruptError
from utils.errors.media import MediaEmptyError as MediaEmptyError
from utils.errors.media import MediaError as MediaError
from utils.errors.media import MediaMissingError as MediaMissingError
from utils.errors.media import MediaNotFoundError as MediaNotFoundError
from utils.errors.media import MediaTooLargeError as MediaTooLargeError
from utils.errors.media import MediaTooLongError as MediaTooLongError
from utils.errors.media import MediaTypeError as MediaTypeError
from utils.errors.media import MediaUnreadableError as MediaUnreadableError
from utils.errors.media import MixedPeopleError as MixedPeopleError
from utils.errors.media import NoBiometricError as NoBiometricError
from utils.errors.media import NotLiveError as NotLiveError
from utils.errors.media import PoorQualityError as PoorQualityError
from utils.errors.media import SeveralPeopleError as SeveralPeopleError
from utils.errors.media import UnlikePersonError as UnlikePersonError
from utils.errors.programs import CheckpointError as CheckpointError
from utils.errors.programs import ConfigError as ConfigError
from utils.errors.programs import DatasetError as DatasetError
from utils.errors.programs import ModelError as ModelError
from utils.errors.programs import OutputError as OutputError
from utils.errors.programs import SpeechUnavailableError as SpeechUnavailableError
from utils.errors.requests import BusyError as BusyError
from utils.errors.requests import ChallengeError as ChallengeError
from utils.errors.requests import ChallengeExpiredError as ChallengeExpiredError
from utils.errors.requests import ChallengeForeignError as ChallengeForeignError
from utils.errors.requests import ChallengeUnknownError as ChallengeUnknownError
from utils.errors.requests import ChallengeUsedError as ChallengeUsedError
from utils.errors.requests import InvalidNameError as InvalidNameError
from utils.errors.requests import InvalidRequestError as InvalidRequestError
from utils.errors.requests import KeyRequiredError as KeyRequiredError
from utils.errors.requests import PathForbiddenError as PathForbiddenError
from utils.errors.requests import RequestError as RequestError
from utils.errors.tables import FileNotAwaitedError as FileNotAwaitedError
from utils.errors.tables import FileSharedError as FileSharedError
from utils.errors.tables import RowConflictError as RowConflictError
from utils.errors.tables import TableColumnsError as TableColumnsError
from utils.errors.tables import TableEncodingError as TableEncodingError
from utils.errors.tables import TableError as TableError
from utils.errors.tables import TableMalformedError as TableMalformedError
