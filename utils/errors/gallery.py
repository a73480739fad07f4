"""Errors of what is stored: people, templates, jobs, keys, backups."""

from __future__ import annotations

from utils.errors.base import DuetError


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
