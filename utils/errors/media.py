"""Errors of clips, sound files and photographs."""

from __future__ import annotations

from utils.errors.base import DuetError


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
