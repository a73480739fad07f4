"""Errors of a request: of what it says, of who sends it, and of challenges."""

from __future__ import annotations

from utils.errors.base import DuetError


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
